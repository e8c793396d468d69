"""What every response tells browsers, whatever it answers."""

import re
from dataclasses import replace

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve_app.api import create_api
from serve_app.security.headers import SecurityHeaders
from tests.api.routes import routes_in
from tests.api.world import World

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
ANSWERS = [
    ("GET", "/api/tickets", 200), ("GET", "/api/orders", 401), ("GET", "/nowhere", 404), ("PATCH", "/api/orders", 405),
    ("POST", "/api/users/signin", 415), ("GET", "/docs", 200), ("GET", "/docs/start.js", 200), ("GET", "/healthz", 200),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
async def test_every_response_carries_the_headers(world: World, method: str, path: str, status: int) -> None:
    response = await world.anyone().http.request(method, path)
    assert response.status_code == status
    assert {name: response.headers[name] for name in ALWAYS} == ALWAYS
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert "camera=()" in response.headers["permissions-policy"]
    assert "cache-control" in response.headers
    assert "strict-transport-security" not in response.headers, "the site is served over http"


async def test_a_crash_and_another_sites_request_carry_the_headers_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await world.someone()
    abroad = await person.http.post("/api/users/signout", headers={"Origin": "https://elsewhere.example"})
    monkeypatch.setattr(type(world.services.queries.orders), "of_buyer", None)
    crashed = await person.http.get("/api/orders")
    assert (abroad.status_code, crashed.status_code) == (403, 500)
    for response in (abroad, crashed):
        assert {name: response.headers[name] for name in ALWAYS} == ALWAYS


async def test_over_https_browsers_are_told_to_use_only_https_for_a_year(world: World) -> None:
    settings = world.services.settings.model_copy(update={"public_url": "https://tickets.example"})
    person = world.anyone(create_api(replace(world.services, settings=settings)))
    assert (await person.http.get("/healthz")).headers["strict-transport-security"] == "max-age=31536000"


async def test_over_https_every_cookie_is_bound_to_the_host(world: World) -> None:
    settings = world.services.settings.model_copy(update={"public_url": "https://tickets.example"})
    api = create_api(replace(world.services, settings=settings))
    someone = await world.someone()
    person = world.anyone(api)
    person.http.cookies.update(someone.http.cookies)
    changed = await person.http.post("/api/tickets", json={"title": "Concert", "price": 5})
    assert changed.status_code == 201
    cookies = changed.headers.get_list("set-cookie")
    assert cookies
    assert all(cookie.startswith("__Host-") and "Secure" in cookie and "HttpOnly" in cookie for cookie in cookies)


async def test_answers_are_stored_in_no_cache(world: World) -> None:
    for path in ("/api/tickets?limit=0", "/api/orders", "/api/users/currentuser"):
        assert (await world.anyone().http.get(path)).headers["cache-control"] == "no-store"


async def test_an_answer_allows_a_page_nothing_and_the_documentation_only_what_comes_from_here(world: World) -> None:
    answer = (await world.anyone().http.get("/api/tickets")).headers["content-security-policy"]
    page = (await world.anyone().http.get("/docs")).headers["content-security-policy"]
    assert answer.startswith("default-src 'none';")
    assert "http" not in page
    assert "script-src 'self';" in page


async def test_the_documentation_loads_nothing_from_elsewhere(world: World) -> None:
    anyone = world.anyone()
    page = (await anyone.http.get("/docs")).text
    assert "//" not in page.replace("<!doctype", "")
    for part in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "start.js"):
        assert f"/docs/{part}" in page
        loaded = await anyone.http.get(f"/docs/{part}")
        assert loaded.status_code == 200
        assert loaded.content
    assert (await anyone.http.get("/docs/..%2fapi.py")).status_code == 404


async def test_answers_that_caches_may_store_carry_no_cookie_at_any_address(world: World) -> None:
    """Somebody whose token is due for renewal asks for everything: what is public would hand on their session."""
    shared, renewed = set(), set()
    for route in routes_in(world.api):
        if "GET" not in (route.methods or ()):
            continue
        for name in ("swagger-ui.css", "f" * 24):
            due = await world.someone()
            world.clock.advance(500)
            path = re.sub(r"{[^}]+}", name, route.path)
            response = await due.http.get(path)
            kept = response.headers["cache-control"]
            if "set-cookie" in response.headers:
                renewed.add(path)
            if "no-store" not in kept and "private" not in kept:
                shared.add(path)
                assert "set-cookie" not in response.headers, path
    assert "/docs/swagger-ui.css" in shared
    assert "/api/orders" in renewed, "the control: what is theirs alone does carry it"


@pytest.mark.parametrize(
    ("kept", "carries"),
    [("", True), ("no-store", True), ("private, no-cache", True), ("public, max-age=60", False), ("no-cache", False),
     ("max-age=60", False), ("S-MAXAGE=60", False)],
)  # fmt: skip
async def test_the_cookie_rule_holds_for_every_response(kept: str, *, carries: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = Response(headers={"Cache-Control": kept} if kept else {})
        response.set_cookie("session", "secret")
        response.set_cookie("changed", "1")
        await response(scope, receive, send)

    transport = httpx.ASGITransport(SecurityHeaders(app, https=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert len((await client.get("/")).headers.get_list("set-cookie")) == (2 if carries else 0)
