"""What Serve is told so that it renews replicas, and who may scale them; tests/cluster/ does both."""

from typing import Any

import pytest

from serve_app import replicas
from serve_app.replicas import FixedNumberError, _with_another_release


def deployed(*, is_scalable: bool = True, **config: Any) -> dict[str, Any]:  # noqa: ANN401 - as Serve gives it
    api = {"name": "Api", "target_num_replicas": 3, "deployment_config": {"num_replicas": 2, **config}}
    return {"holdfast": {"external_scaler_enabled": is_scalable, "deployments": {"Api": api}}}


def test_there_are_as_many_replicas_as_they_were_scaled_to_and_not_as_were_deployed() -> None:
    assert replicas.number(deployed()) == 3


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (deployed(autoscaling_config={"min_replicas": 2}), "autoscaling_config"),
        (deployed(is_scalable=False), "external_scaler_enabled: true"),
    ],
)
def test_replicas_whose_number_is_in_a_file_are_not_scaled_by_a_command(found: dict[str, Any], line: str) -> None:
    with pytest.raises(FixedNumberError, match=line):
        replicas.number(found)


def test_an_application_is_deployed_again_as_it_was_with_a_release_that_was_never_there() -> None:
    application = {"name": "live", "route_prefix": "/live", "args": {"release": "0.1.0", "kept": "as it is"}}
    first = _with_another_release(application)
    second = _with_another_release(first)
    releases = {application["args"]["release"], first["args"]["release"], second["args"]["release"]}  # type: ignore[index]
    assert len(releases) == 3
    assert all(release.startswith("0.1.0") and release.count("+") <= 1 for release in releases)
    for renewed in (first, second):
        assert {**renewed, "args": None} == {**application, "args": None}
        assert {**renewed["args"], "release": None} == {"release": None, "kept": "as it is"}
