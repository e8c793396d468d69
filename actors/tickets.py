"""How tickets behave in a host: the pure rules of `domain.ticket`, with what they need from the database."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from actors.domain import ticket as rules
from actors.domain.messages import (
    CancelOrder,
    CreateTicket,
    EditTicket,
    Expire,
    Instant,
    Order,
    OrderCreated,
    OrderOver,
    ReadTicket,
    Refusal,
    Release,
    Reserve,
    Sell,
    StartPayment,
    TicketCommand,
    TicketEvent,
    TicketUpdated,
    WakeTicket,
    WithdrawTicket,
)
from actors.domain.ticket import Surroundings, Ticket, TicketAnswer
from actors.projections import ticket_projections
from actors.runtime.ports import Decided, Projection, Recorded

KNOWN_BUYERS = 50_000


class TicketQueries(Protocol):
    """What tickets read from the database. All raise StoreUnavailableError."""

    async def tickets(self, ids: Collection[str]) -> dict[str, Ticket]:
        """The stored tickets."""

    async def open_orders_of(self, buyer_ids: Collection[str]) -> list[Order]:
        """The orders that these buyers hold tickets with."""

    async def orders_in_journal(self, ids: Collection[str]) -> dict[str, Order]:
        """The orders that came into being, as they are now."""

    async def edits_in_journal(self, ids: Collection[str]) -> dict[str, str]:
        """The edits that took effect, each with the id of the ticket that it changed."""


class BuyerHolds:
    """The open holds of the buyers seen lately: exact for what this host decides, a fairness limit across hosts."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, dict[str, Instant]] = OrderedDict()
        # What was noted and is not in the journal yet: buyer, order, and its end before the note.
        self._noted: list[tuple[str, str, Instant | None]] = []

    def unknown(self, buyer_ids: Collection[str]) -> set[str]:
        return {buyer_id for buyer_id in buyer_ids if buyer_id not in self._ends}

    def learn(self, buyer_ids: Collection[str], orders: Sequence[Order]) -> None:
        for buyer_id in buyer_ids:
            self._ends[buyer_id] = {}
        for order in orders:
            self._ends[order.buyer_id][order.id] = order.expires_at
        while len(self._ends) > KNOWN_BUYERS:
            self._ends.popitem(last=False)

    def note(self, order: Order) -> None:
        ends = self._ends.get(order.buyer_id)
        if ends is None:
            return
        self._noted.append((order.buyer_id, order.id, ends.get(order.id)))
        _set(ends, order.id, order.expires_at if order.is_open else None)

    def count(self, buyer_id: str, now: Instant) -> int:
        return sum(now < end for end in self._ends.get(buyer_id, {}).values())

    def settle(self, *, committed: bool) -> None:
        while self._noted:
            buyer_id, order_id, before = self._noted.pop()
            if not committed and buyer_id in self._ends:
                _set(self._ends[buyer_id], order_id, before)


def _set(ends: dict[str, Instant], order_id: str, end: Instant | None) -> None:
    if end is None:
        ends.pop(order_id, None)
    else:
        ends[order_id] = end


class TicketBehaviour:
    """Tickets in a host; see runtime.ports.Behaviour for what each method promises."""

    kind = "ticket"

    def __init__(self, queries: TicketQueries) -> None:
        self._queries = queries
        self._holds = BuyerHolds()
        self._earlier: dict[str, Order] = {}
        self._edited: dict[str, str] = {}

    def entity_id(self, command: TicketCommand) -> str:
        return command.ticket_id

    def starts_fresh(self, command: TicketCommand) -> bool:
        return isinstance(command, CreateTicket)

    def is_read(self, command: TicketCommand) -> bool:
        return isinstance(command, ReadTicket)

    async def load(self, ids: Collection[str]) -> dict[str, Ticket]:
        return await self._queries.tickets(ids)

    async def gather(self, commands: Sequence[TicketCommand], *, careful: bool) -> None:
        reserves = [command for command in commands if isinstance(command, Reserve)]
        unknown = self._holds.unknown({command.buyer_id for command in reserves if command.max_holds is not None})
        if unknown:
            self._holds.learn(unknown, await self._queries.open_orders_of(unknown))
        # That an order came into being before is left to the key `order:<id>`; only after it said so it is looked up.
        wanted = {command.order_id for command in reserves} if careful else set()
        self._earlier = await self._queries.orders_in_journal(wanted) if wanted else {}
        edits = {edit_id for command in commands if (edit_id := _edit_id_of(command))} if careful else set()
        self._edited = await self._queries.edits_in_journal(edits) if edits else {}

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> Decided[Ticket]:
        surroundings = rules.NO_SURROUNDINGS
        if isinstance(command, Reserve):
            surroundings = Surroundings(
                open_holds=self._holds.count(command.buyer_id, now),
                earlier_order=self._earlier.get(command.order_id),
            )
        elif (edit_id := _edit_id_of(command)) in self._edited:
            surroundings = Surroundings(edited_before=self._edited[edit_id])
        decision = rules.decide(ticket, command, now, surroundings)
        if isinstance(decision, Refusal):
            return Decided((), decision, surroundings)
        return Decided(decision, None, surroundings)

    def due(self, ticket: Ticket | None, now: Instant) -> tuple[TicketEvent, ...]:
        return rules.due(ticket, now)

    def evolve(self, ticket: Ticket | None, recorded: Recorded, entity_id: str) -> Ticket:
        return replace(rules.evolve(ticket, recorded.event, recorded.at, entity_id), commit=recorded.commit)

    def version(self, ticket: Ticket | None) -> int:
        return ticket.version if ticket else 0

    def commit_of(self, ticket: Ticket | None) -> str | None:
        return ticket.commit if ticket else None

    def updated_at(self, ticket: Ticket | None) -> Instant:
        return ticket.updated_at if ticket else 0

    def claims(self, event: TicketEvent) -> tuple[str, ...]:
        match event:
            case OrderCreated(order=order):
                return (order_key(order.id),)
            case TicketUpdated(edit_id=str(edit_id)):
                return (edit_key(edit_id),)
        return ()

    def claim_of(self, command: TicketCommand) -> str | None:
        if isinstance(command, Reserve):
            return order_key(command.order_id)
        edit_id = _edit_id_of(command)
        return edit_key(edit_id) if edit_id is not None else None

    def reply(self, ticket: Ticket, _command: TicketCommand, decided: Decided[Ticket]) -> TicketAnswer:
        order = decided.surroundings.earlier_order or ticket.order
        for event in decided.events:
            order = rules.order_in(event) or order
        return TicketAnswer(ticket, order, fresh=bool(decided.events))

    def noticed(self, event: TicketEvent) -> None:
        order = rules.order_in(event)
        if order is None:
            return
        self._holds.note(order)
        if order.id in self._earlier:
            self._earlier[order.id] = order

    def settle(self, *, committed: bool) -> None:
        self._holds.settle(committed=committed)

    def timer(self, ticket: Ticket) -> tuple[Instant, TicketCommand] | None:
        if ticket.order is None or not ticket.order.is_open:
            return None
        return ticket.order.expires_at, Expire(ticket.id, ticket.order.id)

    def promises(self, command: TicketCommand, reply: object) -> Collection[tuple[str, str]]:
        match command, reply:
            case ReadTicket() | WakeTicket(), _:
                return ()
            case StartPayment(), TicketAnswer(fresh=True):
                return ()  # OrderActor goes on; before it answers a buyer whose payment is not over it asks again
            case CreateTicket() | EditTicket() | WithdrawTicket(), TicketAnswer(ticket=ticket):
                return (("tickets", ticket.id),)
            case _, TicketAnswer(order=Order(id=order_id)):
                return (("orders", order_id),)
            case (CancelOrder() | StartPayment() | Sell() | Release()) as ended, OrderOver():
                return (("orders", ended.order_id),)  # whoever hears that it is over reads how it ended
        return ()

    def projections(self, recorded: Recorded, ticket: Ticket) -> list[Projection]:
        return ticket_projections(recorded, ticket)


def order_key(order_id: str) -> str:
    """The journal key that lets an order come into being once, ever."""
    return f"order:{order_id}"


def edit_key(edit_id: str) -> str:
    """The journal key that lets an edit take effect once, ever."""
    return f"edit:{edit_id}"


def _edit_id_of(command: TicketCommand) -> str | None:
    return command.edit_id if isinstance(command, EditTicket) else None
