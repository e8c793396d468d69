"""A request whose body Ray lost on the way to the replica."""

from typing import Any

from ray.exceptions import ActorUnavailableError

from serve_app.replica import behind_ray
from tests.api.world import World

SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/api/users/signin",
    "raw_path": b"/api/users/signin",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json"), (b"host", b"testserver")],
    "client": ("127.0.0.1", 1),
    "server": ("testserver", 80),
}


async def test_a_body_that_ray_lost_means_503_with_retry_after(world: World) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise ActorUnavailableError("lost", None)

    async def send(message: Any) -> None:  # noqa: ANN401 - any ASGI message
        sent.append(message)

    await behind_ray(world.api)(SCOPE, receive, send)
    start = sent[0]
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
