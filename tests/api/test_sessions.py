import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import jwt
import pytest
from pymongo.errors import ServerSelectionTimeoutError
from redis.asyncio import Redis
from starlette.responses import Response

from actors.storage.database import connect, database_of
from actors.storage.revocations import RevocationRecords
from actors.storage.sessions import SessionRecord, SessionRecords
from actors.storage.users import User
from config.settings import Settings
from serve_app.accounts.revocations import Revocations
from serve_app.accounts.session_cookies import MOST_SESSIONS, Sessions
from serve_app.accounts.tokens import Session, Tokens
from serve_app.api import create_api
from serve_app.bootstrap import lifetimes_of
from serve_app.http.errors import NotAuthorizedError
from tests.api.fake_market import ManualClock
from tests.api.world import BASE_URL, PASSWORD, Person, World
from tests.support.eventually import eventually

KEY = "a key that only tests know and trust and which is long enough for HS512 as well"
OTHER_KEY = "another key that only tests know of"
SECURE_URL = "https://localhost:8000"


def session_of(person: Person, world: World) -> Session:
    *_, newest = (cookie.value for cookie in person.http.cookies.jar if cookie.name == "session")
    assert newest
    return world.services.sessions._tokens.read(newest)


def token_of(world: World, user_id: str = "a" * 24) -> str:
    now = world.clock()
    return Tokens([KEY], world.clock).sign(Session(user_id, "5" * 32, now, now + 900_000))


async def status_of(person: Person) -> int:
    return (await person.http.get("/api/orders")).status_code


def sessions_with(
    world: World, *, records: SessionRecords | None = None, keys: list[str] | None = None, public_url: str = BASE_URL
) -> Sessions:
    """The world's sessions with one part replaced."""
    known, services = world.services.sessions, world.services
    return Sessions(
        known._tokens if keys is None else Tokens(keys, world.clock),
        records or known._records,
        services.users,
        revocations=known._revocations,
        lifetimes=lifetimes_of(services.settings),
        clock=world.clock,
        public_url=public_url,
    )


def served_by(world: World, sessions: Sessions, base_url: str = BASE_URL) -> Person:
    """A client of a replica with these sessions."""
    person = world.anyone(create_api(replace(world.services, sessions=sessions)))
    person.http.base_url = base_url
    return person


async def test_the_cookie_is_kept_from_scripts_and_other_sites(world: World) -> None:
    person = await world.someone()
    user, response = await world.services.users.by_id(person.id), Response()
    assert user
    await world.services.sessions.begin(response, user)
    attributes = response.headers["set-cookie"].split("; ")[1:]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(attributes)
    assert "Secure" not in attributes


async def test_with_https_the_cookie_is_bound_to_the_host(world: World) -> None:
    person = await world.someone()
    user, response = await world.services.users.by_id(person.id), Response()
    assert user
    await sessions_with(world, public_url=SECURE_URL).begin(response, user)
    assert response.headers["set-cookie"].startswith("__Host-session=")
    assert "Secure" in response.headers["set-cookie"]


async def test_with_https_a_cookie_without_the_prefix_is_none(world: World) -> None:
    person = served_by(world, sessions_with(world, public_url=SECURE_URL), SECURE_URL)
    person.http.cookies.set("session", token_of(world))
    assert await status_of(person) == 401
    person.http.cookies.set("__Host-session", token_of(world))
    assert await status_of(person) == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_two_markets_on_one_host_do_not_sign_each_other_out(world: World, scheme: str) -> None:
    here, there = (sessions_with(world, public_url=f"{scheme}://localhost:{port}") for port in (8000, 8001))
    someone = await world.someone()
    user = await world.services.users.by_id(someone.id)
    assert user
    names = []
    for sessions in (here, there):
        response = Response()
        await sessions.begin(response, user)
        names.append(response.headers["set-cookie"].partition("=")[0])
    assert len(set(names)) == 2
    assert all(name.startswith("__Host-") == (scheme == "https") for name in names)


async def test_a_session_is_read_from_the_name_that_all_ports_had(world: World) -> None:
    person = served_by(world, sessions_with(world, public_url="http://localhost:8001"))
    person.http.cookies.set("session", token_of(world))
    assert await status_of(person) == 200


async def test_another_markets_cookie_beside_ones_own_does_no_harm(world: World) -> None:
    person = served_by(world, sessions_with(world, public_url="http://localhost:8001"))
    for name in ("session", "session-8000", "session-8002"):
        person.http.cookies.set(name, "a.token.ofsomebodyelse")
    person.http.cookies.set("session-8001", token_of(world))
    assert await status_of(person) == 200


async def test_a_session_that_nobody_uses_for_a_day_expires(world: World) -> None:
    person = await world.someone()
    world.clock.advance(86_399)
    assert await status_of(person) == 200
    world.clock.advance(86_400)
    assert await status_of(person) == 401


async def test_a_session_expires_after_a_week_however_much_it_is_used(world: World) -> None:
    person = await world.someone()
    for _ in range(13):
        world.clock.advance(43_200)
        assert await status_of(person) == 200
    world.clock.advance(43_200)
    assert await status_of(person) == 401


async def test_a_token_is_renewed_when_half_of_its_life_is_over(world: World) -> None:
    person = await world.someone()
    first = session_of(person, world)
    world.clock.advance(449)
    assert "set-cookie" not in (await person.http.get("/api/orders")).headers
    world.clock.advance(2)
    response = await person.http.get("/api/orders")
    renewed = session_of(person, world)
    assert response.headers["set-cookie"].startswith("session=")
    assert "HttpOnly" in response.headers["set-cookie"]
    assert (renewed.id, renewed.user_id) == (first.id, first.user_id)
    assert renewed.expires_at > first.expires_at
    assert "set-cookie" not in (await person.http.get("/api/orders")).headers


async def test_requests_at_the_same_time_may_carry_the_same_old_token(world: World) -> None:
    person = await world.someone()
    world.clock.advance(3_600)
    answers = await asyncio.gather(*(status_of(person) for _ in range(10)))
    assert answers == [200] * 10


class CountingRecords(SessionRecords):
    """Counts how often it is asked for a session."""

    asked = 0

    async def by_id(self, session_id: str) -> SessionRecord | None:
        self.asked += 1
        return await super().by_id(session_id)


async def test_a_client_without_cookies_causes_one_query_per_half_life_of_a_token(world: World) -> None:
    someone, records = await world.someone(), CountingRecords(world.database)
    person = served_by(world, sessions_with(world, records=records))
    header = {"Cookie": f"session={someone.http.cookies['session']}"}
    for _ in range(3):
        world.clock.advance(451)
        for _ in range(5):
            assert (await person.http.get("/api/orders", headers=header)).status_code == 200
            person.http.cookies.clear()
    assert records.asked == 3


async def test_a_renewal_that_is_remembered_does_not_outlive_the_session(world: World) -> None:
    person = await world.someone()
    header = {"Cookie": f"session={person.http.cookies['session']}"}
    program = world.anyone()
    world.clock.advance(451)
    assert (await program.http.get("/api/orders", headers=header)).status_code == 200
    await world.services.sessions.end_all(person.id)
    program.http.cookies.clear()
    assert (await program.http.get("/api/orders", headers=header)).status_code == 401


async def test_a_session_that_ended_unnoticed_is_not_renewed(world: World) -> None:
    person = await world.someone()
    await world.services.sessions._records.remove([session_of(person, world).id])
    assert await status_of(person) == 200, "the token is still good"
    world.clock.advance(451)
    assert await status_of(person) == 401


async def test_a_token_of_somebody_elses_session_is_not_renewed(world: World) -> None:
    person, other = await world.someone(), await world.someone()
    now = world.clock()
    forged = Session(other.id, session_of(person, world).id, now, now + 900_000)
    other.http.cookies.set("session", world.services.sessions._tokens.sign(forged))
    world.clock.advance(451)
    assert await status_of(other) == 401


class AwayRecords(SessionRecords):
    """Sessions that cannot be read."""

    async def by_id(self, session_id: str) -> SessionRecord | None:
        raise ServerSelectionTimeoutError(session_id)


async def test_while_the_database_is_away_a_token_is_good_until_it_expires_and_then_nobody_counts_as_signed_out(
    world: World,
) -> None:
    someone = await world.someone()
    person = served_by(world, sessions_with(world, records=AwayRecords(world.database)))
    person.http.cookies.update(someone.http.cookies)
    world.clock.advance(899)
    assert await status_of(person) == 200
    world.clock.advance(2)
    assert await status_of(person) == 503
    assert (await person.http.get("/api/users/currentuser")).status_code == 503
    assert (await person.http.get("/api/tickets")).status_code == 200, "needs no session"


async def test_a_password_that_was_changed_while_somebody_signed_in_with_the_old_one_begins_no_session(
    world: World,
) -> None:
    person = await world.someone()
    user = await world.services.users.by_id(person.id)
    assert user
    assert await world.services.users.change_password(user, "another hash", world.clock())
    await world.services.sessions.end_all(user.id)
    with pytest.raises(NotAuthorizedError):
        await world.services.sessions.begin(Response(), user)
    assert await world.services.sessions.of_user(user.id) == []


async def test_the_session_that_was_not_used_for_the_longest_time_gives_way(world: World) -> None:
    first = await world.someone()
    user = await world.services.users.by_id(first.id)
    assert user
    for _ in range(MOST_SESSIONS):
        world.clock.advance(1)
        await world.services.sessions.begin(Response(), user)
    assert len(await world.services.sessions.of_user(user.id)) == MOST_SESSIONS
    assert await status_of(first) == 401


async def test_signing_in_again_ends_the_session_that_the_browser_had(world: World) -> None:
    member = await world.member()
    copy = world.anyone()
    copy.http.cookies.update(member.http.cookies)
    account = {"email": member.email, "password": PASSWORD}
    assert (await member.http.post("/api/users/signin", json=account)).status_code == 200
    assert await status_of(member) == 200
    assert await status_of(copy) == 401


async def test_signing_out_has_the_browser_forget(world: World) -> None:
    response = await (await world.someone()).http.post("/api/users/signout")
    assert response.headers["clear-site-data"] == '"cache", "storage"'


# The key ring


async def test_a_token_of_an_older_key_is_good_while_the_key_is_in_the_ring(world: World) -> None:
    rotated = served_by(world, sessions_with(world, keys=[OTHER_KEY, KEY]))
    rotated.http.cookies.set("session", token_of(world))
    assert await status_of(rotated) == 200
    without = served_by(world, sessions_with(world, keys=[OTHER_KEY]))
    without.http.cookies.set("session", token_of(world))
    assert await status_of(without) == 401


async def test_the_first_key_signs(world: World) -> None:
    now = world.clock()
    token = Tokens([OTHER_KEY, KEY], world.clock).sign(Session("a" * 24, "s", now, now + 1_000))
    assert Tokens([OTHER_KEY], world.clock).read(token).user_id == "a" * 24


# What a token has to say


def header_of(token: str) -> dict[str, Any]:
    return jwt.get_unverified_header(token)


def forged(token: str, key: str, algorithm: str, **header: str | None) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    headers = {name: value for name, value in {"kid": header_of(token)["kid"], **header}.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers=headers)


CLAIMS = ["sub", "sid", "iat", "nbf", "exp", "iss", "aud", "jti", "typ"]
WRONG_CLAIMS: list[dict[str, Any]] = [
    *({claim: None} for claim in CLAIMS),
    {"typ": "invite"}, {"aud": "another"}, {"iss": "another"}, {"sub": "root"}, {"sub": 5}, {"nbf": 99_999_999_999},
    {"exp": 1}, {"exp": "soon"}, {"nbf": []}, {"sid": {}},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_CLAIMS, ids=str)
async def test_every_claim_is_required_and_checked(world: World, wrong: dict[str, Any]) -> None:
    token = token_of(world)
    good = jwt.decode(token, options={"verify_signature": False})
    claims = {name: value for name, value in {**good, **wrong}.items() if value is not None}
    assert set(good) == {*CLAIMS, "email_verified"}
    person = world.anyone()
    payload = jwt.PyJWS().encode(json.dumps(claims).encode(), KEY, "HS256", headers=header_of(token))
    person.http.cookies.set("session", payload)
    assert (await person.http.get("/api/orders")).status_code == 401


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda token: forged(token, "", "none"),
        lambda token: forged(token, "x" * 40, "HS256"),
        lambda token: forged(token, KEY, "HS512"),
        lambda token: forged(token, KEY, "HS256", kid="0" * 16),
        lambda token: forged(token, KEY, "HS256", kid=None),
        lambda token: token + "." + token,
        lambda _: "x" * 10_000,
        lambda _: "...",
        lambda _: "null",
    ],
)
async def test_a_forged_session_is_none(world: World, forge: Callable[[str], str]) -> None:
    person = world.anyone()
    person.http.cookies.set("session", forge(token_of(world)))
    assert (await person.http.get("/api/orders")).status_code == 401


# Ending sessions


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


async def test_session_that_just_began_is_never_the_one_that_is_too_many(world: World) -> None:
    member = await world.member()
    account = {"email": member.email, "password": PASSWORD}
    people = [world.anyone() for _ in range(3)]
    # All of them begin in the same instant: the clock of the tests stands still.
    for _ in range(MOST_SESSIONS):
        await world.services.sessions.begin(Response(), await user_of(world, member))
    for person in people:
        assert (await person.http.post("/api/users/signin", json=account)).status_code == 200
        assert (await person.http.get("/api/orders")).status_code == 200


async def user_of(world: World, person: Person) -> User:
    user = await world.services.users.by_id(person.id)
    assert user is not None
    return user
