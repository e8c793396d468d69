"""The replicas of a running market, which Serve renews when what they are deployed with changes."""

import time
from collections.abc import Callable
from typing import Any

from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from actors.runtime.ports import HostUnreachableError
from config.settings import Settings
from serve_app import app

NAME = "holdfast"
# Each line of it would cost a request a write. Without the level Serve makes each all the same, and drops it.
QUIET = {"enable_access_log": False, "log_level": "WARNING"}


def deploy(settings: Settings) -> None:
    """Have Serve run the marketplace, or renew it; return when it answers. Raises RuntimeError when it does not."""
    serve.run(app.build(settings), name=NAME, route_prefix="/", logging_config=QUIET)


def renew(settings: Settings, tell: Callable[[str], None]) -> None:
    """Renew all replicas: the new ones answer before the old ones end. `tell` is given a line about each application.

    What was deployed from a file is deployed again as it was, with another release. Raises HostUnreachableError when
    new replicas do not start; the old ones go on then.
    """
    client: Any = _get_global_client()
    found: dict[str, Any] = client.get_serve_details()["applications"]
    from_files = [one["deployed_app_config"] for one in found.values() if one.get("deployed_app_config")]
    try:
        if from_files:
            renewed = {"applications": [_with_another_release(one) for one in from_files]}
            client.deploy_apps(ServeDeploySchema.model_validate(renewed), _blocking=True)
        else:
            deploy(settings)
    except (RuntimeError, TimeoutError) as error:
        raise HostUnreachableError("a replica did not start") from error
    for name in found:
        tell(f"replicas of {name} renewed")


def _with_another_release(application: dict[str, Any]) -> dict[str, Any]:
    release = str(application["args"]["release"]).partition("+")[0]
    return {**application, "args": {**application["args"], "release": f"{release}+{time.time_ns()}"}}
