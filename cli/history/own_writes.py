"""What one was told of one's own writes is in what one reads afterwards, or something newer.

Documents may lag for other people's changes by moments, never for one's own acknowledged ones. Nor do they lag once
somebody was told that an order is over, however it ended.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from cli.history.operations import History, Kind, Operation
from cli.history.sightings import OrderSeen, Sightings, TicketSeen

OK = 200
# The lists of one's own, and what makes the things in them.
LISTS = {Kind.OWN_ORDERS: Kind.RESERVE, Kind.OWN_TICKETS: Kind.LIST}


@dataclass(frozen=True, slots=True)
class Told:
    """At least this much was told of an order or a ticket: its version, and its status where it cannot change again."""

    about: str
    person: str
    since: float
    by: Operation = field(hash=False)
    version: int = 0
    final: str | None = None
    created_at: str = ""
    price: float | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A read that does not show what its reader had been told before."""

    rule: str
    ticket: str | None
    told: Operation
    read: Operation


def unseen_writes(history: History, sightings: Sightings) -> Iterator[Missing]:
    """Yield every read that was invoked after one's own write was acknowledged and does not show it."""
    told: dict[str, list[Told]] = {}
    about: dict[tuple[str, str], list[Told]] = {}
    for each in sorted(_all_told(history, sightings), key=lambda each: each.since):
        about.setdefault((each.person, each.about), []).append(each)
        if each.by.kind in (Kind.RESERVE, Kind.LIST):
            told.setdefault(each.person, []).append(each)
    strongest = {key: _Strongest(each) for key, each in about.items()}
    for seen in _all(sightings):
        for each in strongest[seen.person, _about(seen)].before(seen.invoked):
            if not _shows(seen, each):
                yield Missing("a read is older than what its reader was told", each.by.ticket, each.by, seen.by)
    for operation in history.operations:
        if operation.is_certain and operation.kind is Kind.READ_ORDER and operation.status != OK:
            for each in list(strongest[operation.person, operation.order or ""].before(operation.invoked))[:1]:
                yield Missing("an order that was told of is not found", each.by.ticket, each.by, operation)
        elif operation.is_certain and operation.status == OK and operation.kind in LISTS:
            yield from _left_out(operation, told.get(operation.person, []))


class _Strongest:
    """What was told of one thing to one person: up to each instant the highest version, and how it ended."""

    def __init__(self, told: Sequence[Told]) -> None:
        """`told` is in the order of time."""
        self._since = [each.since for each in told]
        self._newest = list(accumulate(told, _newer))
        self._final = list(accumulate(told, _first_final))

    def before(self, instant: float) -> set[Told]:
        place = bisect_left(self._since, instant)
        return {self._newest[place - 1], self._final[place - 1]} if place else set()


def _newer(best: Told, each: Told) -> Told:
    return each if each.version > best.version else best


def _first_final(best: Told, each: Told) -> Told:
    return best if best.final else each


def _left_out(operation: Operation, told: Sequence[Told]) -> Iterator[Missing]:
    """Yield what a list leaves out."""
    items = operation.answer["items"]
    shown = {item["id"] for item in items}
    is_full = len(items) >= operation.arguments["limit"]
    # A full page ends with the oldest that fits: what is older, or as old, may be on the next one.
    oldest = min(item["createdAt"] for item in items) if is_full else ""
    for each in told:
        is_due = each.since < operation.invoked and each.by.kind is LISTS[operation.kind]
        if is_due and each.about not in shown and each.created_at > oldest:
            yield Missing("one's own write is missing in a list", each.by.ticket, each.by, operation)


def _all_told(history: History, sightings: Sightings) -> Iterator[Told]:
    for operation in history.operations:
        if operation.is_certain:
            yield from _told(operation)
    for seen in _all(sightings):  # nobody sees an older state after a newer one
        if seen.by.kind is not Kind.RESERVE:  # its answer may come from the journal, ahead of the document
            yield Told(_about(seen), seen.person, seen.answered, seen.by, seen.version)


def _told(operation: Operation) -> Iterator[Told]:
    person, since, answer = operation.person, operation.answered, operation.answer
    order, ticket = operation.order or "", operation.ticket or ""
    match operation.kind, operation.status:
        case Kind.RESERVE, 200 | 201:
            version = 1 if answer.get("cancelReason") == "expired" else answer["version"]
            yield Told(order, person, since, operation, version, created_at=answer["createdAt"])
        case Kind.CANCEL, 204:
            yield Told(order, person, since, operation, final="cancelled")
        case Kind.PAY, 200 | 201:
            yield Told(order, person, since, operation, final="complete")
        case Kind.PAY, 402:
            yield Told(order, person, since, operation, final="cancelled")
        case Kind.LIST, 200 | 201:
            yield Told(ticket, person, since, operation, answer["version"], created_at=answer["createdAt"])
        case Kind.EDIT, 200:
            yield Told(ticket, person, since, operation, answer["version"], price=answer["price"])
        case Kind.WITHDRAW, 204:
            yield Told(ticket, person, since, operation, final="withdrawn")


def _all(sightings: Sightings) -> Iterator[OrderSeen | TicketSeen]:
    for orders in sightings.orders.values():
        yield from orders
    for tickets in sightings.tickets.values():
        yield from tickets


def _about(seen: OrderSeen | TicketSeen) -> str:
    return seen.order if isinstance(seen, OrderSeen) else seen.ticket


def _shows(seen: OrderSeen | TicketSeen, told: Told) -> bool:
    if isinstance(seen, OrderSeen):
        return seen.version >= told.version and told.final in (None, seen.status)
    # Versions count holds too, which write no document of the ticket: the price is what its seller was told.
    return (seen.version >= told.version or seen.price == told.price) and (told.final is None or seen.is_withdrawn)
