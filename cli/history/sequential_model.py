"""A ticket as it looks over HTTP when one request comes after the other: what each is answered, and what it changes.

`respond` is the whole specification. It is small on purpose, and shares nothing with `actors.domain.ticket`; the texts
are those that people read, since a refusal is to be true as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from actors.domain.ids import derived_id
from cli.history import texts
from cli.history.requests import (
    Cancel,
    CloseLine,
    Decline,
    Edit,
    Expire,
    Happening,
    Join,
    Leave,
    Pay,
    ReadAfterEdit,
    ReadAfterJoin,
    ReadTicket,
    Request,
    Reserve,
    Sell,
    StartPayment,
    Withdraw,
)


@dataclass(frozen=True, slots=True)
class Order:
    """One order: created, awaiting:payment, complete or cancelled. `offer` until its buyer accepts it."""

    id: str
    buyer: str
    price: float
    status: str = "created"
    version: int = 1
    reason: str | None = None
    offer: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it holds its ticket without having bought it."""
        return self.status in ("created", "awaiting:payment")


Line: TypeAlias = tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Ticket:
    """`order` is the one that holds or has bought it, `over` those that let go, `edits` those that took effect.

    `line` has the people who wait, the first in front, with the most that they pay.
    """

    price: float
    version: int = 1
    withdrawn: bool = False
    order: Order | None = None
    over: frozenset[Order] = frozenset()
    edits: frozenset[int] = frozenset()
    id: str = ""
    line: Line = ()
    is_line_closed: bool = False

    @property
    def status(self) -> str:
        """What readers see."""
        if self.withdrawn:
            return "withdrawn"
        if self.order is None:
            return "available"
        return "reserved" if self.order.is_open else "sold"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the fields that the model says something about."""

    status: int
    fields: Mapping[str, object] = field(default_factory=dict)

    def agrees_with(self, status: int | None, fields: Mapping[str, object]) -> bool:
        """Whether this is what was answered."""
        return self.status == status and all(fields.get(name) == value for name, value in self.fields.items())


Responses: TypeAlias = Iterator[tuple[Ticket, Answer]]


def respond(ticket: Ticket, request: Request) -> Responses:  # noqa: C901 - a row a request
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
        case Join():
            yield from _join(ticket, request)
        case ReadAfterJoin(person=person):
            yield from _place(ticket, person)
        case Leave(person=person):
            yield _without(ticket, person), Answer(204)
        case CloseLine():
            yield _closed(ticket), Answer(204)


def happen(ticket: Ticket, happening: Happening) -> Ticket | None:
    """The ticket after it, None when it cannot happen now."""
    order = ticket.order
    if order is None or order.id != happening.order or not order.is_open:
        return None
    match happening:
        case StartPayment() if order.status == "created":
            awaiting = replace(order, status="awaiting:payment", version=order.version + 1, offer=False)
            return _with(ticket, awaiting)
        case Sell() if order.status == "awaiting:payment":
            return _sold(ticket, order)
        case Decline() if order.status == "awaiting:payment":
            return _ended(ticket, order, "declined")
        case Expire() if order.offer == happening.offer:
            return _ended(ticket, order, "expired")
    return None


def _reserve(ticket: Ticket, request: Reserve) -> Responses:
    order = ticket.order
    if request.keyed and (earlier := order_of(ticket, request.order)) is not None:
        yield ticket, Answer(200, {"id": earlier.id, "price": earlier.price})
    if ticket.withdrawn or order is None:
        yield from _reserve_free(ticket, request)
    elif not order.is_open:
        yield ticket, Answer(409, {"message": texts.SOLD})
    elif order.buyer != request.buyer:
        yield ticket, Answer(409, {"message": texts.RESERVED})
    elif request.expected in (None, order.price):
        if order.offer:  # to ask for it is to accept it
            order = replace(order, version=order.version + 1, offer=False)
            ticket = _with(ticket, order)
        seen = {"id": order.id, "price": order.price, "status": order.status, "version": order.version, "offer": None}
        yield ticket, Answer(200, seen)
    else:
        yield ticket, Answer(409, {"message": texts.PRICE_CHANGED.format(order.price)})


def _reserve_free(ticket: Ticket, request: Reserve) -> Responses:
    if ticket.withdrawn:
        yield ticket, Answer(409, {"message": texts.WITHDRAWN})
    elif request.expected not in (None, ticket.price):
        yield ticket, Answer(409, {"message": texts.PRICE_CHANGED.format(ticket.price)})
    elif order_of(ticket, request.order) is None:
        held = _with(_without(ticket, request.buyer), Order(request.order, request.buyer, ticket.price))
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
        yield replace(ticket, withdrawn=True, version=ticket.version + 1, line=()), Answer(204)


def _cancel(ticket: Ticket, order_id: str) -> Responses:
    order = ticket.order
    if order is None or order.id != order_id:
        yield ticket, Answer(204 if order_of(ticket, order_id) else 404)
    elif order.is_open:
        yield _ended(ticket, order, "buyer"), Answer(204)
    else:
        yield ticket, Answer(409, {"message": texts.COMPLETE})


def _pay(ticket: Ticket, order_id: str, *, may_fail: bool) -> Responses:
    order = order_of(ticket, order_id)
    if order is None:
        yield ticket, Answer(404)
        return
    # It tells of a payment under way, not of the ticket: two of one order meet before the ticket hears of either.
    yield ticket, Answer(409, {"message": texts.ANOTHER_CARD})
    if order.status == "awaiting:payment":
        yield _sold(ticket, order), Answer(201, {"orderId": order.id})
    elif order.status == "complete":
        yield ticket, Answer(200, {"orderId": order.id})
    elif order.reason is not None:
        yield ticket, Answer(409, {"message": texts.ENDINGS[order.reason]})
        if may_fail:
            yield ticket, Answer(402, {"message": texts.DECLINED})


def _join(ticket: Ticket, request: Join) -> Responses:
    """Whether it is 201 or 200 is read from documents, which lag: only that nothing changed is known to be 200."""
    person, order = request.person, ticket.order
    if ticket.status in ("sold", "withdrawn"):
        yield ticket, Answer(409, {"message": {"sold": texts.SOLD, "withdrawn": texts.WITHDRAWN}[ticket.status]})
    elif order is None:
        yield ticket, Answer(409, {"message": texts.NOT_HELD})
    elif order.buyer == person:
        yield ticket, Answer(409, {"message": texts.HELD_BY_YOU})
    elif ticket.is_line_closed:
        yield ticket, Answer(409, {"message": texts.LINE_CLOSED})
    elif (person, request.most) in ticket.line:
        yield ticket, Answer(200)
    else:
        waiting = dict(ticket.line) | {person: request.most}  # somebody in line keeps their place
        joined = replace(ticket, line=tuple(waiting.items()), version=ticket.version + 1)
        yield joined, Answer(201)
        yield joined, Answer(200)


def _place(ticket: Ticket, person: str) -> Responses:
    people = [waiting for waiting, _ in ticket.line]
    if person in people:
        for status in (201, 200):
            yield ticket, Answer(status, {"place": people.index(person) + 1})


def _without(ticket: Ticket, person: str) -> Ticket:
    line = tuple(waiting for waiting in ticket.line if waiting[0] != person)
    return ticket if line == ticket.line else replace(ticket, line=line, version=ticket.version + 1)


def _closed(ticket: Ticket) -> Ticket:
    is_held = ticket.status == "reserved"
    if not ticket.line and (ticket.is_line_closed or not is_held):
        return ticket
    return replace(ticket, line=(), is_line_closed=is_held, version=ticket.version + 1)


def offer_id(ticket_id: str, version: int) -> str:
    """The id of the order that is offered in this version of the ticket, as DESIGN has it."""
    return derived_id("offer", ticket_id, str(version))


def order_of(ticket: Ticket, order_id: str) -> Order | None:
    """The order as it is now, whether it holds the ticket or let go of it."""
    if ticket.order is not None and ticket.order.id == order_id:
        return ticket.order
    return next((order for order in ticket.over if order.id == order_id), None)


def _refusal(ticket: Ticket) -> Answer | None:
    if ticket.status == "available":
        return None
    return Answer(409, {"message": texts.OF_STATES[ticket.status]})


def _shown(ticket: Ticket) -> Mapping[str, object]:
    order_id = ticket.order.id if ticket.order else None
    return {"price": ticket.price, "status": ticket.status, "orderId": order_id, "version": ticket.version}


def _with(ticket: Ticket, order: Order) -> Ticket:
    return replace(ticket, order=order, version=ticket.version + 1)


def _sold(ticket: Ticket, order: Order) -> Ticket:
    return replace(_with(ticket, replace(order, status="complete", version=order.version + 1)), line=())


def _ended(ticket: Ticket, order: Order, reason: str) -> Ticket:
    """The ticket for sale or, in the same step, offered to the first in line who pays its price."""
    ended = replace(order, status="cancelled", version=order.version + 1, reason=reason)
    free = replace(ticket, order=None, version=ticket.version + 1, over=ticket.over | {ended}, is_line_closed=False)
    for person, most in free.line:
        if most is None or free.price <= most:
            offer = Order(offer_id(free.id, free.version + 1), person, free.price, offer=True)
            return replace(_with(free, offer), line=tuple(each for each in free.line if each[0] != person))
    return free
