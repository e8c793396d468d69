"""Documents are a fold of the journal: who applies which commit, when and how often makes no difference."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from actors.cluster import names
from actors.domain.answers import PaymentAnswer
from actors.domain.codec import Document
from actors.domain.purchase_commands import Pay
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, EditTicket, Reserve, StartPayment, WithdrawTicket
from actors.domain.ticket_values import TicketDetails
from actors.payments.charge_entity import ChargeEntity
from actors.read_model.projections import ticket_of
from actors.runtime.entity import Entity
from actors.runtime.ports import Checkpoint, DocumentStore, DocumentUpdate, RecordedEvent
from actors.runtime.publisher import Publisher
from actors.runtime.replay import load, recover
from actors.storage.documents import MongoDocuments
from actors.tickets.entity import TicketEntity
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket, RunningHost
from tests.support.trading import a_hold, a_ticket, asked, expect

COLLECTIONS = ("tickets", "orders", "charges")
Documents = dict[str, list[Document]]


class UnguardedDocuments(MongoDocuments):
    """The version guard is off: whoever writes last wins."""

    async def write(self, updates: Sequence[DocumentUpdate]) -> None:
        for one in updates:
            await self._database[one.collection].replace_one({"_id": one.id}, one.document(), upsert=True)


class NoStream:
    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        """Nobody listens."""


async def a_history_of_many_writers(market: LocalMarket) -> None:
    """Every other message goes to another host, so that no writer has the whole of any order."""
    hosts = [market.tickets, market.start_tickets(), market.start_tickets()]

    async def told(turn: int, command: Any) -> TicketAnswer:  # noqa: ANN401 - any message
        return expect(TicketAnswer, await asked(market, hosts[turn % len(hosts)], command))

    for number in range(6):
        ticket = (await told(number, a_ticket())).ticket
        edit = EditTicket(ticket.id, ticket.seller_id, TicketDetails("Organ recital", 1_000 + number, "usd"))
        await told(number + 1, edit)
        hold = await reserve(told, number + 2, ticket.id)
        match number % 3:
            case 0:
                await told(number + 1, StartPayment(ticket.id, hold.order_id, 0))
                await told(number, CancelOrder(ticket.id, hold.order_id))
                await told(number + 1, WithdrawTicket(ticket.id, ticket.seller_id))
            case 1:
                market.tickets = hosts[number % len(hosts)]
                expect(PaymentAnswer, await market.pay(Pay(hold.order_id, "pm_card_visa")))
            case _:
                await told(number + 1, CancelOrder(ticket.id, hold.order_id))
                await reserve(told, number, ticket.id)
    await all_written([*hosts, market.charges])


async def reserve(told: Callable[[int, Any], Awaitable[TicketAnswer]], turn: int, ticket_id: str) -> Reserve:
    hold = a_hold(ticket_id)
    await told(turn, hold)
    return hold


async def all_written(hosts: Sequence[RunningHost]) -> None:
    for running in hosts:
        commit_relay = running.commit_relay
        await eventually(lambda commit_relay=commit_relay: commit_relay.applied == commit_relay._committed)  # type: ignore[misc]


async def found(market: LocalMarket) -> Documents:
    database = market.connections.database
    return {name: await database[name].find({}).sort("_id", 1).to_list() for name in COLLECTIONS}


async def forget_documents(market: LocalMarket) -> None:
    for name in COLLECTIONS:
        await market.connections.database[name].delete_many({})


async def writers(market: LocalMarket) -> list[str]:
    ids = await market.connections.database["journal"].distinct("_id")
    return sorted({str(one).rpartition(":")[0] for one in ids})


async def apply(market: LocalMarket, writer: str, documents: DocumentStore | None = None) -> None:
    """Relays all commits of a writer, as if it had died before its first checkpoint."""
    own = market.connections
    entities: dict[str, Entity[Any, Any]] = {
        names.TICKETS: TicketEntity(own.queries),
        names.PAYMENTS: ChargeEntity(own.queries),
    }
    checkpoint = Checkpoint(writer, writer, 0, 0, 0)
    entity = entities[names.kind_of(writer)]
    publisher = Publisher(own.journal, NoStream(), own.checkpoints)
    await recover(entity, own.journal, documents or own.documents, publisher, checkpoint)


@pytest.fixture
async def in_order(market: LocalMarket) -> Documents:
    """The documents of a history, applied one writer after the other to an empty database."""
    await a_history_of_many_writers(market)
    await forget_documents(market)
    for writer in await writers(market):
        await apply(market, writer)
    return await found(market)


async def test_the_history_has_many_writers_and_all_kinds_of_documents(
    market: LocalMarket, in_order: Documents
) -> None:
    assert len(await writers(market)) == 4
    assert {name: len(documents) for name, documents in in_order.items()} == {"tickets": 6, "orders": 8, "charges": 2}


@pytest.mark.parametrize("seed", range(3))
async def test_commits_that_are_applied_twice_and_out_of_order_give_the_same_documents(
    market: LocalMarket, in_order: Documents, seed: int
) -> None:
    await forget_documents(market)
    shuffled = await writers(market) * 2
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - no secret
    for writer in shuffled:
        await apply(market, writer)
    assert await found(market) == in_order


async def test_commits_that_are_applied_on_top_of_documents_change_nothing(
    market: LocalMarket, in_order: Documents
) -> None:
    for writer in reversed(await writers(market)):
        await apply(market, writer)
    assert await found(market) == in_order


async def test_several_appliers_at_once_give_the_same_documents(market: LocalMarket, in_order: Documents) -> None:
    for _ in range(3):
        await forget_documents(market)
        await asyncio.gather(*(apply(market, writer) for writer in await writers(market) * 2))
        assert await found(market) == in_order


async def test_without_the_version_guard_the_order_makes_a_difference_and_the_comparison_sees_it(
    market: LocalMarket, in_order: Documents
) -> None:
    unguarded = UnguardedDocuments(market.connections.database)
    different = 0
    for seed in range(5):
        shuffled = await writers(market)
        random.Random(seed).shuffle(shuffled)  # noqa: S311 - no secret
        for writer in shuffled:
            await apply(market, writer, unguarded)
        different += await found(market) != in_order
    assert different


async def test_the_hosts_own_documents_equal_those_of_a_recovery(market: LocalMarket) -> None:
    await a_history_of_many_writers(market)
    own = await found(market)
    await forget_documents(market)
    for writer in await writers(market):
        await apply(market, writer)
    recovered = await found(market)
    assert (own["orders"], own["charges"]) == (recovered["orders"], recovered["charges"])
    # A ticket's document may lag; together with the commits beyond it it is the same ticket.
    loaded = await load(
        TicketEntity(market.connections.queries), market.connections.journal, [one["_id"] for one in own["tickets"]]
    )
    assert {one["_id"]: ticket_of(one) for one in recovered["tickets"]} == loaded.states


# One document


def update(version: int, *, is_new: bool = False) -> DocumentUpdate:
    document = {"_id": "1", "version": version}
    return DocumentUpdate("things", "1", version, lambda: dict(document), is_new=is_new)


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("late", [1, 2])
async def test_a_lagging_document_never_overwrites_a_newer_one(market: LocalMarket, late: int, *, is_new: bool) -> None:
    store = market.connections.documents
    await store.write([update(3)])
    await store.write([update(late, is_new=is_new)])
    assert await market.connections.database["things"].find_one({}) == {"_id": "1", "version": 3}


async def test_without_the_guard_a_lagging_document_overwrites_a_newer_one(market: LocalMarket) -> None:
    store = UnguardedDocuments(market.connections.database)
    await store.write([update(3)])
    await store.write([update(1)])
    assert await market.connections.database["things"].find_one({}) == {"_id": "1", "version": 1}


async def test_a_newer_document_replaces_one_that_was_written_as_new(market: LocalMarket) -> None:
    store = market.connections.documents
    await store.write([update(1, is_new=True)])
    await store.write([update(2, is_new=True)])
    assert await market.connections.database["things"].find_one({}) == {"_id": "1", "version": 2}


class AnotherComesFirst:
    """Between the look and the insert somebody else inserts."""

    def __init__(self, collection: Any, theirs: Document) -> None:  # noqa: ANN401 - a collection
        self._collection = collection
        self._theirs: Document | None = theirs

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is as it is
        return getattr(self._collection, name)

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool) -> None:
        if self._theirs is not None:
            await self._collection.insert_one(self._theirs)
            self._theirs = None
        await self._collection.insert_many(documents, ordered=ordered)


async def test_the_newer_of_two_concurrent_first_writes_stays(market: LocalMarket) -> None:
    things = market.connections.database["things"]
    database: Any = {"things": AnotherComesFirst(things, {"_id": "1", "version": 1})}
    await MongoDocuments(database).write([update(2)])
    assert await things.find_one({}) == {"_id": "1", "version": 2}


async def test_more_documents_than_one_command_holds_are_replaced(market: LocalMarket) -> None:
    """As when a dead writer is recovered: 20 MB, where a command may have 16."""

    def long_ones(version: int) -> list[DocumentUpdate]:
        document = {"version": version, "text": "x" * 100_000}
        return [
            DocumentUpdate("things", str(place), version, lambda place=place: {"_id": str(place), **document})  # type: ignore[misc]
            for place in range(200)
        ]

    store = market.connections.documents
    await store.write(long_ones(1))
    await store.write(long_ones(2))
    assert await market.connections.database["things"].count_documents({"version": 2}) == 200


async def test_text_of_users_is_not_taken_for_a_query_expression(market: LocalMarket) -> None:
    """A replacement is an expression of the database, in which `$version` names a field."""
    texts = ["$version", "$$ROOT", "$$new.version", "$", "a.b"]
    store = market.connections.documents
    for version in (1, 2):
        document = {
            "_id": "1",
            "version": version,
            "title": texts[version],
            "words": texts,
            "details": {"city": "$_id"},
        }
        await store.write([DocumentUpdate("things", "1", version, lambda document=document: dict(document))])  # type: ignore[misc]
        assert await market.connections.database["things"].find_one({}) == document


async def test_host_answers_others_while_it_makes_the_documents_of_a_large_commit(market: LocalMarket) -> None:
    """One statement takes a hundred, and the words of a single ticket some milliseconds."""
    made_before: list[int] = []
    made = 0

    async def answer_others() -> None:
        while True:
            made_before.append(made)
            await asyncio.sleep(0)

    def document(ticket_id: str) -> Document:
        nonlocal made
        made += 1
        return {"_id": ticket_id, "version": 1}

    ids = [f"{number:024x}" for number in range(95)]
    updates = [DocumentUpdate("tickets", one, 1, partial(document, one), is_new=True) for one in ids]
    others = asyncio.create_task(answer_others())
    await MongoDocuments(market.connections.database).write(updates)
    await MongoDocuments(market.connections.database).write([replace(one, is_new=False) for one in updates])
    others.cancel()
    assert made == 190
    assert max(later - earlier for earlier, later in pairwise(made_before)) <= 10
