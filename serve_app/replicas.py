"""The replicas of a running market, which Serve renews when what they are deployed with changes."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve._private.common import DeploymentID
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ServeDeploySchema

from actors.runtime.ports import HostUnreachableError
from config.settings import Settings
from serve_app import app

NAME = "holdfast"
# Each line of it would cost a request a write. Without the level Serve makes each all the same, and drops it.
QUIET = {"enable_access_log": False, "log_level": "WARNING"}
# A rollout of sixteen replicas, four at a time, each of which may take ten seconds to end.
ROLLOUT_SECONDS = 300
LOOK_SECONDS = 0.5

# What Serve says of each application, by name.
Deployed = Mapping[str, Mapping[str, Any]]


class FixedNumberError(Exception):
    """The number of replicas is not for a command to change; says who changes it."""


def deploy(settings: Settings) -> None:
    """Have Serve run the marketplace, or renew it; return when it answers. Raises RuntimeError when it does not."""
    serve.run(app.build(settings), name=NAME, route_prefix="/", logging_config=QUIET, external_scaler_enabled=True)


def deployed() -> Deployed:
    """Return the applications that Serve runs. Raises HostUnreachableError when it runs none."""
    try:
        client: Any = _get_global_client()
        found: Deployed = client.get_serve_details()["applications"]
    except RayServeException:
        found = {}
    if not found:
        raise HostUnreachableError("Serve runs no replicas on this cluster")
    return found


def renew(settings: Settings, found: Deployed, tell: Callable[[str], None]) -> None:
    """Renew all replicas: the new ones answer before the old ones end. `tell` is given a line about each application.

    What was deployed from a file is deployed again as it was, with another release. There are as many as there were.
    Raises HostUnreachableError when new replicas do not start; the old ones go on then.
    """
    from_files = [one["deployed_app_config"] for one in found.values() if one.get("deployed_app_config")]
    try:
        if from_files:
            renewed = [one["name"] for one in from_files if _has_release(one)]
            _deploy_from_files(
                [_with_another_release(one) if _has_release(one) else one for one in from_files], renewed
            )
        else:
            renewed = [NAME]
            deploy(settings.model_copy(update={"api_replicas": _api(found)["target_num_replicas"]}))
    except TimeoutError as error:
        raise HostUnreachableError(f"after {ROLLOUT_SECONDS} s not all replicas are new") from error
    except RuntimeError as error:
        raise HostUnreachableError("a replica did not start") from error
    for name in renewed:
        tell(f"replicas of {name} renewed")


def number(found: Deployed) -> int:
    """Return how many replicas of the API there are to be. Raises FixedNumberError when no command may change that."""
    if _api(found)["deployment_config"].get("autoscaling_config"):
        raise FixedNumberError("Serve scales the replicas by itself: see autoscaling_config in its config file")
    if not found[NAME]["external_scaler_enabled"]:
        raise FixedNumberError("the config file of Serve has no external_scaler_enabled: true for the application")
    return int(_api(found)["target_num_replicas"])


def scale(wanted: int) -> None:
    """Have Serve start or end replicas of the API until there are so many. Raises HostUnreachableError."""
    client: Any = _get_global_client()
    api = DeploymentID(name=_api(deployed())["name"], app_name=NAME)
    try:
        # Serve offers this over the dashboard's HTTP alone, which a market may not have open.
        ray.get(client._controller.update_deployment_replicas.remote(api, wanted))  # noqa: SLF001
    except RayError as error:
        raise HostUnreachableError("Serve's controller, which did not answer: repeat the command") from error


def wait_for(wanted: int, tell: Callable[[str], None]) -> None:
    """Return when so many replicas of the API answer and the others have ended. `tell` is given each state on the way.

    Raises HostUnreachableError when that takes too long.
    """
    deadline = time.monotonic() + ROLLOUT_SECONDS
    told = ""
    while (states := Counter(replica["state"] for replica in _api(deployed())["replicas"])) != {"RUNNING": wanted}:
        if time.monotonic() > deadline:
            raise HostUnreachableError(f"{wanted} replicas: is there a node with room for them?")
        if (line := ", ".join(f"{count} {state.lower()}" for state, count in sorted(states.items()))) != told:
            tell(f"replicas: {line}")
        told = line
        time.sleep(LOOK_SECONDS)


def _api(found: Deployed) -> Mapping[str, Any]:
    (api,) = found[NAME]["deployments"].values()
    return dict(api)


def _deploy_from_files(applications: list[Mapping[str, Any]], renewed: list[str]) -> None:
    client: Any = _get_global_client()
    client.deploy_apps(ServeDeploySchema.model_validate({"applications": applications}))
    deadline = time.monotonic() + ROLLOUT_SECONDS
    while waiting := [name for name in renewed if not _is_running(name)]:
        if time.monotonic() > deadline:
            raise TimeoutError(waiting)
        time.sleep(LOOK_SECONDS)


def _is_running(name: str) -> bool:
    status = serve.status().applications[name].status
    if status == ApplicationStatus.DEPLOY_FAILED:
        raise RuntimeError(name)
    return status == ApplicationStatus.RUNNING


def _has_release(application: Mapping[str, Any]) -> bool:
    return "release" in application.get("args", {})


def _with_another_release(application: Mapping[str, Any]) -> Mapping[str, Any]:
    release = str(application["args"]["release"]).partition("+")[0]
    return {**application, "args": {**application["args"], "release": f"{release}+{time.time_ns()}"}}
