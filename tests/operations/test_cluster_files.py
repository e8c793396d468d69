import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import ServeDeploySchema

from config.ray_environment import OBJECT_STORE_BYTES, RAY_SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cluster() -> dict[str, Any]:
    return parsed("cluster.yaml")


def parsed(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return content


def test_ray_accepts_the_cluster_file(cluster: dict[str, Any]) -> None:
    validate_config(prepare_config(cluster))


def test_ray_would_refuse_a_cluster_file_with_a_misspelled_key(cluster: dict[str, Any]) -> None:
    cluster["head_start_ray_comands"] = []

    with pytest.raises(ValidationError):
        validate_config(prepare_config(cluster))


def test_every_node_of_a_cluster_gets_the_ray_settings_of_a_single_machine(cluster: dict[str, Any]) -> None:
    writes_them = next(command for command in cluster["setup_commands"] if "ray.env" in command)

    assert dict(re.findall(r"^(RAY_\w+)=(\S+)$", writes_them, re.MULTILINE)) == RAY_SETTINGS


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_starts_with_those_settings_and_a_small_object_store(cluster: dict[str, Any], role: str) -> None:
    start = next(command for command in cluster[f"{role}_start_ray_commands"] if "ray start" in command)

    assert start.startswith("set -a; . ~/ray.env; . ~/holdfast.env; set +a;")
    assert f"--object-store-memory={OBJECT_STORE_BYTES}" in start


def test_the_cluster_installs_the_versions_that_were_tested(cluster: dict[str, Any]) -> None:
    assert any("pip install" in command and "constraints.txt" in command for command in cluster["setup_commands"])


def test_serve_accepts_its_file_and_finds_the_application_in_it() -> None:
    schema = ServeDeploySchema.model_validate(parsed("config/serve.yaml"))

    (application,) = schema.applications
    assert (application.name, application.route_prefix) == ("holdfast", "/")
    assert application.import_path == "serve_app.app:app_builder"


def test_the_deployment_options_name_the_deployment_that_the_code_has() -> None:
    from serve_app.app import app_builder  # noqa: PLC0415 - loads all of the application

    deployed = app_builder({"mongodb_url": "mongodb://db/holdfast", "redis_url": "redis://redis"})

    (application,) = ServeDeploySchema.model_validate(parsed("config/serve.yaml")).applications
    assert [each.name for each in application.deployments] == [deployed._bound_deployment.name]
