"""What changes about users is in the journal and in the stream, once each, whenever the sweep comes by."""

from collections.abc import Collection, Sequence

import pytest
from bson import ObjectId

from actors.domain.account_events import UserCreated, UserUpdated
from actors.runtime.ports import Commit, RecordedEvent, StoreUnavailableError
from actors.storage.journal import MongoJournal
from actors.storage.users import User, Users
from actors.supervision.user_events import UserEventRelay
from tests.support.local_market import LocalMarket


class Stream:
    """Keeps what is published; fails as often as it is told."""

    def __init__(self) -> None:
        self.records: list[RecordedEvent] = []
        self.failures = 0

    @property
    def keys(self) -> list[str]:
        return [record.key for record in self.records]

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("away")
        self.records += records


async def changed_user(market: LocalMarket) -> tuple[User, Users]:
    users = Users(market.connections.database)
    user = User(str(ObjectId()), f"{ObjectId()}@example.com", "hash", 1_000)
    assert await users.add(user)
    assert await users.change_password(user, "another", 2_000)
    return user, users


def relay_of(market: LocalMarket, stream: Stream) -> UserEventRelay:
    own = market.connections
    return UserEventRelay(own.pending_user_events, own.journal, stream, writer=f"w{ObjectId()}")


async def test_a_user_event_relay_after_both_changes_publishes_created_and_then_updated(market: LocalMarket) -> None:
    (user, users), stream = await changed_user(market), Stream()
    sweeping = relay_of(market, stream)
    await sweeping.relay()
    await sweeping.relay()
    assert await users.ban(user.id, 3_000)
    await sweeping.relay()
    records = await MongoJournal(market.connections.database).history(f"user:{user.id}")
    assert [(record.at, record.event) for record in records] == [
        (1_000, UserCreated(user.id)), (2_000, UserUpdated(user.id)), (3_000, UserUpdated(user.id))
    ]  # fmt: skip
    assert stream.keys == [f"user:{user.id}:{version}" for version in (1, 2, 3)]


async def test_a_user_event_relay_that_stopped_half_way_is_done_again(market: LocalMarket) -> None:
    (user, _), stream = await changed_user(market), Stream()
    stream.failures = 1
    for sweeping in (relay_of(market, stream), relay_of(market, stream)):
        try:
            await sweeping.relay()
        except StoreUnavailableError:
            continue
    assert stream.keys == [f"user:{user.id}:{version}" for version in (1, 2)]
    assert len(await MongoJournal(market.connections.database).history(f"user:{user.id}")) == 2


async def test_user_who_changes_between_two_relays_of_an_event_does_not_change_the_event(market: LocalMarket) -> None:
    (user, users), stream = await changed_user(market), Stream()
    sweeping = relay_of(market, stream)
    await sweeping.relay()
    assert await users.ban(user.id, 3_000)
    stream.failures = 1
    with pytest.raises(StoreUnavailableError):
        await sweeping.relay()
    assert await users.unban(user.id, 4_000)
    await sweeping.relay()
    assert [(record.version, record.at) for record in stream.records] == [
        (1, 1_000),
        (2, 2_000),
        (3, 3_000),
        (4, 4_000),
    ]


class PrimaryOnly(MongoJournal):
    """Has commits that no majority has yet: an insert finds their keys, and a question for them does not."""

    is_replicated = False

    async def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        return await super().commits_with_keys(keys) if self.is_replicated else []


async def test_a_user_event_is_published_only_once_a_majority_has_the_commit_of_an_earlier_relay(
    market: LocalMarket,
) -> None:
    (user, _), away, stream = await changed_user(market), Stream(), Stream()
    away.failures = 1
    with pytest.raises(StoreUnavailableError):
        await relay_of(market, away).relay()
    journal = PrimaryOnly(market.connections.database)
    later = UserEventRelay(market.connections.pending_user_events, journal, stream, writer=f"w{ObjectId()}")
    with pytest.raises(StoreUnavailableError):
        await later.relay()
    assert stream.keys == []
    journal.is_replicated = True
    await later.relay()
    assert stream.keys == [f"user:{user.id}:{version}" for version in (1, 2)]
