"""Every route, everything that people throw at routes: never a crash, always our format, never an echo."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from serve_app.security.rate_limits import RateLimits
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
BODY_ROUTES = [
    ("POST", "/api/users/signup", ("email", "password")),
    ("POST", "/api/users/signin", ("email", "password")),
    (
        "POST",
        "/api/tickets",
        ("title", "price", "description", "category", "venue", "city", "startsAt", "currency", "id"),
    ),
    ("PUT", f"/api/tickets/{NOBODY}", ("title", "price", "description", "category", "city", "startsAt", "version")),
    ("POST", "/api/orders", ("ticketId", "expectedPrice")),
    ("POST", "/api/payments", ("orderId", "paymentMethod", "token", "card")),
    ("POST", "/api/sandbox/authentications", ("clientSecret", "outcome")),
    ("POST", "/api/users/password", ("currentPassword", "newPassword")),
    ("POST", "/api/users/verification/confirm", ("token",)),
    ("POST", "/api/users/password/reset", ("email",)),
    ("POST", "/api/users/password/reset/confirm", ("token", "password")),
    ("DELETE", "/api/users/me", ("password",)),
]
ID_ROUTES = [
    ("GET", "/api/tickets/{}"),
    ("PUT", "/api/tickets/{}"),
    ("DELETE", "/api/tickets/{}"),
    ("GET", "/api/tickets/{}/history"),
    ("GET", "/api/orders/{}"),
    ("DELETE", "/api/orders/{}"),
    ("GET", "/api/orders/{}/charges"),
    ("POST", "/api/orders/{}/refund"),
    ("DELETE", "/api/users/sessions/{}"),
]
ADMIN_ROUTES = [
    ("GET", "/api/admin/users/{}"), ("PUT", "/api/admin/users/{}/ban"), ("DELETE", "/api/admin/users/{}/ban")
]  # fmt: skip
EVERY_ROUTE = [
    *((method, path) for method, path, _ in BODY_ROUTES),
    *((method, path.format(NOBODY)) for method, path in ID_ROUTES),
    ("GET", "/api/tickets"), ("GET", "/api/orders"), ("GET", "/api/users/currentuser"), ("POST", "/api/users/signout"),
    ("POST", "/api/webhooks/stripe"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/api/users/sessions"),
    ("POST", "/api/users/verification"), ("GET", "/api/users/me/export"), ("GET", "/docs"), ("GET", "/docs/x"),
    *((method, path.format(NOBODY)) for method, path in ADMIN_ROUTES),
]  # fmt: skip
JSON_TYPE = {"Content-Type": "application/json"}


sent = Counter[str]()


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
    unlimited = RateLimits("redis://127.0.0.1:1/0", enabled=False)
    world.api.state.services = replace(world.services, limits=unlimited)


@pytest.mark.parametrize(("method", "path", "names"), BODY_ROUTES, ids=lambda value: str(value)[:24])
async def test_hostile_values_in_every_field(world: World, method: str, path: str, names: tuple[str, ...]) -> None:
    person = await world.someone()
    for name in names:
        for value in RAW_VALUES:
            raw = f'{{"{name}": {value}}}'
            survived(await person.http.request(method, path, content=raw.encode(), headers=JSON_TYPE))


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_hostile_bodies_on_every_route(world: World, method: str, path: str) -> None:
    person = await world.someone()
    for raw in BODIES:
        for content_type in ("application/json", "text/plain", MARK):
            headers = {"Content-Type": content_type}
            survived(await person.http.request(method, path, content=raw, headers=headers))
        if path == "/api/users/signout":
            person = await world.someone()


@pytest.mark.parametrize(("method", "path"), [*ID_ROUTES, *ADMIN_ROUTES])
async def test_hostile_ids_in_every_path(world: World, method: str, path: str) -> None:
    person = await (world.admin() if "admin" in path else world.someone())
    body: Any = {"title": "x", "price": 1} if method == "PUT" else None
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
        response = await person.http.request(method, path.format(hostile), json=body)
        survived(response)
        assert response.status_code == 404


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_hostile_headers_cookies_and_queries_on_every_route(world: World, method: str, path: str) -> None:
    hostile = ["\x00", "\xff" * 10, MARK, "=" * 100, ";;;,,,", '"', "a" * 9_000, "{}", "\x7f", "é"]
    for text in hostile:
        raw = text.encode("latin-1")
        for name in (b"cookie", b"idempotency-key", b"content-length", b"x-forwarded-for", b"host", b"content-type"):
            values = [b"session=" + raw, raw] if name == b"cookie" else [raw]
            for value in values:
                survived(await world.anyone().http.request(method, path, headers=[(name, value)], content=b"{}"))
        for query in (
            f"q={text}",
            f"limit={text}",
            f"cursor={text}",
            f"{text}={text}",
            f"seller={text}",
            f"sort[]={text}",
        ):
            survived(await (await world.someone()).http.request(method, path, params=query))
    for query in ("q=%00", "q=%ff", "q=%ED%A0%80", "city=%ff", "limit=1&limit=x", "cursor=%F0%28%8C%28", "&&&===", "%"):
        survived(await world.anyone().http.request(method, f"{path}?{query}"))
