"""What must hold after every step. Each rule is checked whenever something changes that it speaks of.

The model of a ticket here is written down once more and does not ask actors/domain: a price, and who holds it.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from actors.domain import unpaid_holds
from actors.domain.charge_events import ChargeCreated
from actors.domain.ticket_events import (
    OfferAccepted,
    OrderAwaitingPayment,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderExpired,
    OrderRefundFailed,
    OrderRefunding,
    OrderReopened,
    TicketCreated,
    TicketReinstated,
    TicketSuspended,
    TicketUpdated,
    TicketWithdrawn,
    WaiterJoined,
    WaiterLeft,
    WaitingListClosed,
)
from actors.domain.ticket_values import CancelReason, Order
from actors.runtime.ports import Commit, RecordedEvent
from tests.simulation.faults import PRIMARIES_APART
from tests.simulation.history import History
from tests.simulation.lines import Lines
from tests.simulation.unpaid import Unpaid, UnpaidHolds
from tests.simulation.world import World

# How far the clocks of hosts may be apart, in ms: a look at the database's clock takes some milliseconds, and between
# two looks, or while it is away, a clock drifts.
TOLERANCE = 2_000
MOST_UNPAID_OF_A_TICKET = 3
UNPAID = (CancelReason.BUYER, CancelReason.EXPIRED, CancelReason.DECLINED)


@dataclass
class Hold:
    """An order that has a ticket."""

    order_id: str
    buyer_id: str
    price: int
    fee: int
    ends: int
    is_bought: bool = False
    is_refunding: bool = False
    attempt: int = 1
    is_offer: bool = False


@dataclass
class Place:
    """A ticket, as anybody would draw it on paper."""

    seller: str
    price: int
    begins: int | None
    hold: Hold | None = None
    is_withdrawn: bool = False
    is_suspended: bool = False


@dataclass
class Invariants:
    """Watches a simulation. `breaks` is told of what must never be."""

    world: World
    grace: int
    most_holds: int
    history: History = field(default_factory=History)
    places: dict[str, Place] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    bought: set[str] = field(default_factory=set)
    edits: dict[str | None, str] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    over_since: dict[str, int] = field(default_factory=dict)
    unpaid: UnpaidHolds = field(default_factory=UnpaidHolds)
    ticket_writers: set[str] = field(default_factory=set)
    prices: dict[str, int] = field(default_factory=dict)
    fees: tuple[Decimal, ...] = (Decimal(0),)
    committed: dict[str, int] = field(default_factory=Counter)
    lines: Lines = field(default_factory=Lines)
    checks: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        # A process that starts after an election goes by the new primary's clock at once, while others turn to it.
        apart = PRIMARIES_APART if self.world.faults.election_every else 0.0
        self.tolerance = TOLERANCE + int(apart * 1000)

    # The journal

    def committed_to(self, commit: Commit) -> None:
        """Called in the instant in which a commit is in the journal."""
        if any(record.entity.startswith("ticket:") for record in commit.records):
            self.ticket_writers.add(commit.writer)
        for record in commit.records:
            self._recorded(record)
        for key in commit.keys:
            if key in self.keys:
                self._break(f"the key {key} is there twice")
            self.keys.add(key)
        for record in commit.records:
            self._check_suspension(record)
        self.checks["lines"] = self.lines.offers
        for ticket_id, user_id in self.lines.due.items():
            self._break(f"{ticket_id} was released and in the same commit not offered to {user_id}, who is first")
        self.lines.due.clear()

    def _check_suspension(self, record: RecordedEvent) -> None:
        """A suspended ticket is withdrawn in the commit that releases it: between two commits somebody may buy it."""
        kind, _, entity_id = record.entity.partition(":")
        place = self.places.get(entity_id) if kind == "ticket" else None
        if place is None or not place.is_suspended:
            return
        self.checks["suspensions"] += 1
        if place.hold is None and not place.is_withdrawn:
            self._break(f"{record.entity} is for sale although its seller may not sell")

    def _recorded(self, record: RecordedEvent) -> None:
        self.checks["events"] += 1
        if record.version != self.committed[record.entity] + 1:
            self._break(f"{record.entity} has version {record.version} after {self.committed[record.entity]}")
            return
        self.committed[record.entity] = record.version
        kind, _, entity_id = record.entity.partition(":")
        if record.at > self._now + self.tolerance:
            self._break(f"{record.entity} changed at {record.at}, which is {record.at - self._now} ms from now")
        if kind == "ticket":
            self._ticket_changed(entity_id, record)
        if isinstance(record.event, ChargeCreated):
            self._charge_created(record.event)
        self.history.add(record)
        self.world.note(type(record.event).__name__, record.entity)

    def _charge_created(self, event: ChargeCreated) -> None:
        charge = event.charge
        if charge.request is None:
            return
        # Several attempts of one order may have one key.
        if self.requests.setdefault(charge.request, charge.order_id) != charge.order_id:
            self._break(f"the request {charge.request} pays two orders")

    def _ticket_changed(self, ticket_id: str, record: RecordedEvent) -> None:
        event = record.event
        if (wrong := self.lines.changed(ticket_id, record, self.places.get(ticket_id))) is not None:
            self._break(wrong)
        match event:
            case WaiterJoined() | WaiterLeft() | WaitingListClosed():
                pass
            case TicketCreated():
                self.places[ticket_id] = Place(event.seller_id, event.details.price, event.details.starts_at)
            case TicketUpdated():
                if self.places[ticket_id].hold is not None:
                    self._break(f"the price of {ticket_id} changed under a hold")
                if event.edit_id in self.edits:
                    self._break(f"the edit {event.edit_id} took effect twice")
                self.edits[event.edit_id] = ticket_id
                place = self.places[ticket_id]
                place.price, place.begins = event.details.price, event.details.starts_at
            case TicketWithdrawn():
                if self.places[ticket_id].hold is not None:
                    self._break(f"{ticket_id} was withdrawn under a hold")
                self.places[ticket_id].is_withdrawn = True
            case TicketSuspended() | TicketReinstated():
                self.places[ticket_id].is_suspended = isinstance(event, TicketSuspended)
            case _:
                self._order_changed(self.places[ticket_id], event, record.at)

    def _order_changed(self, place: Place, event: Any, at: int) -> None:  # noqa: ANN401 - an event of an order
        order: Order = event.order
        if isinstance(event, OrderCreated):
            if not order.offer:
                self._check_how_often(order)
            self._order_created(place, order)
            return
        hold = place.hold
        if hold is None or hold.order_id != order.id:
            self._break(f"{type(event).__name__} of {order.id}, which does not hold its ticket")
            return
        if order.price != hold.price:
            self._break(f"the price of order {order.id} is not the one that was held")
        if order.fee != hold.fee:
            self._break(f"the fee of order {order.id} is not the one that was fixed when its ticket was held")
        if isinstance(event, OrderExpired) and (hold.is_bought or at < hold.ends):
            self._break(f"order {order.id} expired {hold.ends - at} ms before its end")
        if isinstance(event, OrderExpired) and self._now < hold.ends - self.tolerance:
            self._break(f"order {order.id} expired {hold.ends - self._now} ms before its end, by the true time")
        if isinstance(event, (OrderAwaitingPayment, OrderCompleted)) and at >= hold.ends:
            self._break(f"order {order.id} went on after its end")
        self._apply(place, hold, event)
        self._check_beginning(place)

    def _order_created(self, place: Place, order: Order) -> None:
        if place.hold is not None:
            self._break(f"ticket {order.ticket_id} is held by {place.hold.order_id} and {order.id}")
        if place.is_withdrawn:
            self._break(f"ticket {order.ticket_id} was withdrawn and reserved")
        if order.id in self.created:
            self._break(f"order {order.id} came into being twice")
        if order.price != place.price:
            self._break(f"order {order.id} has another price than its ticket")
        self._check_fee(order)
        self.created.add(order.id)
        self.prices[order.id] = order.price
        place.hold = Hold(order.id, order.buyer_id, order.price, order.fee, order.expires_at, is_offer=order.offer)
        self._check_beginning(place)

    def _check_fee(self, order: Order) -> None:
        """It is one that the operator has set, to the cent."""
        self.checks["fees"] += order.fee > 0
        cents = {(order.price * percent / 100).quantize(Decimal(1), ROUND_HALF_UP) for percent in self.fees}
        if order.fee not in cents or order.seller_gets + order.fee != order.price:
            self._break(f"the fee of order {order.id} is {order.fee} of {order.price}, and not in {sorted(cents)}")

    def _check_beginning(self, place: Place) -> None:
        if place.hold is not None and place.begins is not None and place.hold.ends > place.begins:
            self._break(f"the hold of {place.hold.order_id} outlasts the beginning of its event")

    def _check_how_often(self, order: Order) -> None:
        if self.unpaid.of(order.buyer_id, order.created_at, order.ticket_id) >= MOST_UNPAID_OF_A_TICKET:
            self._break(f"{order.buyer_id} held {order.ticket_id} once more without having paid it")
        # Of all tickets the limits are exact within one host, and while it lives.
        if len(self.ticket_writers) > 1:
            return
        holds = [place.hold for place in self.places.values() if place.hold and place.hold.buyer_id == order.buyer_id]
        counted = [hold for hold in holds if not hold.is_bought and not hold.is_offer]
        if sum(order.created_at < hold.ends for hold in counted) >= self.most_holds:
            self._break(f"{order.buyer_id} holds more than {self.most_holds} tickets")
        if self.unpaid.of(order.buyer_id, order.created_at) >= unpaid_holds.MOST_OF_A_BUYER:
            self._break(f"{order.buyer_id} held once more after many holds without having paid")

    def _apply(self, place: Place, hold: Hold, event: Any) -> None:  # noqa: ANN401 - an event of an order
        order: Order = event.order
        match event:
            case OrderAwaitingPayment() if order.expires_at > max(hold.ends, self._now + self.tolerance + self.grace):
                self._break(f"the hold of {order.id} was extended beyond its grace")
            case OrderAwaitingPayment() | OrderReopened() | OfferAccepted():
                if isinstance(event, OfferAccepted) and not hold.is_offer:
                    self._break(f"order {order.id} was accepted although it was no offer any more")
                hold.ends, hold.is_offer = order.expires_at, False
                hold.attempt += isinstance(event, OrderReopened)
            case OrderCompleted():
                self._check_attempt(hold, order)
                hold.is_bought = True
                self.bought.add(order.id)
            case OrderRefunding():
                hold.is_refunding = True
            case OrderRefundFailed():
                hold.is_refunding = False
            case OrderCancelled() | OrderExpired():
                if hold.is_bought and not hold.is_refunding and order.cancel_reason is not CancelReason.CAPTURE_FAILED:
                    self._break(f"order {order.id} was bought and then cancelled, and nobody asked for a refund")
                place.hold = None
                if not hold.is_bought and not hold.is_offer and order.cancel_reason in UNPAID:
                    self.unpaid.holds.append(Unpaid(order.ticket_id, order.buyer_id, order.updated_at))

    def _check_attempt(self, hold: Hold, order: Order) -> None:
        """Only the attempt of now may buy: an earlier one failed or was abandoned, and its buyer uses another card."""
        attempts = {state.id: state.attempt for states in self.history.charges.values() for state in states[-1:]}
        if attempts[order.charge_id or ""] != hold.attempt:
            self._break(f"order {order.id} was sold by attempt {attempts[order.charge_id or '']}, not {hold.attempt}")

    # Documents

    def written(self, collection: str, entity: Any) -> None:  # noqa: ANN401 - a ticket, an order or a charge
        """Called in the instant in which a document is stored."""
        self.checks["documents"] += 1
        if isinstance(entity, Order) and not entity.is_open:
            self.over_since.setdefault(entity.id, self._now)
        versions = self.history.versions(collection, entity.id)
        if entity.version > len(versions):
            self._break(f"the document of {entity.id} is ahead of the journal")
        elif versions[entity.version - 1] != entity:
            self._break(f"the document of {entity.id} is not version {entity.version} as the journal has it")

    @property
    def _now(self) -> int:
        return int(self.world.now * 1000)

    def _break(self, what: str) -> None:
        self.world.breaks(what)
