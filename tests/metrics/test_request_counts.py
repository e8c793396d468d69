"""Requests are counted by route and outcome, whatever addresses clients make up."""

import re

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from actors.metrics import registry
from actors.metrics.emitter import Emitter
from serve_app.api import create_api
from serve_app.http.request_context import RequestContext
from serve_app.http.request_counts import STREAMS, RequestCounts, route_of
from tests.api.routes import routes_in
from tests.api.world import World
from tests.metrics.recorded import Recorded
from tests.support.examples import new_id


def seen(counts: RequestCounts) -> Recorded:
    sink = Recorded()
    Emitter(sink).emit(counts.samples())
    return sink


async def ask(app: RequestContext, method: str, path: str) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://market") as client:
        await client.request(method, path)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (304, "ok"), (404, "refused"), (429, "limited"), (503, "unavailable"), (500, "failed")],
)
async def test_an_answer_is_counted_by_its_status(status: int, outcome: str) -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("", status)(scope, receive, send)

    counts = RequestCounts()
    await ask(RequestContext(answer, "errors", counts), "POST", "/api/orders")
    assert seen(counts).value(registry.REQUESTS, route="POST /api/orders", outcome=outcome) == 1
    assert seen(counts).value(registry.REQUEST_SECONDS, route="POST /api/orders", le="+Inf") == 1


async def test_a_request_whose_handler_breaks_has_failed() -> None:
    async def breaks(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    counts = RequestCounts()
    await ask(RequestContext(breaks, "errors", counts), "GET", "/api/tickets")
    assert seen(counts).value(registry.REQUESTS, route="GET /api/tickets", outcome="failed") == 1


async def test_made_up_addresses_and_ids_add_no_series() -> None:
    counts = RequestCounts()
    for _ in range(200):
        counts.add("GET", f"/api/tickets/{new_id()}", 200, 0.02)
        counts.add("GET", f"/api/{new_id()}", 404, 0.02)
        counts.add("FETCH", f"/{new_id()}/{new_id()}", 404, 0.02)
    routes = {dict(labels)["route"] for _, labels in seen(counts).series}
    assert routes == {"GET /api/tickets/{ticket_id}", registry.OTHER, registry.PAGES}


async def test_every_measured_route_is_one_of_the_app_and_no_other_is_taken_for_it(world: World) -> None:
    api: FastAPI = world.api
    app_routes = [(method, route.path) for route in routes_in(api) for method in route.methods or ()]
    named = set(registry.ROUTES) - {registry.OTHER, registry.PAGES}
    assert named <= {f"{method} {path}" for method, path in app_routes}
    for method, path in app_routes:
        told = route_of(method, re.sub(r"\{\w+(:\w+)?\}", new_id(), path))
        expected = {f"{method} {path}"} & named
        assert {told} & named == expected


async def test_streams_are_routes_of_the_app_and_are_not_counted(world: World) -> None:
    api: FastAPI = world.api
    assert {route.path for route in routes_in(api)} >= STREAMS

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("")(scope, receive, send)

    counts = RequestCounts()
    for path in STREAMS:
        await ask(RequestContext(answer, "errors", counts), "GET", path)
    assert not seen(counts).series


async def test_the_app_counts_what_it_answers(world: World) -> None:
    api = create_api(world.services)
    await world.anyone(api).http.get("/api/tickets")
    sink = seen(api.state.request_counts)
    assert sink.value(registry.REQUESTS, route="GET /api/tickets", outcome="ok") == 1
