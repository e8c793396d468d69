"""What Serve is told so that it renews replicas; tests/cluster/ has it renew them."""

from serve_app.replicas import _with_another_release


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
