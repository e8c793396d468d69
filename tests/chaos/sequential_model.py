"""A ticket as it looks over HTTP when one request comes after the other: what each is answered, and what it changes.

`respond` is the whole specification. It is small on purpose, and shares nothing with `actors.domain.ticket`; the texts
are those that people read, since a refusal is to be true as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

RESERVED = "Somebody holds this ticket. It is for sale again if they let go."
SOLD = "This ticket is sold."
WITHDRAWN = "The seller has withdrawn this ticket."
PRICE_CHANGED = "The seller changed the price before you had the ticket. The price is now {:,.2f}"
COMPLETE = "This order is paid and complete."
ANOTHER_CARD = "Another card is being charged for this order. Ask again when that is decided."
DECLINED = "The payment was declined. The order is cancelled and its ticket for sale again."
ENDINGS = {
    "buyer": "You cancelled this order.",
    "expired": "The time to pay this order is over; its ticket is for sale again.",
    "declined": "The payment was declined and the order cancelled; its ticket is for sale again.",
}


@dataclass(frozen=True, slots=True)
class Order:
    """One order: created, awaiting:payment, complete or cancelled."""

    id: str
    buyer: str
    price: float
    status: str = "created"
    version: int = 1
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it holds its ticket without having bought it."""
        return self.status in ("created", "awaiting:payment")


@dataclass(frozen=True, slots=True)
class Ticket:
    """`order` is the one that holds or has bought it, `over` those that let go, `edits` those that took effect."""

    price: float
    version: int = 1
    withdrawn: bool = False
    order: Order | None = None
    over: frozenset[Order] = frozenset()
    edits: frozenset[int] = frozenset()

    @property
    def status(self) -> str:
        """What readers see."""
        if self.withdrawn:
            return "withdrawn"
        if self.order is None:
            return "available"
        return "reserved" if self.order.is_open else "sold"


# What people ask for


@dataclass(frozen=True, slots=True)
class Reserve:
    """`order` is the id that the order gets. One with a key may have been sent before, so that its order is there."""

    buyer: str
    order: str
    expected: float | None = None
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """With a number it is remembered, since it may be answered with how the ticket stood a moment later."""

    price: float
    number: int | None = None


@dataclass(frozen=True, slots=True)
class ReadAfterEdit:
    number: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    pass


@dataclass(frozen=True, slots=True)
class Cancel:
    order: str


@dataclass(frozen=True, slots=True)
class Pay:
    """`may_fail` when a card that is declined was presented for this order, by this request or by an earlier one."""

    order: str
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class ReadTicket:
    pass


# What happens by itself, or in the course of a payment


@dataclass(frozen=True, slots=True)
class StartPayment:
    order: str


@dataclass(frozen=True, slots=True)
class Sell:
    order: str


@dataclass(frozen=True, slots=True)
class Decline:
    order: str


@dataclass(frozen=True, slots=True)
class Expire:
    order: str


Request: TypeAlias = Reserve | Edit | ReadAfterEdit | Withdraw | Cancel | Pay | ReadTicket
Happening: TypeAlias = StartPayment | Sell | Decline | Expire


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the fields that the model says something about."""

    status: int
    fields: Mapping[str, object] = field(default_factory=dict)

    def agrees_with(self, status: int | None, fields: Mapping[str, object]) -> bool:
        """Whether this is what was answered."""
        return self.status == status and all(fields.get(name) == value for name, value in self.fields.items())


Responses: TypeAlias = Iterator[tuple[Ticket, Answer]]


def respond(ticket: Ticket, request: Request) -> Responses:
    """What may come of the request now: the ticket after it, and the answer."""
    match request:
        case Reserve():
            yield from _reserve(ticket, request)
        case Edit():
            yield from _edit(ticket, request)
        case ReadAfterEdit(number=number) if number in ticket.edits:
            yield ticket, Answer(200, _shown(ticket))
        case Withdraw():
            yield from _withdraw(ticket)
        case Cancel(order=order):
            yield from _cancel(ticket, order)
        case Pay(order=order, may_fail=may_fail):
            yield from _pay(ticket, order, may_fail=may_fail)
        case ReadTicket():
            yield ticket, Answer(200, _shown(ticket))


def happen(ticket: Ticket, happening: Happening) -> Ticket | None:
    """The ticket after it, None when it cannot happen now."""
    order = ticket.order
    if order is None or order.id != happening.order or not order.is_open:
        return None
    match happening:
        case StartPayment() if order.status == "created":
            return _with(ticket, replace(order, status="awaiting:payment", version=order.version + 1))
        case Sell() if order.status == "awaiting:payment":
            return _sold(ticket, order)
        case Decline() if order.status == "awaiting:payment":
            return _ended(ticket, order, "declined")
        case Expire():
            return _ended(ticket, order, "expired")
    return None


def _reserve(ticket: Ticket, request: Reserve) -> Responses:
    order = ticket.order
    if request.keyed and (earlier := order_of(ticket, request.order)) is not None:
        yield ticket, Answer(200, {"id": earlier.id, "price": earlier.price})
    if ticket.withdrawn or order is None:
        yield from _reserve_free(ticket, request)
    elif not order.is_open:
        yield ticket, Answer(409, {"message": SOLD})
    elif order.buyer != request.buyer:
        yield ticket, Answer(409, {"message": RESERVED})
    elif request.expected in (None, order.price):
        seen = {"id": order.id, "price": order.price, "status": order.status, "version": order.version}
        yield ticket, Answer(200, seen)
    else:
        yield ticket, Answer(409, {"message": PRICE_CHANGED.format(order.price)})


def _reserve_free(ticket: Ticket, request: Reserve) -> Responses:
    if ticket.withdrawn:
        yield ticket, Answer(409, {"message": WITHDRAWN})
    elif request.expected not in (None, ticket.price):
        yield ticket, Answer(409, {"message": PRICE_CHANGED.format(ticket.price)})
    elif order_of(ticket, request.order) is None:
        held = _with(ticket, Order(request.order, request.buyer, ticket.price))
        yield held, Answer(201, {"id": request.order, "price": ticket.price})
        if request.keyed:  # the answer to its first sending was lost
            yield held, Answer(200, {"id": request.order, "price": ticket.price})


def _edit(ticket: Ticket, request: Edit) -> Responses:
    if (refusal := _refusal(ticket)) is not None:
        yield ticket, refusal
        return
    version = ticket.version if request.price == ticket.price else ticket.version + 1
    edits = ticket.edits if request.number is None else ticket.edits | {request.number}
    edited = replace(ticket, price=request.price, version=version, edits=edits)
    yield edited, Answer(200, _shown(edited))


def _withdraw(ticket: Ticket) -> Responses:
    if ticket.withdrawn:
        yield ticket, Answer(204)
    elif (refusal := _refusal(ticket)) is not None:
        yield ticket, refusal
    else:
        yield replace(ticket, withdrawn=True, version=ticket.version + 1), Answer(204)


def _cancel(ticket: Ticket, order_id: str) -> Responses:
    order = ticket.order
    if order is None or order.id != order_id:
        yield ticket, Answer(204 if order_of(ticket, order_id) else 404)
    elif order.is_open:
        yield _ended(ticket, order, "buyer"), Answer(204)
    else:
        yield ticket, Answer(409, {"message": COMPLETE})


def _pay(ticket: Ticket, order_id: str, *, may_fail: bool) -> Responses:
    order = order_of(ticket, order_id)
    if order is None:
        yield ticket, Answer(404)
        return
    # It tells of a payment under way, not of the ticket: two of one order meet before the ticket hears of either.
    yield ticket, Answer(409, {"message": ANOTHER_CARD})
    if order.status == "awaiting:payment":
        yield _sold(ticket, order), Answer(201, {"orderId": order.id})
    elif order.status == "complete":
        yield ticket, Answer(200, {"orderId": order.id})
    elif order.reason is not None:
        yield ticket, Answer(409, {"message": ENDINGS[order.reason]})
        if may_fail:
            yield ticket, Answer(402, {"message": DECLINED})


def order_of(ticket: Ticket, order_id: str) -> Order | None:
    """The order as it is now, whether it holds the ticket or let go of it."""
    if ticket.order is not None and ticket.order.id == order_id:
        return ticket.order
    return next((order for order in ticket.over if order.id == order_id), None)


def _refusal(ticket: Ticket) -> Answer | None:
    if ticket.status == "available":
        return None
    return Answer(409, {"message": {"reserved": RESERVED, "sold": SOLD, "withdrawn": WITHDRAWN}[ticket.status]})


def _shown(ticket: Ticket) -> Mapping[str, object]:
    order_id = ticket.order.id if ticket.order else None
    return {"price": ticket.price, "status": ticket.status, "orderId": order_id, "version": ticket.version}


def _with(ticket: Ticket, order: Order) -> Ticket:
    return replace(ticket, order=order, version=ticket.version + 1)


def _sold(ticket: Ticket, order: Order) -> Ticket:
    return _with(ticket, replace(order, status="complete", version=order.version + 1))


def _ended(ticket: Ticket, order: Order, reason: str) -> Ticket:
    ended = replace(order, status="cancelled", version=order.version + 1, reason=reason)
    return replace(ticket, order=None, version=ticket.version + 1, over=ticket.over | {ended})
