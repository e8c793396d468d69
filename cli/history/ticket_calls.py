"""One ticket's operations as calls for the search: what each needs to have been so, and when it may have been.

How strict it is:

- Everything that a ticket decides or that is asked of it (reserving, cancelling, editing, withdrawing, paying, reading
  it by id) took effect between its invocation and its answer. Only in a window in which a host was being replaced may
  a read of a ticket show what was true earlier in that window.
- Orders are read from documents, by id and in lists, and so are the tickets in a seller's own list. They may lag, so
  what was seen there was true at some time before the answer. That one's own acknowledged writes are in them is checked
  by `own_writes`.
- What happens by itself takes effect at any time from when it may: a hold ends when its time is over, not earlier, and
  nothing is decided as if it still held later than that. A payment starts, sells or fails from when it was asked for.
- A hold that ends is offered in the same step to the first in line. What nobody was told of ends as well.
- Who joins a line is in it once; twice if the market may have asked again after an offer to them was made and passed.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from cli.history.happenings import Happens, UnseenOfferEnds, earliest, is_told_elsewhere, nameless
from cli.history.operations import NEVER, History, Kind, Operation
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
from cli.history.search import Call
from cli.history.sequential_model import Ticket, offer_id, respond
from cli.history.sightings import OrderSeen, Sightings, TicketSeen

# Holds are timed by the market's clock and ours is read once: they differ by the time of a request or two.
CLOCK_SECONDS = 0.25
# An operation changes a ticket twice at most, and so does the end of an order that it made.
MOST_VERSIONS = 5
GOOD_CARD = "pm_card_visa"
OK, CREATED, REFUSED, TOO_MANY = 200, 201, 400, 429
_REDELIVERED_SECONDS = 0.5  # an actor that died is back after more than that


def calls_of(
    history: History, sightings: Sightings, ticket_id: str, operations: Sequence[Operation]
) -> list[Call[Ticket]]:
    """Return the calls of a ticket, its creation excepted."""
    seen = sightings.orders.get(ticket_id, []), sightings.tickets.get(ticket_id, [])
    return list(_Calls(history, ticket_id, operations, *seen).all())


def _may_be_sent_again(operation: Operation) -> bool:
    return operation.answered - operation.invoked >= _REDELIVERED_SECONDS


class _Calls:
    def __init__(
        self,
        history: History,
        ticket_id: str,
        operations: Sequence[Operation],
        orders: Sequence[OrderSeen],
        tickets: Sequence[TicketSeen],
    ) -> None:
        self._history = history
        self._operations = [one for one in operations if one.kind is not Kind.LIST and one.status != TOO_MANY]
        self._reservations = [one for one in self._operations if one.kind is Kind.RESERVE]
        self._payments = [one for one in self._operations if one.kind is Kind.PAY]
        self._joins = [one for one in self._operations if one.kind is Kind.JOIN]
        self._orders_seen = orders
        self._tickets_seen = tickets
        # Nothing is offered unless somebody joined.
        versions = range(MOST_VERSIONS * len(operations)) if self._joins else ()
        self._offer_ids = {offer_id(ticket_id, version) for version in versions}
        self._began = {order_id: self._beginning(order_id) for order_id in self._order_ids()}
        self._ends = self._ends_told()
        self._offers = {(order.person, self._ends[order.order, True]) for order in orders if order.is_offer}

    def all(self) -> Iterator[Call[Ticket]]:
        for operation in self._operations:
            yield from self._calls(operation)
        for order_id in self._began:
            yield from self._happenings(order_id)
        yield from self._unseen_offers()
        for order in earliest(self._orders_seen):
            yield Call(self._began[order.order], order.answered, order.agreeing, order.label, only_looks=True)
        for ticket in earliest(self._tickets_seen):
            last = ticket.version
            yield Call(-NEVER, ticket.answered, ticket.agreeing, ticket.label, only_looks=True, last_version=last)

    def _calls(self, operation: Operation) -> Iterator[Call[Ticket]]:
        if is_told_elsewhere(operation):
            return
        if operation.kind is Kind.EDIT and operation.status == OK:
            yield from self._edited(operation)
        elif operation.kind is Kind.JOIN and operation.is_certain:
            yield from self._joined(operation)
        else:
            if operation.kind is Kind.RESERVE and operation.is_certain and _may_be_sent_again(operation):
                yield self._accepted_at_first(operation)
            yield self._asked(operation)

    def _asked(self, operation: Operation) -> Call[Ticket]:
        requests = list(self._requests(operation))

        def step(ticket: Ticket) -> Iterator[Ticket]:
            if self._is_past(ticket, operation):
                return
            for request in requests:
                for after, answer in respond(ticket, request):
                    if not operation.is_certain:
                        if after != ticket:
                            yield after
                    elif answer.agrees_with(operation.status, operation.answer):
                        yield after

        return Call(
            self._invoked(operation),
            operation.answered,
            step,
            str(operation),
            required=operation.is_certain,
            only_looks=operation.is_certain and self._only_looks(operation),
            last_version=operation.answer.get("version", NEVER) if operation.kind is Kind.READ_TICKET else NEVER,
            alike=None if operation.is_certain else tuple(requests),
        )

    def _edited(self, operation: Operation) -> Iterator[Call[Ticket]]:
        """An edit that took effect, and its answer: the ticket as it was then or, after a repeat, a little later."""

        def takes_effect(ticket: Ticket) -> Iterator[Ticket]:
            edit = Edit(operation.arguments["price"], operation.number)
            if not self._is_past(ticket, operation):
                yield from (after for after, answer in respond(ticket, edit) if answer.status == OK)

        def is_told(ticket: Ticket) -> Iterator[Ticket]:
            for after, answer in respond(ticket, ReadAfterEdit(operation.number)):
                if answer.agrees_with(operation.status, operation.answer):
                    yield after

        during = operation.invoked, operation.answered
        yield Call(*during, takes_effect)
        yield Call(*during, is_told, str(operation), only_looks=True, last_version=operation.answer["version"])

    def _joined(self, operation: Operation) -> Iterator[Call[Ticket]]:
        """Somebody who is told their place in line, or is refused, also after a first try whose answer was lost.

        They may have been offered the ticket meanwhile and let it pass: then they are in line anew. Nobody comes in
        ahead of somebody who waits, so the place that is told was no lower before.
        """

        def is_told(ticket: Ticket) -> Iterator[Ticket]:
            for after, answer in respond(ticket, ReadAfterJoin(operation.person)):
                if answer.agrees_with(operation.status, operation.answer):
                    yield after

        is_in_line, during = operation.status in (OK, CREATED), (operation.invoked, operation.answered)
        if is_in_line:
            yield Call(*during, partial(self._in_line, operation, ahead=operation.answer["place"] - 1))
        if _may_be_sent_again(operation) and (not is_in_line or self._was_offered_during(operation)):
            yield Call(*during, partial(self._in_line, operation), required=False)
        yield Call(*during, is_told, str(operation), only_looks=True) if is_in_line else self._asked(operation)

    def _in_line(self, operation: Operation, ticket: Ticket, ahead: int = 0) -> Iterator[Ticket]:
        """The ticket once the person has joined the line, with so many others ahead of them at least."""
        if self._is_past(ticket, operation):
            return
        (join,) = self._requests(operation)
        for after in {after for after, answer in respond(ticket, join) if answer.status in (OK, CREATED)}:
            if operation.person not in [person for person, _ in after.line[:ahead]]:
                yield after

    def _was_offered_during(self, operation: Operation) -> bool:
        """Whether the person was offered the ticket while they asked for something."""
        first, last = operation.invoked - CLOCK_SECONDS, operation.answered + CLOCK_SECONDS
        ends = [end for person, end in self._offers if person == operation.person]
        return any(first <= end - self._history.offer_seconds <= last for end in ends)

    def _accepted_at_first(self, operation: Operation) -> Call[Ticket]:
        """An offer that the first try accepted: what it held may be over when it is sent again, and answered."""
        requests = list(self._requests(operation))

        def step(ticket: Ticket) -> Iterator[Ticket]:
            order = ticket.order
            is_offered = order is not None and order.offer and order.buyer == operation.person
            if is_offered and not self._is_past(ticket, operation):
                for request in requests:
                    yield from {after for after, answer in respond(ticket, request) if answer.status == OK}

        return Call(operation.invoked, operation.answered, step, required=False)

    def _requests(self, operation: Operation) -> Iterator[Request]:  # noqa: C901 - a row a kind
        arguments, order_id = operation.arguments, operation.order or ""
        match operation.kind:
            case Kind.RESERVE:
                for order in self._orders_it_may_have_made(operation):
                    keyed = "key" in arguments
                    yield Reserve(operation.person, order, arguments.get("expectedPrice"), keyed=keyed)
            case Kind.EDIT:
                yield Edit(arguments["price"])
            case Kind.WITHDRAW:
                yield Withdraw()
            case Kind.CANCEL:
                yield Cancel(order_id)
            case Kind.PAY:
                yield Pay(order_id, may_fail=self._declined_from(order_id) <= operation.answered)
            case Kind.READ_TICKET:
                yield ReadTicket()
            case Kind.JOIN:
                yield Join(operation.person, arguments.get("maxPrice"))
            case Kind.LEAVE:
                yield Leave(operation.person)
            case Kind.CLOSE_LINE:
                yield CloseLine()

    def _invoked(self, operation: Operation) -> float:
        """When it may have taken effect: a read by id as early as the window of a fault that it falls into."""
        if operation.kind is not Kind.READ_TICKET:
            return operation.invoked
        met = [
            window.begins
            for window in self._history.faults
            if window.begins <= operation.answered and operation.invoked <= window.ends
        ]
        return min([operation.invoked, *met])

    def _is_past(self, ticket: Ticket, operation: Operation) -> bool:
        """Whether the hold's time was over when this was asked for: then nothing is decided as if it still held."""
        order = ticket.order
        if order is None or not order.is_open or not operation.is_certain:
            return False
        grace_seconds = self._history.grace_seconds if order.status == "awaiting:payment" else 0.0
        ends = self._ends.get((order.id, order.offer), NEVER)
        return self._invoked(operation) > ends + grace_seconds + CLOCK_SECONDS

    # Orders

    def _order_ids(self) -> set[str]:
        told = {one.order for one in self._operations}
        shown = {one.answer.get("orderId") for one in self._operations if one.kind is Kind.READ_TICKET}
        seen = {one.order for one in self._orders_seen}
        unnamed = {nameless(one) for one in self._reservations if not one.is_certain}
        return {order_id for order_id in told | shown | seen | unnamed if order_id is not None}

    def _makers(self, order_id: str) -> list[Operation]:
        """The reservation that made the order, or those that may have; none of an offer."""
        if order_id in self._offer_ids:
            return []
        named = [one for one in self._reservations if one.order == order_id and one.is_certain]
        if certain := [one for one in named if one.status == CREATED]:
            return certain
        lost = [one for one in self._reservations if not one.is_certain]
        if mine := [one for one in lost if order_id == nameless(one)]:
            return mine
        buyers = {seen.person for seen in self._orders_seen if seen.order == order_id}
        return [one for one in named if "key" in one.arguments] + [
            one for one in lost if not buyers or one.person in buyers
        ]

    def _orders_it_may_have_made(self, operation: Operation) -> list[str]:
        if operation.is_certain:
            return [operation.order or nameless(operation)]
        return [order_id for order_id in self._began if operation in self._makers(order_id)]

    def _beginning(self, order_id: str) -> float:
        return min((maker.invoked for maker in self._makers(order_id)), default=-NEVER)

    def _ends_told(self) -> dict[tuple[str, bool], float]:
        """When each order ends unless it is paid, as people were told: of an offer, and of what is none any more."""
        told = [(seen.order, seen.is_offer, seen.expires_at) for seen in self._orders_seen]
        told += [
            (one.order, one.answer.get("offer", False), one.answer["expiresAt"])
            for one in self._reservations
            if one.order is not None and "expiresAt" in one.answer
        ]
        ends: dict[tuple[str, bool], float] = {}
        for order_id, is_offer, text in told:
            end = self._history.instant(datetime.fromisoformat(text).timestamp())
            ends[order_id, is_offer] = min(end, ends.get((order_id, is_offer), NEVER))
        return ends

    def _expiries(self, order_id: str) -> Iterator[tuple[float, Expire]]:
        if order_id in self._offer_ids:
            offered_until = self._ends.get((order_id, True), self._joins[0].invoked + self._history.offer_seconds)
            yield offered_until, Expire(order_id, offer=True)
            yield self._ends.get((order_id, False), offered_until), Expire(order_id)
        else:
            untold = self._began[order_id] + self._history.reservation_seconds
            yield self._ends.get((order_id, False), untold), Expire(order_id)

    # What happens by itself

    def _happenings(self, order_id: str) -> Iterator[Call[Ticket]]:
        payments = [one for one in self._payments if one.order == order_id]
        started = min((one.invoked for one in payments), default=NEVER)
        # The sale of an answered 201 is that payment's own effect, and happens within it.
        selling = [one for one in payments if not one.is_certain or one.status == OK]
        sold = min((one.invoked for one in selling), default=NEVER)
        if any(one.status == CREATED for one in payments):
            sold = NEVER
        times: list[tuple[float, Happening]] = [
            (started, StartPayment(order_id)),
            (sold, Sell(order_id)),
            (self._declined_from(order_id), Decline(order_id)),
            *((ends - CLOCK_SECONDS, expiry) for ends, expiry in self._expiries(order_id)),
        ]
        for since, happening in times:
            if since != NEVER:
                yield Call(since, NEVER, Happens(happening), required=False)

    def _unseen_offers(self) -> Iterator[Call[Ticket]]:
        """Offers of which nobody was told end as well, one after the other: at most one for each who joined."""
        for number, _ in enumerate(self._joins):
            since = self._joins[0].invoked + (number + 1) * self._history.offer_seconds - CLOCK_SECONDS
            yield Call(since, NEVER, UnseenOfferEnds(self._began, number), required=False)

    def _only_looks(self, operation: Operation) -> bool:
        status = operation.status or 0
        if operation.kind is Kind.RESERVE and status == OK:
            return "key" not in operation.arguments and operation.order not in self._offer_ids
        is_read = operation.kind is Kind.READ_TICKET or (operation.kind is Kind.PAY and status == OK)
        return status >= REFUSED or is_read

    def _declined_from(self, order_id: str) -> float:
        declined = (
            one.invoked
            for one in self._payments
            if one.order == order_id and one.arguments["paymentMethod"] != GOOD_CARD
        )
        return min(declined, default=NEVER)
