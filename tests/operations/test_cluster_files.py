import math
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from jsonschema import ValidationError
from pydantic import SecretStr
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import DeploymentSchema, ServeDeploySchema

from config.ray_environment import MARKET_CAPACITY, MARKET_RESOURCE, OBJECT_STORE_BYTES, RAY_SETTINGS
from config.settings import Settings, SettingsError

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

    told = "ingress=$(cd ~/holdfast && ~/venv/bin/python -m config.ingress) && export $ingress && "
    assert f"{told}~/venv/bin/ray start" in start, "without settings that can be used Ray does not start"


def test_replicas_with_the_same_settings_believe_the_key_of_haproxy() -> None:
    environment = {**os.environ, "JWT_KEY": "0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210"}
    printed = subprocess.run(
        [sys.executable, "-m", "config.ingress"],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()

    believed = Settings(jwt_key=SecretStr(environment["JWT_KEY"])).ingress_keys
    assert dict(line.split("=") for line in printed.splitlines())["HOLDFAST_INGRESS_KEY"] == believed[0]
    assert len({*believed}) == 2


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_starts_with_those_settings_and_a_small_object_store(cluster: dict[str, Any], role: str) -> None:
    start = next(command for command in cluster[f"{role}_start_ray_commands"] if "ray start" in command)

    assert start.startswith("set -a; . ~/ray.env; set +a;")
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

    applications = ServeDeploySchema.model_validate(parsed("config/serve.yaml")).applications
    for builder, application in zip((app_builder, live_builder, live_builder), applications, strict=True):
        assert [each.name for each in application.deployments] == [builder({"release": "2"})._bound_deployment.name]


def test_replicas_are_made_without_settings_and_read_those_of_their_node(monkeypatch: pytest.MonkeyPatch) -> None:
    from serve_app.app import app_builder, live_builder  # noqa: PLC0415 - loads all of the application

    monkeypatch.setenv("LIVE_STREAMS", "7")
    api, live = (cast("Any", build({"release": "2"}))._bound_deployment for build in (app_builder, live_builder))
    assert [*api.init_args, *api.init_kwargs.items()] == []
    assert [*live.init_args, *live.init_kwargs.items()] == [("live_streams", 7)]


def test_settings_among_the_arguments_of_an_application_are_refused_by_name_and_not_repeated() -> None:
    from serve_app.app import app_builder  # noqa: PLC0415 - loads all of the application

    with pytest.raises(SettingsError, match="stripe_key: settings belong into the file") as refused:
        app_builder({"release": "2", "stripe_key": "sk_live_secret"})
    assert "sk_live_secret" not in str(refused.value)
