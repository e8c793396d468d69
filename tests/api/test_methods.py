"""HEAD, OPTIONS and `Allow`, at every address that there is."""

import re

import pytest
from fastapi import FastAPI

from tests.api.routes import routes_in
from tests.api.world import NOBODY, World, errors

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


def addresses(api: FastAPI) -> dict[str, set[str]]:
    """Every address, with an id of nobody for each parameter, and the methods of its routes."""
    found: dict[str, set[str]] = {}
    for route in routes_in(api):
        found.setdefault(re.sub(r"{[^}]+}", NOBODY, route.path), set()).update(route.methods or ())
    return found


async def test_head_is_answered_as_get_without_the_body_wherever_get_is(world: World) -> None:
    person = await world.someone()
    gets = [path for path, methods in addresses(world.api).items() if "GET" in methods]
    assert {"/api/tickets", f"/api/tickets/{NOBODY}", "/docs", "/healthz"} <= {*gets}
    for path in gets:
        get, head = await person.http.get(path), await person.http.head(path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        for header in ("content-length", "content-type"):  # what is sent in parts has no length
            assert head.headers.get(header) == get.headers.get(header), path


async def test_head_is_refused_where_get_is(world: World) -> None:
    assert (await world.anyone().http.head("/api/payments")).status_code == 405
    assert (await world.anyone().http.head("/nowhere")).status_code == 404


async def test_options_says_what_is_allowed_at_every_address(world: World) -> None:
    for path, methods in addresses(world.api).items():
        response = await world.anyone().http.options(path)
        assert response.status_code == 204, path
        assert response.content == b""
        allowed = {*response.headers["allow"].split(", ")}
        assert allowed == methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()), path


async def test_options_of_an_unknown_address_is_404(world: World) -> None:
    response = await world.anyone().http.options("/nowhere")
    assert response.status_code == 404
    assert errors(response)


async def test_options_allows_no_other_site_anything(world: World) -> None:
    asks = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    response = await world.anyone().http.options("/api/orders", headers=asks)
    assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_that_is_not_allowed_is_405_with_the_allowed_ones(world: World, method: str) -> None:
    for path, methods in addresses(world.api).items():
        options = await world.anyone().http.options(path)
        if method in {*methods, "OPTIONS"}:
            continue
        response = await world.anyone().http.request(method, path)
        assert response.status_code == 405, (method, path)
        assert response.headers["allow"] == options.headers["allow"]
        assert errors(response)
