"""Every route, everything that people throw at routes: never a crash, always our format, never an echo."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from serve_app.security.rate_limits import RateLimits
from tests.api.routes import api_routes, routes_in
from tests.api.world import NOBODY, World, errors
from tests.support.counting import HOSTILE_REQUESTS

MARK = "zqxECHOzqx"
DEEP = "[" * 900 + "]" * 900
RAW_VALUES = [
    "true", "false", "null", "NaN", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "0", "12.345", "9" * 4_000,
    "9" * 5_000,
    '"\\ud800"', '"\\u0000"', f'"{MARK}"', f'"{MARK * 1_000}"', f'["{MARK}"]', f'{{"$gt": "{MARK}"}}', DEEP,
    '""', '"٣"',
    f'{{"{MARK}": {DEEP}}}', '"\\u202e"', '"' + "é" * 300 + '"', "[]", "{}",
]  # fmt: skip
BODIES = [
    b"", b"null", b"[]", b'"x"', b"{", DEEP.encode(), b"[" * 200_000, MARK.encode(), b"\xff" + MARK.encode(),
    json.dumps({MARK: MARK}).encode(), json.dumps({"__proto__": MARK, "constructor": MARK}).encode(),
    b'{"' + b"a" * 500_000 + b'": 1}', b"x" * 10_485_760,
]  # fmt: skip


def fields_of(route: APIRoute) -> tuple[str, ...]:
    """The fields of the body that a route documents, none where it takes no body."""
    body = (route.openapi_extra or {}).get("requestBody")
    return tuple(body["content"]["application/json"]["schema"]["properties"]) if body else ()


EVERY_ROUTE = sorted((method, route.path) for route in api_routes() for method in route.methods or ())
BODY_ROUTES = {(method, route.path): fields_of(route) for route in api_routes() for method in route.methods or ()}
BODY_ROUTES = {key: names for key, names in BODY_ROUTES.items() if names}
PARAMETER = re.compile(r"\{\w+\}")
HEADERS = {
    b"cookie": b"session=", b"authorization": b"Bearer ", b"idempotency-key": b"", b"content-length": b"",
    b"x-forwarded-for": b"", b"host": b"", b"content-type": b"",
}  # fmt: skip
SIGNOUT = "/api/users/signout"
JSON_TYPE = {"Content-Type": "application/json"}


sent = Counter[str]()


def with_id(path: str, value: str) -> str:
    """The address of a route with this in place of its parameters."""
    return PARAMETER.sub(lambda _: value, path)


def survived(response: httpx.Response) -> None:
    sent["requests"] += 1
    assert response.status_code < 500, response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    if response.status_code >= 400:
        errors(response)
        assert MARK not in response.text
        assert not any(MARK in value for value in response.headers.values())


@pytest.fixture(autouse=True)
def counted(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """How many requests a test sent is told at the end of the run."""
    before = sent["requests"]
    yield
    record_property(HOSTILE_REQUESTS, sent["requests"] - before)


@pytest.fixture(autouse=True)
def without_limits(world: World) -> None:
    world.serving(limits=RateLimits("redis://127.0.0.1:1/0", enabled=False))


def test_every_route_of_the_api_is_among_those_that_are_tried(world: World) -> None:
    own = {
        (method, route.path)
        for route in routes_in(world.api)
        if not route.endpoint.__module__.startswith("serve_app.web.")
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert own - set(EVERY_ROUTE) == {("GET", "/openapi.json")}
    assert set(EVERY_ROUTE) <= own


@pytest.mark.parametrize(("method", "path"), BODY_ROUTES)
async def test_hostile_values_in_every_field(world: World, method: str, path: str) -> None:
    person = await world.someone()
    for name in (*BODY_ROUTES[method, path], "unknown"):
        for value in RAW_VALUES:
            raw = f'{{"{name}": {value}}}'
            url = with_id(path, NOBODY)
            survived(await person.http.request(method, url, content=raw.encode(), headers=JSON_TYPE))


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_hostile_bodies_on_every_route(world: World, method: str, path: str) -> None:
    person = await world.someone()
    for raw in BODIES:
        for content_type in ("application/json", "text/plain", MARK):
            headers = {"Content-Type": content_type}
            survived(await person.http.request(method, with_id(path, NOBODY), content=raw, headers=headers))
        if path == SIGNOUT:
            person = await world.someone()


@pytest.mark.parametrize(("method", "path"), [key for key in EVERY_ROUTE if PARAMETER.search(key[1])])
async def test_hostile_ids_in_every_path(world: World, method: str, path: str) -> None:
    person = await (world.admin() if "admin" in path else world.someone())
    body: Any = {"title": "x", "price": 1} if method == "PUT" else {} if (method, path) in BODY_ROUTES else None
    for hostile in (
        MARK,
        "%00",
        f"{NOBODY}%00",
        "%ff%fe",
        "..%2f..",
        "$ne",
        "%7B%22$gt%22:%22%22%7D",
        "A" * 24,
        "0" * 9_000,
    ):
        response = await person.http.request(method, with_id(path, hostile), json=body)
        survived(response)
        assert response.status_code == 404


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_hostile_headers_cookies_and_queries_on_every_route(world: World, method: str, path: str) -> None:
    url, person = with_id(path, NOBODY), await world.someone()
    hostile = ["\x00", "\xff" * 10, MARK, "=" * 100, ";;;,,,", '"', "a" * 9_000, "{}", "\x7f", "é"]
    for text in hostile:
        raw = text.encode("latin-1")
        for name, begins in HEADERS.items():
            values = [begins + raw, raw] if begins else [raw]
            for value in values:
                survived(await world.anyone().http.request(method, url, headers=[(name, value)], content=b"{}"))
        for query in (
            f"q={text}",
            f"limit={text}",
            f"cursor={text}",
            f"{text}={text}",
            f"seller={text}",
            f"sort[]={text}",
        ):
            survived(await person.http.request(method, url, params=query))
            if path == SIGNOUT:
                person = await world.someone()
    for query in ("q=%00", "q=%ff", "q=%ED%A0%80", "city=%ff", "limit=1&limit=x", "cursor=%F0%28%8C%28", "&&&===", "%"):
        survived(await world.anyone().http.request(method, f"{url}?{query}"))
