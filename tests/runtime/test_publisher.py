"""A ticket that changed hands is told of in the order of its versions, also when a former host died untold."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder
from actors.runtime.ports import Checkpoint, Commit, RecordedEvent, commit_id, version_key
from actors.runtime.publisher import Publisher
from actors.storage.journal import MongoJournal
from tests.simulation.contracts.examples import commit, recorded
from tests.support.event_streams import published_events
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket, RunningHost
from tests.support.trading import a_hold, a_ticket, asked, expect

OTHER = "ticket:another"


class Told:
    """A stream that remembers what it was told."""

    def __init__(self) -> None:
        self.records: list[RecordedEvent] = []

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        self.records.extend(records)

    @property
    def versions(self) -> list[int]:
        return [record.version for record in self.records]


class Counting(MongoJournal):
    """Counts how often it was asked for events."""

    read_back = 0

    async def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        self.read_back += 1
        return await super().commits_with_keys(keys)


class Publishing:
    """A publisher on the market's journal and checkpoints, and what it published."""

    def __init__(self, market: LocalMarket) -> None:
        self.told = Told()
        self.journal = Counting(market.connections.database)
        self.checkpoints = market.connections.checkpoints
        self.publisher = Publisher(self.journal, self.told, self.checkpoints)

    async def commit(self, *commits: Commit) -> None:
        for one in commits:
            await self.checkpoint(one.writer, 0)
            await self.journal.append(one)

    async def checkpoint(self, writer: str, published: int) -> None:
        await self.checkpoints.save(Checkpoint(writer, "tickets-0", 0, published, 0))


@pytest.fixture
def publishing(market: LocalMarket) -> Publishing:
    return Publishing(market)


# Hosts


def silence(running: RunningHost) -> None:
    """Nobody relays its commits."""
    running.jobs[1].cancel()


Owning = Callable[[MongoJournal, Collection[str]], Coroutine[Any, Any, list[Commit]]]


def remembering(commits_with_keys: Owning, asked_for: list[str]) -> Owning:
    async def remembered(journal: MongoJournal, keys: Collection[str]) -> list[Commit]:
        asked_for.extend(keys)
        return await commits_with_keys(journal, keys)

    return remembered


async def versions_told(market: LocalMarket, ticket_id: str) -> list[int]:
    return [event.version for event in await published_events(market.connections.redis, f"ticket:{ticket_id}")]


@pytest.mark.parametrize("protected", [True, False])
async def test_events_that_a_dead_host_left_unpublished_are_published_before_its_successors(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch, *, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(Publisher, "_gaps", lambda _publisher, _records: [])
    first, second = market.start_tickets(), market.start_tickets()
    silence(first)
    ticket = a_ticket()
    hold = a_hold(ticket.ticket_id)
    for host, command in (
        (first, ticket),
        (first, hold),
        (second, CancelOrder(ticket.ticket_id, hold.order_id)),
        (second, a_hold(ticket.ticket_id)),
    ):
        expect(TicketAnswer, await asked(market, host, command))

    async def is_told() -> bool:
        return 4 in await versions_told(market, ticket.ticket_id)

    await eventually(is_told)
    assert await versions_told(market, ticket.ticket_id) == ([1, 2, 3, 4] if protected else [3, 4])


# Batches


async def test_gaps_inside_of_a_batch_are_filled_where_they_are(publishing: Publishing) -> None:
    others = commit("b", 1, recorded(2), recorded(2, entity=OTHER)), commit("c", 1, recorded(4), recorded(5))
    own = [
        commit("a", 1, recorded(1), recorded(1, entity=OTHER)),
        commit("a", 2, recorded(3)),
        commit("a", 3, recorded(6), recorded(3, entity=OTHER)),
    ]
    await publishing.commit(*others, *own)
    await publishing.publisher.publish(own)
    versions = [(record.entity == OTHER, record.version) for record in publishing.told.records]
    assert [version for is_other, version in versions if not is_other] == [1, 2, 3, 4, 5, 6]
    assert [version for is_other, version in versions if is_other] == [1, 2, 3]
    assert publishing.told.records.index(recorded(2)) == publishing.told.records.index(recorded(3)) - 1


async def test_only_commits_of_others_that_no_checkpoint_covers_are_published(publishing: Publishing) -> None:
    own = commit("a", 1, recorded(5))
    await publishing.commit(*(commit("b", seq, recorded(seq)) for seq in range(1, 5)), own)
    await publishing.checkpoint("b", 2)
    await publishing.publisher.publish([own])
    assert publishing.told.versions == [3, 4, 5]


async def test_a_writer_whose_checkpoint_was_removed_has_nothing_unpublished(publishing: Publishing) -> None:
    own = commit("a", 1, recorded(3))
    await publishing.commit(commit("b", 1, recorded(1)), commit("b", 2, recorded(2)), own)
    await publishing.checkpoints.remove("b")
    await publishing.publisher.publish([own])
    assert publishing.told.versions == [3]


@pytest.mark.parametrize(("previous", "read_back"), [(commit_id("b", 2), 0), (None, 1)])
async def test_a_checkpoint_that_covers_the_previous_commit_saves_reading_back(
    publishing: Publishing, previous: str | None, read_back: int
) -> None:
    own = commit("a", 1, replace(recorded(3), previous_commit=previous))
    await publishing.commit(commit("b", 1, recorded(1)), commit("b", 2, recorded(2)), own)
    await publishing.checkpoint("b", 2)
    await publishing.publisher.publish([own])
    assert publishing.told.versions == [3]
    assert publishing.journal.read_back == read_back


async def test_the_previous_commit_of_an_event_is_published_when_no_checkpoint_covers_it(
    publishing: Publishing,
) -> None:
    second = replace(recorded(2), previous_commit=commit_id("b", 1))
    own = commit("a", 1, replace(recorded(3), previous_commit=commit_id("c", 1)))
    await publishing.commit(commit("b", 1, recorded(1)), commit("c", 1, second), own)
    await publishing.checkpoint("b", 1)
    await publishing.publisher.publish([own])
    assert publishing.told.versions == [2, 3]
    assert publishing.journal.read_back == 1


async def test_events_of_a_ticket_not_in_the_cache_are_published_without_a_journal_query(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = market.start_tickets()
    ticket = a_ticket()
    expect(TicketAnswer, await asked(market, first, ticket))

    async def is_marked() -> bool:
        return await market.connections.checkpoints.published([first.host.writer]) == {first.host.writer: 1}

    await eventually(is_marked)
    asked_for: list[str] = []
    monkeypatch.setattr(MongoJournal, "commits_with_keys", remembering(MongoJournal.commits_with_keys, asked_for))
    expect(TicketAnswer, await asked(market, market.start_tickets(), a_hold(ticket.ticket_id)))

    async def is_told() -> bool:
        return await versions_told(market, ticket.ticket_id) == [1, 2]

    await eventually(is_told)
    # Loading it asks for its next versions.
    assert asked_for == [version_key(f"ticket:{ticket.ticket_id}", version) for version in (2, 3)]


async def test_a_checkpoint_older_than_the_journal_is_read_again(publishing: Publishing) -> None:
    own = [commit("a", 1, recorded(2)), commit("a", 2, recorded(2, entity=OTHER))]
    await publishing.commit(commit("b", 1, recorded(1)), commit("b", 2, recorded(1, entity=OTHER)), *own)
    await publishing.checkpoint("b", 1)
    await publishing.publisher.publish(own[:1])
    await publishing.checkpoint("b", 2)
    await publishing.publisher.publish(own[1:])
    assert publishing.told.records == [recorded(2), recorded(2, entity=OTHER)]


async def test_of_events_that_name_the_commit_before_them_nothing_is_remembered(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.publisher.KNOWN_ENTITIES", 0)
    publishing = Publishing(market)
    later = [replace(recorded(version), previous_commit=commit_id("a", version - 1)) for version in range(2, 6)]
    own = [commit("a", record.version, record) for record in (recorded(1), *later)]
    await publishing.commit(*own)
    for one in own:
        await publishing.publisher.publish([one])
    assert publishing.told.versions == [1, 2, 3, 4, 5]
    assert publishing.journal.read_back == 0


async def test_without_a_dead_writer_every_event_is_published_once_and_nothing_is_queried(
    publishing: Publishing,
) -> None:
    own = [commit("a", seq, recorded(2 * seq - 1), recorded(2 * seq)) for seq in range(1, 5)]
    await publishing.commit(*own)
    await publishing.publisher.publish(own[:1])
    await publishing.publisher.publish(own[1:])
    assert publishing.told.versions == list(range(1, 9))
    assert publishing.journal.read_back == 0


async def test_events_published_once_for_others_are_not_published_again(publishing: Publishing) -> None:
    own = [commit("a", 1, recorded(2)), commit("a", 2, recorded(3))]
    await publishing.commit(commit("b", 1, recorded(1)), *own)
    for one in own:
        await publishing.publisher.publish([one])
    assert publishing.told.versions == [1, 2, 3]


async def test_commits_that_the_journal_no_longer_has_count_as_published(publishing: Publishing) -> None:
    own = replace(commit("a", 1, recorded(7)), seq=9)
    await publishing.commit(own)
    await publishing.publisher.publish([own])
    assert publishing.told.versions == [7]
