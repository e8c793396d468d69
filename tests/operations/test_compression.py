"""Compression, through the real HAProxy and the server that Serve starts in a replica."""

import gzip
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.security.headers import SecurityHeaders
from tests.api.world import TICKET, Person, World
from tests.operations.test_client_addresses import behind_haproxy

TEXT = "all the same " * 200


@pytest.fixture
async def ingress(world: World, tmp_path: Path) -> AsyncIterator[str]:
    async with behind_haproxy(world.api, tmp_path) as running:
        yield f"http://127.0.0.1:{running.port}"


async def asked(
    address: str, person: Person | None = None, method: str = "GET", body: object = None, **headers: str
) -> tuple[httpx.Response, bytes]:
    """The answer and its bytes as they came."""
    cookies = dict(person.http.cookies) if person else {}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx.AsyncClient(cookies=cookies) as http,
        http.stream(method, address, json=body, headers={"Accept-Encoding": "identity", **headers}) as answer,
    ):
        return answer, b"".join([part async for part in answer.aiter_raw()])


async def test_answers_are_compressed_for_clients_that_take_it(world: World, ingress: str) -> None:
    seller = await world.someone()
    ticket = await seller.lists(description=TEXT)
    for path in ("/api/tickets", f"/api/tickets/{ticket['id']}", "/openapi.json", "/docs", "/docs/swagger-ui.css"):
        plain, whole = await asked(ingress + path)
        compressed, raw = await asked(ingress + path, Accept_Encoding="gzip, br")
        assert "content-encoding" not in plain.headers
        assert compressed.headers["content-encoding"] == "gzip", path
        assert "accept-encoding" in compressed.headers["vary"].lower()
        assert gzip.decompress(raw) == whole
        assert len(raw) < len(whole)


async def test_version_of_a_compressed_answer_is_as_good_as_that_of_a_plain_one(world: World, ingress: str) -> None:
    seller = await world.someone()
    address = f"{ingress}/api/tickets/{(await seller.lists(description=TEXT))['id']}"
    plain, _ = await asked(address)
    compressed, _ = await asked(address, Accept_Encoding="gzip")
    assert (plain.headers["etag"], compressed.headers["etag"]) == ('"1"', 'W/"1"')
    for tag in ('"1"', 'W/"1"'):
        unchanged, nothing = await asked(address, Accept_Encoding="gzip", If_None_Match=tag)
        assert (unchanged.status_code, nothing) == (304, b"")
    edited, _ = await asked(address, seller, "PUT", TICKET, If_Match='W/"1"', Accept_Encoding="gzip")
    assert edited.status_code == 200
    refused, _ = await asked(address, seller, "PUT", TICKET, If_Match='W/"1"', Accept_Encoding="gzip")
    assert refused.status_code == 412


async def test_list_that_was_compressed_is_known_again(world: World, ingress: str) -> None:
    await (await world.someone()).lists(description=TEXT)
    address = f"{ingress}/api/tickets"
    compressed, _ = await asked(address, Accept_Encoding="gzip")
    assert compressed.headers["content-encoding"] == "gzip"
    unchanged, _ = await asked(address, Accept_Encoding="gzip", If_None_Match=compressed.headers["etag"])
    assert unchanged.status_code == 304


async def test_answers_that_may_have_a_secret_are_not_compressed(world: World, ingress: str) -> None:
    buyer = await world.someone()
    order = await buyer.orders(await (await world.someone()).lists(description=TEXT))
    for method, path, body in (
        ("POST", "/api/payments", {"orderId": order["id"], "paymentMethod": "pm_card_authenticationRequired"}),
        ("POST", "/api/tickets", {**TICKET, "description": TEXT}),
    ):
        answer, _ = await asked(ingress + path, buyer, method, body, Accept_Encoding="gzip")
        assert answer.status_code in {201, 202}, path
        assert answer.headers["cache-control"] == "no-store, no-transform"
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("media_type", "is_compressed"),
    [
        ("application/json", True),
        ("text/html; charset=utf-8", True),
        ("text/event-stream", False),
        ("image/png", False),
    ],
)
async def test_streams_of_events_and_pictures_are_not_compressed(
    tmp_path: Path, media_type: str, *, is_compressed: bool
) -> None:
    async with behind_haproxy(
        SecurityHeaders(says(TEXT, {"Content-Type": media_type}), https=False), tmp_path
    ) as running:
        answer, _ = await asked(f"http://127.0.0.1:{running.port}/", Accept_Encoding="gzip")
    assert ("content-encoding" in answer.headers) == is_compressed


def says(text: str, headers: Mapping[str, str]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(text, headers=headers)(scope, receive, send)

    return app


async def test_memory_for_compression_is_bounded(world: World, tmp_path: Path) -> None:
    async with behind_haproxy(world.api, tmp_path) as running:
        settings = running.configuration.read_text().partition("defaults")[0]
    assert "maxzlibmem 64" in settings
