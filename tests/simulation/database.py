"""The database of a simulation: what MongoDB holds for us, with the promises that its fakes are held to."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.domain.charge_values import Charge
from actors.domain.codec import Document
from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import Order
from actors.payments.webhook_events import ReceivedWebhookEvent
from actors.read_model.projections import FIRST_PROJECTION, charge_of, order_of, ticket_of, unpaid_hold_keys
from actors.runtime.ports import Checkpoint, Commit, RecordedEvent, version_key
from actors.storage.event_stream import StreamState
from tests.simulation.accounts import Accounts

READERS: dict[str, Callable[[Document], Any]] = {"tickets": ticket_of, "orders": order_of, "charges": charge_of}


class DuplicateKeyError(Exception):
    """A unique key exists already; nothing was written."""


class RolledBackError(Exception):
    """An election took the write back."""


@dataclass(slots=True)
class Stored:
    """One document, and the entity that it is of."""

    document: Document
    entity: Any


@dataclass
class Tables:
    """Everything that is stored. Each method is one command of a client, and atomic.

    The switches are for negative controls: real databases have none.
    """

    commits: dict[tuple[str, int], Commit] = field(default_factory=dict)
    owners: dict[str, Commit] = field(default_factory=dict)
    writers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    documents: dict[str, dict[str, Stored]] = field(default_factory=lambda: {name: {} for name in READERS})
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    # Of writers that ended: how far they were.
    last_checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    webhook_events: dict[str, ReceivedWebhookEvent] = field(default_factory=dict)
    unhandled: dict[str, Instant] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=Accounts)
    # How far durables are, by partition, and how the streams were when they were looked at last.
    positions: dict[str, dict[int, int]] = field(default_factory=dict)
    stream_state: StreamState | None = None
    # On the primary alone, in the order in which they came: an election may take the last of them back.
    unconfirmed: dict[tuple[str, int], Commit] = field(default_factory=dict)
    keys_are_unique: bool = True
    reads_are_confirmed: bool = True
    own_is_confirmed: bool = True
    replaces_are_guarded: bool = True
    # Told of what the primary has, to see to it that a majority gets it; by default it has it at once.
    when_inserted: Callable[[Commit], None] | None = None
    # Told of what was written, for whoever watches.
    when_committed: Callable[[Commit], None] = lambda _: None
    when_written: Callable[[str, Any], None] = lambda _collection, _entity: None

    def insert(self, commit: Commit) -> bool:
        """Whether a majority has it already. Raises DuplicateKeyError."""
        place = (commit.writer, commit.seq)
        taken = self.keys_are_unique and any(self._owner(key, confirmed=False) for key in commit.keys)
        if taken or self.has(*place):
            raise DuplicateKeyError
        self.unconfirmed[place] = commit
        (self.when_inserted or self.confirm)(commit)
        return place in self.commits

    def confirm(self, commit: Commit) -> None:
        """A majority has it, and with it what the primary had before."""
        place = (commit.writer, commit.seq)
        if self.unconfirmed.get(place) is commit:
            self._keep(list(self.unconfirmed).index(place) + 1)

    def elect(self, kept: int) -> None:
        """Another primary, which has the first so many of what no majority had yet. The rest never was."""
        self._keep(kept)
        self.unconfirmed.clear()

    def _keep(self, first: int) -> None:
        for place in list(self.unconfirmed)[:first]:
            commit = self.commits[place] = self.unconfirmed.pop(place)
            self.writers[commit.writer].append(commit.seq)
            for key in commit.keys:
                self.owners[key] = commit
            self.when_committed(commit)

    def is_confirmed(self, commit: Commit) -> bool:
        """Whether a majority has it by now. Raises RolledBackError."""
        place = (commit.writer, commit.seq)
        if place not in self.commits and place not in self.unconfirmed:
            raise RolledBackError
        return place in self.commits

    def has(self, writer: str, seq: int) -> bool:
        return (writer, seq) in self.commits or (writer, seq) in self.unconfirmed

    def has_ours(self, writer: str, seq: int) -> bool:
        return (writer, seq) in self.commits or (not self.own_is_confirmed and (writer, seq) in self.unconfirmed)

    def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        owners = (self._owner(key, confirmed=self.reads_are_confirmed) for key in keys)
        found = {(commit.writer, commit.seq): commit for commit in owners if commit is not None}
        return [found[place] for place in sorted(found)]

    def taken(self, keys: Collection[str]) -> set[str]:
        return {key for key in keys if self._owner(key, confirmed=self.reads_are_confirmed) is not None}

    def _owner(self, key: str, *, confirmed: bool) -> Commit | None:
        owner = self.owners.get(key)
        if owner is None and not confirmed:
            return next((one for one in self.unconfirmed.values() if key in one.keys), None)
        return owner

    def after(self, writer: str, seq: int, limit: int) -> list[Commit]:
        places = ((writer, later) for later in range(seq + 1, seq + 1 + limit))
        return [self.commits[place] for place in places if place in self.commits]

    def history(self, entity: str, after: int, limit: int) -> list[RecordedEvent]:
        keys = [version_key(entity, version) for version in range(after + 1, after + 1 + limit)]
        owners = [self.owners[key] for key in keys if key in self.owners]
        found = {one.key: one for commit in owners for one in commit.records}
        return [found[key] for key in keys if key in found]

    def committed_at(self, writer: str, seq: int) -> Instant | None:
        commit = self.commits.get((writer, seq))
        return None if commit is None else commit.at

    def put(self, collection: str, document: Document) -> None:
        """Inserts, or replaces what is older."""
        place = document["_id"]
        stored = self.documents[collection].get(place)
        if stored is None or _age_of(stored.document) < _age_of(document) or not self.replaces_are_guarded:
            entity = READERS[collection](document)
            self.documents[collection][place] = Stored(document, entity)
            self.when_written(collection, entity)

    def entities(self, collection: str, ids: Collection[str]) -> dict[str, Any]:
        kept = self.documents[collection]
        return {one: kept[one].entity for one in ids if one in kept}

    def tickets(self, ids: Collection[str]) -> dict[str, Ticket]:
        return self.entities("tickets", ids)

    def orders(self, ids: Collection[str]) -> dict[str, Order]:
        return self.entities("orders", ids)

    def charges(self, ids: Collection[str]) -> dict[str, Charge]:
        return self.entities("charges", ids)

    def unpaid_holds_of(self, buyer_ids: Collection[str], now: Instant) -> list[Order]:
        keys = set(unpaid_hold_keys(buyer_ids, now))
        orders = self.documents["orders"].values()
        return [one.entity for one in orders if one.document.get("by_unpaid_hold") in keys]

    def orders_due(self, after: Instant, before: Instant, most: int) -> list[Order]:
        due = [
            one.entity
            for one in self.documents["orders"].values()
            if "due_at" in one.document and after <= one.document["due_at"] < before
        ]
        return sorted(due, key=lambda order: order.expires_at)[:most]

    def charges_by_order(self, order_ids: Collection[str]) -> dict[str, list[Charge]]:
        attempts: dict[str, list[Charge]] = {order_id: [] for order_id in order_ids}
        for one in self.documents["charges"].values():
            if one.entity.order_id in attempts:
                attempts[one.entity.order_id].append(one.entity)
        return {order: sorted(found, key=lambda charge: charge.attempt) for order, found in attempts.items()}

    def orders_of_intents(self, intent_ids: Collection[str]) -> dict[str, str]:
        charges = (one.entity for one in self.documents["charges"].values())
        return {charge.stripe_id: charge.order_id for charge in charges if charge.stripe_id in intent_ids}

    def unsettled(self, collection: str, before: Instant, skip: int, most: int) -> list[Any]:
        return self._since(collection, "unsettled_since", 0, before)[skip : skip + most]

    def payable(self, after: Instant, before: Instant, skip: int, most: int) -> list[Any]:
        return self._since("charges", "by_payable_since", after, before)[skip : skip + most]

    def _since(self, collection: str, field: str, after: Instant, before: Instant) -> list[Any]:
        stored = self.documents[collection].values()
        found = [one for one in stored if after <= one.document.get(field, before) < before]
        return [one.entity for one in sorted(found, key=lambda one: one.document[field])]

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        before = self.checkpoints.get(checkpoint.writer, checkpoint)
        self.checkpoints[checkpoint.writer] = Checkpoint(
            checkpoint.writer,
            before.host,
            max(before.applied, checkpoint.applied),
            max(before.published, checkpoint.published),
            max(before.at, checkpoint.at),
        )

    def remove_checkpoint(self, writer: str) -> None:
        if writer in self.checkpoints:
            self.last_checkpoints[writer] = self.checkpoints.pop(writer)

    def writers_since(self, at: Instant) -> dict[str, int]:
        everybody = (*self.checkpoints.values(), *self.last_checkpoints.values())
        return {one.writer: one.applied for one in everybody if one.at >= at}

    def published_up_to(self, writers: Collection[str]) -> dict[str, int]:
        return {writer: self.checkpoints[writer].published for writer in writers if writer in self.checkpoints}

    def keep_positions(self, durable: str, times: Mapping[int, int]) -> None:
        self.positions.setdefault(durable, {}).update(times)

    def keep_first_stream_state(self, state: StreamState) -> StreamState:
        self.stream_state = self.stream_state or state
        return self.stream_state

    def keep_stream_state(self, state: StreamState) -> None:
        self.stream_state = state

    def add_webhook_event(self, event: ReceivedWebhookEvent) -> None:
        """Raises DuplicateKeyError."""
        if event.id in self.webhook_events:
            raise DuplicateKeyError
        self.webhook_events[event.id] = event
        self.unhandled[event.id] = event.at

    def unhandled_between(self, after: Instant, before: Instant, most: int) -> list[ReceivedWebhookEvent]:
        found = [self.webhook_events[one] for one, since in self.unhandled.items() if after <= since < before]
        return sorted(found, key=lambda one: one.at)[:most]

    def mark_handled(self, event_ids: Collection[str]) -> None:
        for event_id in event_ids:
            self.unhandled.pop(event_id, None)

    def forget_before(self, at: Instant) -> None:
        for one in [one for one in self.webhook_events.values() if one.at < at]:
            del self.webhook_events[one.id]
            self.unhandled.pop(one.id, None)

    def listed_by(self, seller_id: str, most: int, *, suspended: bool) -> list[str]:
        """Tickets that are not withdrawn, with the flag or without it."""
        tickets = (one.entity for one in self.documents["tickets"].values())
        theirs = (one for one in tickets if one.seller_id == seller_id and not one.withdrawn)
        return [ticket.id for ticket in theirs if ticket.suspended is suspended][:most]


def _age_of(document: Document) -> tuple[int, int]:
    return document["version"], document.get("projection", FIRST_PROJECTION)
