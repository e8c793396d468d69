"""How tickets behave in a host: the pure rules of `domain.ticket`, with what they need from the database."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from actors.buyer_holds import BuyerHolds
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
from actors.projections import order_projection, ticket_projections
from actors.runtime.ports import Decided, Projection, Recorded


class TicketQueries(Protocol):
    """What tickets read from the database. All raise StoreUnavailableError."""

    async def tickets(self, ids: Collection[str]) -> dict[str, Ticket]:
        """The stored tickets."""

    async def unpaid_holds_of(self, buyer_ids: Collection[str], now: Instant) -> list[Order]:
        """The orders that hold tickets for these buyers, and those that ended unpaid within an hour or two."""

    async def orders(self, ids: Collection[str]) -> dict[str, Order]:
        """The stored orders."""

    async def orders_in_journal(self, ids: Collection[str]) -> dict[str, Order]:
        """The orders that came into being, as they are now."""

    async def edits_in_journal(self, ids: Collection[str]) -> dict[str, str]:
        """The edits that took effect, each with the id of the ticket that it changed."""


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

    async def gather(self, commands: Sequence[TicketCommand], now: Instant, *, careful: bool) -> None:
        reserves = [command for command in commands if isinstance(command, Reserve)]
        await self._know_the_buyers(reserves, now)
        # That an order came into being before is left to the key `order:<id>`; only after it said so it is looked up.
        wanted = {command.order_id for command in reserves} if careful else set()
        self._earlier = await self._queries.orders_in_journal(wanted) if wanted else {}
        edits = {edit_id for command in commands if (edit_id := _edit_id_of(command))} if careful else set()
        self._edited = await self._queries.edits_in_journal(edits) if edits else {}

    async def _know_the_buyers(self, reserves: Sequence[Reserve], now: Instant) -> None:
        # Before anybody is refused for what they hold, the documents are asked whether other hosts ended it. A document
        # is never ahead of the journal, and what is over stays over; what has none yet is known to this host alone.
        if doubtful := self._holds.in_doubt(reserves):
            self._holds.correct((await self._queries.orders(doubtful)).values())
        limited = {one.buyer_id for one in reserves if one.is_limited or one.max_holds is not None}
        if unknown := self._holds.unknown(limited):
            self._holds.learn(unknown, await self._queries.unpaid_holds_of(unknown, now))

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> Decided[Ticket]:
        surroundings = rules.NO_SURROUNDINGS
        if isinstance(command, Reserve):
            open_holds, first_end = self._holds.open_of(command.buyer_id, now)
            surroundings = Surroundings(
                open_holds,
                earlier_order=self._earlier.get(command.order_id),
                first_end=first_end,
                unpaid_until=self._holds.unpaid_until(command.buyer_id),
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

    def told(self, ticket: Ticket) -> list[Projection]:
        return [] if ticket.order is None else [order_projection(ticket.order)]


def order_key(order_id: str) -> str:
    """The journal key that lets an order come into being once, ever."""
    return f"order:{order_id}"


def edit_key(edit_id: str) -> str:
    """The journal key that lets an edit take effect once, ever."""
    return f"edit:{edit_id}"


def _edit_id_of(command: TicketCommand) -> str | None:
    return command.edit_id if isinstance(command, EditTicket) else None
