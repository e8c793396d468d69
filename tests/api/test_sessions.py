"""Sessions: how long they last, how they are renewed, and how many there are."""

import asyncio

import pytest
from pymongo.errors import ServerSelectionTimeoutError
from starlette.responses import Response

from actors.storage.sessions import SessionRecord, SessionRecords
from serve_app.accounts.session_cookies import MOST_SESSIONS
from serve_app.accounts.tokens import Session
from serve_app.http.errors import NotAuthorizedError
from tests.api.sessions import served_by, session_of, sessions_with, status_of, user_of
from tests.api.world import PASSWORD, World


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
