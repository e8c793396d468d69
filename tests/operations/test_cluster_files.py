import math
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from pydantic import SecretStr
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import DeploymentSchema, ServeDeploySchema

from config.ray_environment import MARKET_CAPACITY, MARKET_RESOURCE, OBJECT_STORE_BYTES, RAY_SETTINGS
from config.settings import Settings

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

    own = {"HTTP_HOST": "0.0.0.0"}  # noqa: S104 - a load balancer and the other nodes come from outside
    assert dict(re.findall(r"^(\w+)=(.*)$", writes_them, re.MULTILINE)) == RAY_SETTINGS | own


@pytest.mark.parametrize("role", ["head", "worker"])
def test_every_node_gives_haproxy_the_key_that_replicas_know_it_by(cluster: dict[str, Any], role: str) -> None:
    start = next(command for command in cluster[f"{role}_start_ray_commands"] if "ray start" in command)

    assert "export HOLDFAST_INGRESS_KEY=$(cd ~/holdfast && ~/venv/bin/python -m config.ingress_key);" in start
    assert start.index("HOLDFAST_INGRESS_KEY") < start.index("ray start")


def test_replicas_with_the_same_settings_believe_the_key_of_haproxy() -> None:
    environment = {**os.environ, "JWT_KEY": "0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210"}
    printed = subprocess.run(
        [sys.executable, "-m", "config.ingress_key"],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()

    believed = Settings(jwt_key=SecretStr(environment["JWT_KEY"])).ingress_keys
    assert printed.strip() == believed[0]
    assert len({*believed}) == 2


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_starts_with_those_settings_and_a_small_object_store(cluster: dict[str, Any], role: str) -> None:
    start = next(command for command in cluster[f"{role}_start_ray_commands"] if "ray start" in command)

    assert start.startswith("set -a; . ~/ray.env; . ~/.holdfast/holdfast.env; set +a;")
    assert f"--object-store-memory={OBJECT_STORE_BYTES}" in start


def test_workers_have_what_actors_ask_for_and_the_head_has_room_for_nobody(cluster: dict[str, Any]) -> None:
    types = cluster["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["worker"]["resources"][MARKET_RESOURCE] == MARKET_CAPACITY


def test_the_cluster_installs_the_versions_that_were_tested(cluster: dict[str, Any]) -> None:
    assert any("pip install" in command and "constraints.txt" in command for command in cluster["setup_commands"])


def test_serve_accepts_its_file_and_finds_the_applications_in_it() -> None:
    schema = ServeDeploySchema.model_validate(parsed("config/serve.yaml"))

    assert [(each.name, each.route_prefix, each.import_path) for each in schema.applications] == [
        ("holdfast", "/", "serve_app.app:app_builder"),
        ("live", "/live", "serve_app.app:live_builder"),
        ("events", "/api/events", "serve_app.app:live_builder"),
    ]


def test_every_deployment_bounds_its_queue_and_its_replicas_on_a_node_and_starts_new_ones_first() -> None:
    deployments = [
        each for application in parsed("config/serve.yaml")["applications"] for each in application["deployments"]
    ]
    # Serve ignores what it does not know.
    assert {name for each in deployments for name in each} <= {*DeploymentSchema.model_fields}
    for each in deployments:
        assert 0 < each["max_queued_requests"] <= each["max_ongoing_requests"]
        assert each["backpressure_config"] == {"status_code": 503, "retry_after_s": 1}
        # With a node for each of the fewest replicas there is room for those that a deploy starts first.
        fewest = each["num_replicas"] if "num_replicas" in each else each["autoscaling_config"]["min_replicas"]
        started_first = math.ceil(fewest * each["max_surge_percent"] / 100)
        assert 0 < started_first <= fewest * (each["max_replicas_per_node"] - 1)


def test_replicas_are_renewed_with_every_release() -> None:
    applications = ServeDeploySchema.model_validate(parsed("config/serve.yaml")).applications
    assert {each.args["release"] for each in applications} == {version("holdfast")}


def test_the_deployment_options_name_the_deployment_that_the_code_has() -> None:
    from serve_app.app import app_builder, live_builder  # noqa: PLC0415 - loads all of the application

    args = {"release": "2", "mongodb_url": "mongodb://db/holdfast", "redis_url": "redis://redis"}
    applications = ServeDeploySchema.model_validate(parsed("config/serve.yaml")).applications
    for builder, application in zip((app_builder, live_builder, live_builder), applications, strict=True):
        assert [each.name for each in application.deployments] == [builder(args)._bound_deployment.name]


def test_settings_in_the_file_win_over_those_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    from serve_app.app import app_builder  # noqa: PLC0415 - loads all of the application

    monkeypatch.setenv("TICKET_ACTORS", "1")
    (settings,) = app_builder({"release": "2", "ticket_actors": "4"})._bound_deployment.init_args
    assert settings.ticket_actors == 4
