"""What every response tells browsers, whatever it answers."""

from dataclasses import replace

import pytest

from serve_app.api import create_api
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


async def test_a_crash_and_another_sites_request_carry_them_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await world.someone()
    abroad = await person.http.post("/api/users/signout", headers={"Origin": "https://elsewhere.example"})
    monkeypatch.setattr(type(world.services.queries.orders), "of_buyer", None)
    crashed = await person.http.get("/api/orders")
    assert (abroad.status_code, crashed.status_code) == (403, 500)
    for response in (abroad, crashed):
        assert {name: response.headers[name] for name in ALWAYS} == ALWAYS


async def test_over_https_browsers_are_told_to_come_by_no_other_way_for_a_year(world: World) -> None:
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


async def test_what_is_answered_is_kept_by_nobody(world: World) -> None:
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
