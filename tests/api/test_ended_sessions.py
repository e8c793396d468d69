"""Sessions that are ended: by a sign-out here or elsewhere, by their owner, and never by somebody else."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from redis.asyncio import Redis
from starlette.responses import Response

from actors.storage.database import connect, database_of
from actors.storage.revocations import RevocationRecords
from config.settings import Settings
from serve_app.accounts.revocations import Revocations
from serve_app.bootstrap import lifetimes_of
from tests.api.fake_market import ManualClock
from tests.api.sessions import session_of, status_of
from tests.api.world import World
from tests.support.eventually import eventually


async def another_replica(settings: Settings, clock: ManualClock) -> tuple[Revocations, list[Any]]:
    assert settings.mongodb_url
    assert settings.redis_url
    client, redis = connect(settings.mongodb_url), Redis.from_url(settings.redis_url)
    records = RevocationRecords(database_of(client))
    replica = Revocations(records, redis, lifetimes_of(settings).token, clock)
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
    session = session_of(person, world)
    assert session.id not in replica
    await person.http.post("/api/users/signout")
    await until(lambda: session.id in replica)
    await replica.stop()
    for close in closing:
        await close()


@pytest.mark.parametrize(
    "foreign", [b"", b"hello", b"a b", b"\xff\xfe 7", b"x " + b"9" * 5_000, b"x -1", "a \u0664".encode()]
)
async def test_foreign_messages_in_the_channel_change_nothing_and_replicas_go_on_listening(
    world: World, settings: Settings, foreign: bytes
) -> None:
    replica, closing = await another_replica(settings, world.clock)
    await replica.start()
    before = set(replica._ends)
    redis = world.services.redis

    async def is_heard() -> bool:
        await redis.publish("holdfast:revocations", f"b {world.clock() + 9_000_000_000_000}")
        return "b" in replica

    await eventually(is_heard)
    await redis.publish("holdfast:revocations", foreign)
    await redis.publish("holdfast:revocations", f"ours {world.clock() + 1_000}")
    await until(lambda: "ours" in replica)
    assert set(replica._ends) - before == {"b", "ours"}
    assert replica._ends["b"] <= world.clock() + lifetimes_of(settings).token + 120_000
    await replica.stop()
    for close in closing:
        await close()


async def test_other_replicas_learn_of_a_sign_out_while_redis_is_away(world: World, settings: Settings) -> None:
    replica, closing = await another_replica(settings, world.clock)
    replica._redis = Redis.from_url("redis://127.0.0.1:1/0")
    await replica.start()
    person = await world.someone()
    session = session_of(person, world)
    await person.http.post("/api/users/signout")
    await until(lambda: session.id in replica)
    await replica.stop()
    for close in closing:
        await close()


async def test_a_sign_out_survives_restarts_for_as_long_as_a_token_lives(world: World, settings: Settings) -> None:
    token = lifetimes_of(settings).token
    await world.services.sessions._revocations.revoke("a session", world.clock() + token)
    replica, closing = await another_replica(settings, world.clock)
    await replica.refresh()
    assert "a session" in replica
    world.clock.advance(token / 1_000 + 200)
    await replica.refresh()
    assert "a session" not in replica
    assert replica._ends == {}
    for close in closing:
        await close()


async def test_a_user_sees_their_own_sessions_and_which_is_this_one(world: World) -> None:
    person, _ = await world.someone(), await world.someone()
    user = await world.services.users.by_id(person.id)
    assert user
    world.clock.advance(5)
    await world.services.sessions.begin(Response(), user)
    listed = (await person.http.get("/api/users/sessions")).json()
    assert [session["current"] for session in listed] == [False, True]
    assert listed[1]["id"] == session_of(person, world).id
    assert set(listed[0]) == {"id", "createdAt", "seenAt", "expiresAt", "current"}


async def test_a_user_ends_another_session_of_their_own_at_once(world: World) -> None:
    phone = await world.someone()
    user, response = await world.services.users.by_id(phone.id), Response()
    assert user
    await world.services.sessions.begin(response, user)
    laptop = world.anyone()
    laptop.http.cookies.set("session", response.headers["set-cookie"].partition(";")[0].partition("=")[2])
    ended = session_of(phone, world).id
    assert (await laptop.http.delete(f"/api/users/sessions/{ended}")).status_code == HTTPStatus.NO_CONTENT
    assert await status_of(phone) == 401
    assert await status_of(laptop) == 200


async def test_nobody_ends_the_session_of_somebody_else(world: World) -> None:
    person, other = await world.someone(), await world.someone()
    response = await other.http.delete(f"/api/users/sessions/{session_of(person, world).id}")
    assert response.status_code == 404
    assert await status_of(person) == 200
