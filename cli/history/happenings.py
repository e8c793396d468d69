"""What happens by itself in a history, and what of it is told elsewhere."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from cli.history.operations import Kind, Operation
from cli.history.requests import Expire, Happening
from cli.history.sequential_model import Ticket, happen
from cli.history.sightings import OrderSeen, TicketSeen

Seen = TypeVar("Seen", OrderSeen, TicketSeen)


@dataclass(frozen=True, slots=True)
class Happens:
    """Something happens by itself, if it can."""

    happening: Happening

    def __call__(self, ticket: Ticket) -> Iterator[Ticket]:
        """Yield the ticket after it."""
        after = happen(ticket, self.happening)
        if after is not None:
            yield after


@dataclass(frozen=True, slots=True)
class UnseenOfferEnds:
    """The offer that follows `number` others of which nobody was told; so that calls like it are not tried anew."""

    seen: Collection[str]
    number: int

    def __call__(self, ticket: Ticket) -> Iterator[Ticket]:
        """Yield the ticket after it."""
        order = ticket.order
        before = sum(each.id not in self.seen for each in ticket.over)
        if order is not None and order.id not in self.seen and before == self.number:
            after = happen(ticket, Expire(order.id, offer=order.offer))
            if after is not None:
                yield after


def is_told_elsewhere(operation: Operation) -> bool:
    """Whether it is no call: what was seen of an order, and what a payment may do by and by, are calls of their own."""
    is_unknown_payment = operation.kind is Kind.PAY and not operation.is_certain
    is_lost_read = operation.kind is Kind.READ_TICKET and not operation.is_certain
    return operation.kind is Kind.READ_ORDER or is_unknown_payment or is_lost_read


def earliest(seen: Iterable[Seen]) -> Iterator[Seen]:
    """Yield what was seen, each thing once, when it was seen first: later is no news, documents never go back."""
    known: set[object] = set()
    for one in sorted(seen, key=lambda one: one.answered):
        if one.what not in known:
            known.add(one.what)
            yield one


def nameless(operation: Operation) -> str:
    """What an order is called that nobody was told of."""
    return f"order of {operation.number}"
