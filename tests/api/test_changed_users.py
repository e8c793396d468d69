"""Somebody's own change is in the lists that they read next, whichever cookies they keep and whoever answers."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
from bson import ObjectId
from redis.asyncio import Redis

from holdfast.cancellation import cancel_until_ended
from serve_app.accounts.changed_users import _MOST, REMEMBERED_SECONDS, ChangedUsers
from tests.api.world import COOKIE_DOMAIN, Person, World
from tests.support.eventually import eventually


class Time:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as redis:
        yield redis


async def titles(person: Person) -> list[str]:
    return [ticket["title"] for ticket in (await person.http.get("/api/tickets")).json()]


async def test_client_that_keeps_only_the_session_cookie_sees_its_own_changes_in_lists(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    thousandths = count(1_000)
    monkeypatch.setattr("serve_app.search.coalescing_cache._now", lambda: next(thousandths) / 1_000)
    seller, other = await world.someone(), world.anyone()
    session = seller.http.cookies[world.services.sessions.cookie]

    def keep_the_session_only() -> None:
        seller.http.cookies.clear()
        seller.http.cookies.set(world.services.sessions.cookie, session, domain=COOKIE_DOMAIN)

    assert await titles(other) == []
    ticket = await seller.lists(title="mine")
    keep_the_session_only()
    assert await titles(seller) == ["mine"]
    await seller.http.delete(f"/api/tickets/{ticket['id']}")
    keep_the_session_only()
    assert await titles(seller) == []


async def test_change_is_remembered_for_longer_than_any_list_is_kept(redis: Redis) -> None:
    time = Time()
    users = ChangedUsers(redis, time)
    one, other = str(ObjectId()), str(ObjectId())
    users.note(one)
    time.seconds += REMEMBERED_SECONDS - 0.1
    assert users.has_changed(one)
    assert not users.has_changed(other)
    time.seconds += 0.2
    assert not users.has_changed(one)


async def test_replicas_tell_each_other_who_changed_something(redis: Redis) -> None:
    here, there = ChangedUsers(redis), ChangedUsers(redis)
    jobs = [asyncio.create_task(job) for job in (here.keep_telling(), here.keep_hearing(), there.keep_hearing())]
    users = [str(ObjectId()) for _ in range(50)]

    async def is_subscribed() -> bool:
        return (await redis.pubsub_numsub("holdfast:changed-users"))[0][1] >= 2

    await eventually(is_subscribed)
    # A stranger's word on the channel does no harm.
    await redis.publish("holdfast:changed-users", b"\xff not-a-user 1")
    for user_id in users:
        here.note(user_id)
    await eventually(lambda: all(there.has_changed(user_id) for user_id in users), seconds=1.0)
    assert not there.has_changed("not-a-user")
    await cancel_until_ended(jobs, 5.0)


async def test_replica_of_a_market_that_started_with_one_tells_those_that_serve_adds(
    world: World, redis: Redis
) -> None:
    assert world.services.settings.api_replicas == 1
    seller, added = await world.someone(), ChangedUsers(redis)
    job = asyncio.create_task(added.keep_hearing())

    async def hears() -> bool:
        world.services.changed_users.note(seller.id)
        return added.has_changed(seller.id)

    await eventually(hears)
    await cancel_until_ended([job], 5.0)


async def test_users_who_changed_something_are_remembered_within_bounds(redis: Redis) -> None:
    time = Time()
    users = ChangedUsers(redis, time)
    for number in range(_MOST + 10):
        users.note(f"{number:024x}")
    assert len(users._until) == len(users._untold) == _MOST
    time.seconds += REMEMBERED_SECONDS
    users.note("f" * 24)
    assert len(users._until) == 1
