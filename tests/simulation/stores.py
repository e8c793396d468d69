"""The database's clients in a simulation. They hold to the same contract tests as those of MongoDB."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from actors.domain.charge_events import ChargeCreated
from actors.domain.charge_values import Charge
from actors.domain.instants import Instant
from actors.domain.keys import edit_key, order_key, request_key
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import Order, OrderStatus
from actors.payments.webhook_events import ReceivedWebhookEvent
from actors.runtime.ports import (
    Checkpoint,
    Commit,
    DocumentUpdate,
    FencedError,
    Journal,
    RecordedEvent,
    StoreUnavailableError,
    version_key,
)
from actors.stripe.webhooks import WebhookEvent
from actors.supervision.user_events import PendingUser
from tests.simulation.accounts import Accounts, clear
from tests.simulation.database import DuplicateKeyError, RolledBackError, Tables

T = TypeVar("T")
# Bytes of any commit, so that the backlog of a writer is full at times.
SIZE = 1_000_000
# More than a ticket gets.
MOST_VERSIONS = 1_000
# Seconds between two looks whether a majority has what was inserted.
CONFIRMED_EVERY = 0.1


class Caller(Protocol):
    """The way to the server."""

    async def call(self, name: str, operation: Callable[[], T]) -> T:
        """The result of the operation there, or what it raises, or StoreUnavailableError."""


class FakeJournal:
    """See runtime.ports.Journal."""

    def __init__(self, server: Caller, tables: Tables) -> None:
        self._server = server
        self._tables = tables

    async def append(self, commit: Commit) -> int:
        commit.check_keys()
        call, tables, place = self._server.call, self._tables, (commit.writer, commit.seq)
        try:
            is_confirmed = await call("journal.insert", lambda: tables.insert(commit))
            while not is_confirmed:
                await asyncio.sleep(CONFIRMED_EVERY)
                is_confirmed = await call("journal.confirmed", lambda: tables.is_confirmed(commit))
        except RolledBackError:
            raise StoreUnavailableError from None
        except DuplicateKeyError:
            if not await call("journal.find", lambda: tables.has(*place)):
                raise FencedError from None
            if not await call("journal.find", lambda: tables.has_ours(*place)):
                raise StoreUnavailableError from None
        return SIZE

    async def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        return await self._server.call("journal.owning", lambda: self._tables.commits_with_keys(keys))

    async def existing_keys(self, keys: Collection[str]) -> set[str]:
        return await self._server.call("journal.taken", lambda: self._tables.taken(keys))

    async def after(self, writer: str, seq: int, limit: int) -> list[Commit]:
        return await self._server.call("journal.after", lambda: self._tables.after(writer, seq, limit))

    async def history(self, entity: str, after: int = 0, limit: int = 200) -> list[RecordedEvent]:
        """Some events of one entity in order."""
        return await self._server.call("journal.history", lambda: self._tables.history(entity, after, limit))

    async def committed_at(self, writer: str, seq: int) -> Instant | None:
        """When the writer made this commit, None when there is none of this number."""
        return await self._server.call("journal.committed_at", lambda: self._tables.committed_at(writer, seq))


class FakeDocuments:
    """See runtime.ports.DocumentStore. What is lost on the way may have been written in part."""

    def __init__(self, server: Caller, tables: Tables) -> None:
        self._server = server
        self._tables = tables

    async def write(self, updates: Sequence[DocumentUpdate]) -> None:
        made = [(one.collection, one.document()) for one in updates]
        # A bulk of writes is no transaction: two commands, so that a crash may come between them.
        half = len(made) // 2
        for part in (made[:half], made[half:]):
            if part:
                await self._server.call("documents.write", partial(self._put, part))

    def _put(self, made: Sequence[tuple[str, dict[str, object]]]) -> None:
        for collection, document in made:
            self._tables.put(collection, document)


class FakeCheckpoints:
    """See recovery.WriterCheckpoints."""

    def __init__(self, server: Caller, tables: Tables) -> None:
        self._server = server
        self._tables = tables

    async def save(self, checkpoint: Checkpoint) -> None:
        await self._server.call("checkpoints.save", lambda: self._tables.save_checkpoint(checkpoint))

    async def published(self, writers: Collection[str]) -> dict[str, int]:
        return await self._server.call("checkpoints.published", lambda: self._tables.published_up_to(writers))

    async def remove(self, writer: str) -> None:
        await self._server.call("checkpoints.remove", lambda: self._tables.remove_checkpoint(writer))

    async def all(self) -> list[Checkpoint]:
        return await self._server.call("checkpoints.all", lambda: list(self._tables.checkpoints.values()))

    async def writers_since(self, at: Instant) -> dict[str, int]:
        """All writers that saved a checkpoint at this instant or later, each with the number of a commit of theirs."""
        return await self._server.call("checkpoints.since", lambda: self._tables.writers_since(at))


class FakeQueries:
    """See resources.EntityReads."""

    def __init__(self, server: Caller, tables: Tables, journal: Journal) -> None:
        self._server = server
        self._tables = tables
        self._journal = journal

    async def tickets(self, ids: Collection[str]) -> dict[str, Ticket]:
        return await self._server.call("tickets", lambda: self._tables.tickets(ids))

    async def orders(self, ids: Collection[str]) -> dict[str, Order]:
        return await self._server.call("orders", lambda: self._tables.orders(ids))

    async def order(self, order_id: str) -> Order | None:
        return (await self.orders([order_id])).get(order_id)

    async def charges(self, ids: Collection[str]) -> dict[str, Charge]:
        return await self._server.call("charges", lambda: self._tables.charges(ids))

    async def unpaid_holds_of(self, buyer_ids: Collection[str], now: Instant) -> list[Order]:
        return await self._server.call("unpaid_holds_of", lambda: self._tables.unpaid_holds_of(buyer_ids, now))

    async def may_buy(self, user_ids: Collection[str], *, verified: bool) -> frozenset[str]:
        del verified
        return await self._server.call("may_buy", lambda: frozenset(filter(self._tables.accounts.may_buy, user_ids)))

    async def orders_due(self, after: Instant, before: Instant, most: int) -> list[Order]:
        return await self._server.call("orders_due", lambda: self._tables.orders_due(after, before, most))

    async def orders_in_journal(self, ids: Collection[str]) -> dict[str, Order]:
        commits = await self._journal.commits_with_keys({order_key(order_id) for order_id in ids})
        known: dict[str, Order] = {}
        for commit in commits:
            for record in commit.records:
                order: Order | None = getattr(record.event, "order", None)
                if order is not None and order.id in ids:
                    known[order.id] = order
        for order_id, order in (await self.orders(known)).items():
            if order.version >= known[order_id].version:
                known[order_id] = order
        return {order.id: await self._newest(order) for order in known.values()}

    async def orders_read_as_open(self, ids: Collection[str]) -> list[Order]:
        behind = [order for order in (await self.orders(ids)).values() if order.is_open]
        newest = [await self._newest(order) for order in behind]
        return [order for order in newest if order.status is OrderStatus.CANCELLED]

    async def _newest(self, order: Order) -> Order:
        keys = [version_key(f"ticket:{order.ticket_id}", version) for version in range(1, MOST_VERSIONS)]
        commits = await self._journal.commits_with_keys(keys)
        told: list[Order | None] = [getattr(one.event, "order", None) for commit in commits for one in commit.records]
        mine = [one for one in told if one and one.id == order.id]
        return max([order, *mine], key=lambda one: one.version)

    async def edits_in_journal(self, ids: Collection[str]) -> dict[str, str]:
        commits = await self._journal.commits_with_keys({edit_key(edit_id) for edit_id in ids})
        edits = ((record.entity, getattr(record.event, "edit_id", "")) for one in commits for record in one.records)
        return {edit_id: entity.partition(":")[2] for entity, edit_id in edits if edit_id in ids}

    async def orders_of_requests(self, requests: Collection[str]) -> dict[str, str]:
        commits = await self._journal.commits_with_keys({request_key(request) for request in requests})
        events = (record.event for commit in commits for record in commit.records)
        created = [event.charge for event in events if isinstance(event, ChargeCreated)]
        return {charge.request: charge.order_id for charge in created if charge.request and charge.request in requests}

    async def charges_of(self, order_id: str) -> list[Charge]:
        return (await self.charges_by_order([order_id]))[order_id]

    async def charges_by_order(self, order_ids: Collection[str]) -> dict[str, list[Charge]]:
        return await self._server.call("charges_by_order", lambda: self._tables.charges_by_order(order_ids))

    async def orders_of_intents(self, intent_ids: Collection[str]) -> dict[str, str]:
        return await self._server.call("orders_of_intents", lambda: self._tables.orders_of_intents(intent_ids))

    async def unsettled_orders(self, before: Instant, skip: int, most: int) -> list[str]:
        orders = await self._server.call(
            "unsettled_orders", lambda: self._tables.unsettled("orders", before, skip, most)
        )
        return [order.id for order in orders]

    async def orders_of_unsettled_charges(self, before: Instant, skip: int, most: int) -> list[str]:
        charges = await self._server.call(
            "unsettled_charges", lambda: self._tables.unsettled("charges", before, skip, most)
        )
        return [charge.order_id for charge in charges]

    async def orders_of_payable_charges(self, after: Instant, before: Instant, skip: int, most: int) -> list[str]:
        charges = await self._server.call("payable_charges", lambda: self._tables.payable(after, before, skip, most))
        return [charge.order_id for charge in charges]


class FakeInbox:
    """See resources.Inbox and storage.webhook_inbox."""

    def __init__(self, server: Caller, tables: Tables) -> None:
        self._server = server
        self._tables = tables

    async def add(self, event: WebhookEvent, at: Instant) -> ReceivedWebhookEvent | None:
        received = ReceivedWebhookEvent(event.id, event.type, at, event.intent_id, event.order_id)
        try:
            await self._server.call("inbox.add", lambda: self._tables.add_webhook_event(received))
        except DuplicateKeyError:
            return None
        return received

    async def unhandled(self, after: Instant, before: Instant, most: int) -> list[ReceivedWebhookEvent]:
        return await self._server.call("inbox.unhandled", lambda: self._tables.unhandled_between(after, before, most))

    async def mark_handled(self, event_ids: Collection[str]) -> None:
        await self._server.call("inbox.handled", lambda: self._tables.mark_handled(event_ids))

    async def forget_before(self, at: Instant) -> None:
        await self._server.call("inbox.forget_before", lambda: self._tables.forget_before(at))


class FakePendingUserEvents:
    """See supervision.user_events.PendingUserEvents."""

    def __init__(self, server: Caller, accounts: Accounts) -> None:
        self._server = server
        self._accounts = accounts

    async def pending(self, most: int) -> list[PendingUser]:
        return await self._server.call("users.pending", lambda: self._accounts.to_relay(most))

    async def mark_relayed(self, user: PendingUser) -> None:
        await self._server.call("users.relayed", lambda: self._accounts.mark_relayed(user))


class FakeDelisting:
    """See supervision.delisting.DelistingStore."""

    def __init__(self, server: Caller, tables: Tables) -> None:
        self._server = server
        self._tables = tables

    async def unlisted(self, most: int) -> Mapping[str, Instant]:
        return await self._first("users.unlisted", self._tables.accounts.unlisted_since, most)

    async def relisted(self, most: int) -> Mapping[str, Instant]:
        return await self._first("users.relisted", self._tables.accounts.relisted_since, most)

    async def tickets(self, seller_id: str, most: int, *, suspended: bool) -> Sequence[str]:
        return await self._server.call(
            "tickets.listed", lambda: self._tables.listed_by(seller_id, most, suspended=suspended)
        )

    async def clear_delisted(self, user_id: str, since: Instant) -> None:
        flags = self._tables.accounts.unlisted_since
        await self._server.call("users.clear_delisted", lambda: clear(flags, user_id, since))

    async def clear_relisted(self, user_id: str, since: Instant) -> None:
        flags = self._tables.accounts.relisted_since
        await self._server.call("users.clear_relisted", lambda: clear(flags, user_id, since))

    async def _first(self, name: str, flags: Mapping[str, Instant], most: int) -> Mapping[str, Instant]:
        return await self._server.call(name, lambda: dict(list(flags.items())[:most]))
