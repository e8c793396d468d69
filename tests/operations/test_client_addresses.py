"""Whose address limits count, through the real HAProxy and the server that Serve starts in a replica."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from ray.serve._private.http_util import start_asgi_http_server
from ray.serve.config import HTTPOptions
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from config.ports import free_port
from config.ray_environment import RAY_SETTINGS
from serve_app.api import create_api
from serve_app.security.client_ip import client_address
from tests.api.world import World
from tests.support.haproxy import INGRESS_KEY, RunningHAProxy, haproxy


@pytest.fixture(autouse=True)
def environment_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", RAY_SETTINGS["FORWARDED_ALLOW_IPS"])


@asynccontextmanager
async def replica(app: ASGIApp) -> AsyncIterator[int]:
    """A port at which the app is served as Serve serves it in a replica."""
    port = free_port()

    async def or_healthy(scope: Scope, receive: Receive, send: Send) -> None:
        # What Serve answers before the app is asked.
        await (PlainTextResponse("success") if scope["path"] == "/-/healthz" else app)(scope, receive, send)

    options = HTTPOptions(host="127.0.0.1", port=port)
    task, server = await start_asgi_http_server(or_healthy, options, event_loop=asyncio.get_running_loop())
    try:
        yield port
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def behind_haproxy(app: ASGIApp, folder: Path) -> AsyncIterator[RunningHAProxy]:
    """An HAProxy in front of the app; its start is awaited, as it asks the app whether it lives."""
    async with replica(app) as port:
        running = haproxy(folder, [port])
        ingress = await asyncio.to_thread(running.__enter__)
        try:
            yield ingress
        finally:
            running.__exit__(None, None, None)


def says_whom_it_counts(trusted_proxies: int) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        counted = client_address(Request(scope), trusted_proxies, (INGRESS_KEY,))
        await PlainTextResponse(counted)(scope, receive, send)

    return app


def from_address(address: str, port: int) -> httpx.AsyncClient:
    """A client at this address of the machine."""
    transport = httpx.AsyncHTTPTransport(local_address=address)
    host = "[::1]" if ":" in address else "127.0.0.1"
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}:{port}", timeout=30)


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "counted"),
    [
        pytest.param(1, "127.0.0.2", "", "127.0.0.2", id="nobody in front"),
        pytest.param(1, "127.0.0.2", "203.0.113.1", "127.0.0.2", id="nobody in front, spoofed"),
        pytest.param(1, "127.0.0.2", "203.0.113.1, 10.0.0.1", "127.0.0.2", id="spoofed as if through a proxy"),
        pytest.param(1, "::1", "203.0.113.1", "::/64", id="IPv6, spoofed"),
        pytest.param(2, "127.0.0.2", "198.51.100.9", "198.51.100.9", id="one in front"),
        pytest.param(2, "127.0.0.2", "203.0.113.7, 198.51.100.9", "198.51.100.9", id="one in front, spoofed"),
        pytest.param(2, "127.0.0.2", "203.0.113.7, 100.64.3.4", "100.64.3.4", id="one in front, a shared address"),
        pytest.param(2, "127.0.0.2", "203.0.113.7, 10.1.2.3:50123", "10.1.2.3", id="one in front, with the port"),
        pytest.param(2, "127.0.0.2", "x, 2001:db8:1:2:3::4", "2001:db8:1:2::/64", id="one in front, IPv6"),
        pytest.param(2, "127.0.0.2", "[2001:db8:1:2:3::4]:443", "2001:db8:1:2::/64", id="one in front, IPv6 with port"),
        pytest.param(2, "127.0.0.2", "203.0.113.7, unknown", "127.0.0.1", id="one in front that says nothing"),
        pytest.param(2, "127.0.0.2", "9" * 5_000, "127.0.0.1", id="one in front that says too much"),
        pytest.param(3, "127.0.0.2", "198.51.100.9, 104.16.0.9", "198.51.100.9", id="two in front"),
        pytest.param(3, "127.0.0.2", "203.0.113.7, 198.51.100.9, 10.0.0.1", "198.51.100.9", id="two in front, spoofed"),
    ],
)
async def test_the_client_is_who_the_outermost_proxy_of_ours_saw(
    tmp_path: Path, proxies: int, peer: str, forwarded: str, counted: str
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    app = says_whom_it_counts(proxies)
    async with behind_haproxy(app, tmp_path) as ingress, from_address(peer, ingress.port) as client:
        assert (await client.get("/", headers=headers)).text == counted


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.0.9"])
@pytest.mark.parametrize("key", ["", "guessed"])
async def test_a_replica_believes_no_client_about_its_address(peer: str, key: str) -> None:
    async with replica(says_whom_it_counts(1)) as port, from_address(peer, port) as client:
        headers = {"X-Forwarded-For": "203.0.113.1", "X-Holdfast-Ingress": key}
        assert (await client.get("/", headers=headers)).text == peer


async def test_a_client_who_guesses_passwords_is_limited_whatever_address_it_claims(
    world: World, tmp_path: Path
) -> None:
    api = create_api(replace(world.services, ingress_keys=(INGRESS_KEY,)))
    async with behind_haproxy(api, tmp_path) as ingress:
        statuses = [await guesses(ingress, "127.0.7.2", world, number) for number in range(61)]

        assert statuses == [401] * 60 + [429]
        assert await guesses(ingress, "127.0.7.2", world, 61) == 429
        assert await guesses(ingress, "127.0.7.3", world, 62) == 401
        assert await guesses(ingress, "::1", world, 63) == 401


async def guesses(ingress: RunningHAProxy, address: str, world: World, number: int) -> int:
    """The status of a sign-in with a wrong password, each at another account and as if from elsewhere."""
    account = {"email": f"{world.address}-{number}@example.com", "password": "a wrong one, surely"}
    headers = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": "203.0.113.1", "Forwarded": "for=203.0.113.1"}
    async with from_address(address, ingress.port) as client:
        return (await client.post("/api/users/signin", json=account, headers=headers)).status_code
