import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from actors.storage.database import connect, database_of
from config.settings import Settings
from serve_app.queries.revocations import RevocationRecords
from serve_app.security.revocations import Revocations
from serve_app.security.sessions import LIFETIME_MS, Sessions
from tests.api.fake_market import ManualClock
from tests.api.world import World

KEY = "a key that only tests know and trust"


def token_of(world: World, user_id: str) -> str:
    response = Response()
    world.services.sessions.begin(response, user_id)
    return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


async def test_the_cookie_is_kept_from_scripts_and_other_sites(world: World) -> None:
    response = Response()
    world.services.sessions.begin(response, "a" * 24)
    attributes = response.headers["set-cookie"].split("; ")[1:]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(attributes)
    assert "Secure" not in attributes


async def test_with_https_the_cookie_is_bound_to_the_host(world: World) -> None:
    sessions = Sessions(KEY, secure=True, revocations=world.services.sessions._revocations, clock=world.clock)
    response = Response()
    sessions.begin(response, "a" * 24)
    assert response.headers["set-cookie"].startswith("__Host-session=")
    assert "Secure" in response.headers["set-cookie"]


async def test_a_session_ends_by_itself(world: World) -> None:
    person = await world.someone()
    assert (await person.http.get("/api/orders")).status_code == 200
    world.clock.advance(LIFETIME_MS / 1_000)
    assert (await person.http.get("/api/orders")).status_code == 401


CLAIMS = ["sub", "sid", "iat", "nbf", "exp", "iss", "aud", "jti", "typ"]
WRONG_CLAIMS: list[dict[str, Any]] = [
    *({claim: None} for claim in CLAIMS),
    {"typ": "invite"}, {"aud": "another"}, {"iss": "another"}, {"sub": "root"}, {"sub": 5}, {"nbf": 99_999_999_999},
    {"exp": 1}, {"exp": "soon"}, {"nbf": []}, {"sid": {}},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_CLAIMS, ids=str)
async def test_every_claim_is_required_and_checked(world: World, wrong: dict[str, Any]) -> None:
    good = jwt.decode(token_of(world, "a" * 24), options={"verify_signature": False})
    claims = {name: value for name, value in {**good, **wrong}.items() if value is not None}
    assert set(good) == set(CLAIMS)
    person = world.anyone()
    payload = jwt.PyJWS().encode(json.dumps(claims).encode(), KEY, "HS256")
    person.http.cookies.set("session", payload)
    assert (await person.http.get("/api/orders")).status_code == 401


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda token: jwt.encode(jwt.decode(token, options={"verify_signature": False}), "", "none"),
        lambda token: jwt.encode(jwt.decode(token, options={"verify_signature": False}), "x" * 40, "HS256"),
        lambda token: jwt.encode(jwt.decode(token, options={"verify_signature": False}), KEY * 2, "HS512"),
        lambda token: token + "." + token,
        lambda _: "x" * 10_000,
        lambda _: "...",
        lambda _: "null",
    ],
)
async def test_a_forged_session_is_none(world: World, forge: Callable[[str], str]) -> None:
    person = world.anyone()
    person.http.cookies.set("session", forge(token_of(world, "a" * 24)))
    assert (await person.http.get("/api/orders")).status_code == 401


async def another_replica(settings: Settings, clock: ManualClock) -> tuple[Revocations, list[Any]]:
    assert settings.mongodb_url
    assert settings.redis_url
    client, redis = connect(settings.mongodb_url), Redis.from_url(settings.redis_url)
    replica = Revocations(RevocationRecords(database_of(client)), redis, LIFETIME_MS, clock)
    return replica, [client.close, redis.aclose]


async def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_other_replicas_learn_of_a_sign_out(world: World, settings: Settings) -> None:
    replica, closing = await another_replica(settings, world.clock)
    await replica.start()
    person = await world.someone()
    session = world.services.sessions.current(
        Request({"type": "http", "headers": [(b"cookie", f"session={person.http.cookies['session']}".encode())]})
    )
    assert session is not None
    assert session.id not in replica
    await person.http.post("/api/users/signout")
    await until(lambda: session.id in replica)
    await replica.stop()
    for close in closing:
        await close()


async def test_a_sign_out_survives_restarts_until_the_session_would_have_ended(
    world: World, settings: Settings
) -> None:
    await world.services.sessions._revocations.revoke("a session", world.clock() + LIFETIME_MS)
    replica, closing = await another_replica(settings, world.clock)
    await replica.refresh()
    assert "a session" in replica
    world.clock.advance(LIFETIME_MS / 1_000 + 200)
    await replica.refresh()
    assert "a session" not in replica
    assert replica._ends == {}
    for close in closing:
        await close()
