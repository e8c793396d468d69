"""How tickets behave in a host: the pure rules of `domain.ticket`, with what they need from the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias, get_args

from actors.domain import ticket_rules as rules
from actors.domain.decision import DecisionContext
from actors.domain.instants import Instant
from actors.domain.keys import edit_key, order_key
from actors.domain.refusals import OrderClosed, Refusal
from actors.domain.ticket import Ticket, TicketAnswer, evolve
from actors.domain.ticket_commands import (
    ActivateTicket,
    CancelOrder,
    CancelSale,
    CloseWaitingList,
    CreateTicket,
    EditTicket,
    Expire,
    JoinWaitingList,
    LeaveWaitingList,
    ReadOrder,
    ReadTicket,
    Release,
    Reserve,
    Sell,
    StartPayment,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_events import OrderCreated, OrderExpired, TicketEvent, TicketUpdated, order_in
from actors.domain.ticket_values import Order
from actors.domain.waiting_list import Line
from actors.read_model.projections import order_update, ticket_updates
from actors.runtime.entity import Entity, EntityDecision
from actors.runtime.ports import DocumentUpdate, RecordedEvent
from actors.tickets.open_holds import OpenHolds

# What may make a ticket available again, besides the time.
_RELEASING = (CancelOrder, Release, CancelSale, Expire)
# What is answered with OrderClosed once the order is over.
_ForOpenOrder: TypeAlias = CancelOrder | ReadOrder | StartPayment | Sell | Release
_FOR_OPEN_ORDERS = get_args(_ForOpenOrder)


class TicketReads(Protocol):
    """What tickets read from the database. All raise StoreUnavailableError."""

    async def tickets(self, ids: Collection[str]) -> dict[str, Ticket]:
        """The stored tickets."""

    async def unpaid_holds_of(self, buyer_ids: Collection[str], now: Instant) -> list[Order]:
        """The orders that hold tickets for these buyers, and those that ended unpaid within an hour or two."""

    async def orders(self, ids: Collection[str]) -> dict[str, Order]:
        """The stored orders."""

    async def orders_in_journal(self, ids: Collection[str]) -> dict[str, Order]:
        """The orders that came into being, as they are now."""

    async def may_buy(self, user_ids: Collection[str], *, verified: bool) -> frozenset[str]:
        """Those of the users who are neither banned nor gone, with `verified` only those with a verified address."""

    async def orders_read_as_open(self, ids: Collection[str]) -> list[Order]:
        """How those of the orders were cancelled whose documents still have them as open."""

    async def edits_in_journal(self, ids: Collection[str]) -> dict[str, str]:
        """The edits that took effect, each with the id of the ticket that it changed."""


class TicketEntity(Entity[Ticket, TicketCommand, TicketEvent, TicketAnswer]):
    """Tickets in a host; see runtime.ports.Entity for what each method promises."""

    kind = "ticket"

    def __init__(
        self, queries: TicketReads, *, offer_window_ms: int = 600_000, verified_only: bool = False, fee: int = 0
    ) -> None:
        """Offer for `offer_window_ms`, with `verified_only` to people with a verified address alone.

        Orders come into being at a `fee` in hundredths of a percent.
        """
        self._queries = queries
        self._verified_only = verified_only
        self._nobody_waits = DecisionContext(offer_window_ms=offer_window_ms, fee=fee)
        self._offering = self._nobody_waits
        self._holds = OpenHolds()
        self._earlier: dict[str, Order] = {}
        self._edited: dict[str, str] = {}

    def entity_id(self, command: TicketCommand) -> str:
        return command.ticket_id

    def is_creation(self, command: TicketCommand) -> bool:
        return isinstance(command, CreateTicket)

    def is_read(self, command: TicketCommand) -> bool:
        return isinstance(command, ReadTicket)

    async def load(self, ids: Collection[str]) -> dict[str, Ticket]:
        return await self._queries.tickets(ids)

    async def prefetch(
        self,
        commands: Sequence[TicketCommand],
        states: Mapping[str, Ticket | None],
        now: Instant,
        *,
        after_conflict: bool,
    ) -> list[DocumentUpdate]:
        await self._know_who_waits(commands, states, now)
        reserves = [command for command in commands if isinstance(command, Reserve)]
        await self._know_the_buyers(reserves, now)
        # That an order came into being before is left to the key `order:<id>`; only after it said so it is looked up.
        wanted = {command.order_id for command in reserves} if after_conflict else set()
        self._earlier = await self._queries.orders_in_journal(wanted) if wanted else {}
        edits = {edit_id for command in commands if (edit_id := _edit_id_of(command))} if after_conflict else set()
        self._edited = await self._queries.edits_in_journal(edits) if edits else {}
        over = {one.order_id for one in commands if isinstance(one, _FOR_OPEN_ORDERS) and _is_over(one, states)}
        behind = await self._queries.orders_read_as_open(over) if over else []
        # Of an earlier order nobody knows whether its document is there.
        return [order_update(order) for order in (*behind, *self._earlier.values())]

    async def _know_who_waits(
        self, commands: Sequence[TicketCommand], states: Mapping[str, Ticket | None], now: Instant
    ) -> None:
        """Ask in one query who may buy of those in line for tickets that this turn may release."""
        joining = [command for command in commands if isinstance(command, JoinWaitingList)]
        released = {
            command.ticket_id
            for command in commands
            if isinstance(command, _RELEASING) and (joining or _waiting_for(states.get(command.ticket_id)))
        }
        released.update(
            ticket_id for ticket_id, ticket in states.items() if _waiting_for(ticket) and _is_due(ticket, now)
        )
        waiting = {waiter.user_id for ticket_id in released for waiter in _waiting_for(states.get(ticket_id))}
        waiting.update(command.user_id for command in joining if command.ticket_id in released)
        self._offering = self._nobody_waits
        if waiting:
            may_buy = await self._queries.may_buy(waiting, verified=self._verified_only)
            self._offering = replace(self._nobody_waits, may_buy=may_buy)

    async def _know_the_buyers(self, reserves: Sequence[Reserve], now: Instant) -> None:
        limited = {one.buyer_id for one in reserves if one.is_limited or one.max_holds is not None}
        if unknown := self._holds.unknown(limited):
            self._holds.learn(unknown, await self._queries.unpaid_holds_of(unknown, now))
        # Before anybody is refused for what they hold, the documents are asked whether other hosts ended it. A document
        # is never ahead of the journal, and what is over stays over; what has none yet is known to this host alone.
        if doubtful := self._holds.in_doubt(reserves):
            self._holds.correct((await self._queries.orders(doubtful)).values())

    def decide(
        self, ticket: Ticket | None, command: TicketCommand, now: Instant
    ) -> EntityDecision[Ticket, TicketEvent]:
        context = self._offering
        if isinstance(command, Reserve):
            open_holds, first_end = self._holds.open_of(command.buyer_id, now)
            context = DecisionContext(
                open_holds,
                earlier_order=self._earlier.get(command.order_id),
                first_end=first_end,
                unpaid_until=self._holds.unpaid_until(command.buyer_id),
                fee=self._nobody_waits.fee,
            )
        elif (edit_id := _edit_id_of(command)) in self._edited:
            context = DecisionContext(edited_before=self._edited[edit_id])
        decision = rules.decide(ticket, command, now, context)
        if isinstance(decision, Refusal):
            return EntityDecision((), decision, context)
        return EntityDecision(decision, None, context)

    def expire_if_due(self, ticket: Ticket | None, now: Instant) -> tuple[TicketEvent, ...]:
        return rules.due(ticket, now, self._offering)

    def evolve(self, ticket: Ticket | None, recorded: RecordedEvent[TicketEvent], entity_id: str) -> Ticket:
        return evolve(ticket, recorded.event, recorded.at, entity_id, commit=recorded.commit)

    def version(self, ticket: Ticket | None) -> int:
        return ticket.version if ticket else 0

    def commit_of(self, ticket: Ticket | None) -> str | None:
        return ticket.commit if ticket else None

    def updated_at(self, ticket: Ticket | None) -> Instant:
        return ticket.updated_at if ticket else 0

    def due_at(self, event: TicketEvent) -> Instant | None:
        return event.order.expires_at if isinstance(event, OrderExpired) else None

    def unique_keys(self, event: TicketEvent) -> tuple[str, ...]:
        match event:
            case OrderCreated(order=order):
                return (order_key(order.id),)
            case TicketUpdated(edit_id=str(edit_id)):
                return (edit_key(edit_id),)
        return ()

    def unique_key_of(self, command: TicketCommand) -> str | None:
        if isinstance(command, Reserve):
            return order_key(command.order_id)
        edit_id = _edit_id_of(command)
        return edit_key(edit_id) if edit_id is not None else None

    def may_be_repeated(self, command: TicketCommand) -> bool:
        return isinstance(command, Reserve) and command.request is not None  # it came with an Idempotency-Key

    def reply(
        self, ticket: Ticket, command: TicketCommand, decided: EntityDecision[Ticket, TicketEvent]
    ) -> TicketAnswer:
        fresh = bool(decided.events)
        if isinstance(command, JoinWaitingList | LeaveWaitingList | CloseWaitingList):
            return TicketAnswer(ticket, None, fresh)
        # The first event is that of the command; one after it may be an offer to somebody else.
        changed = order_in(decided.events[0]) if decided.events else None
        return TicketAnswer(ticket, changed or decided.context.earlier_order or ticket.order, fresh)

    def on_decided(self, event: TicketEvent) -> None:
        order = order_in(event)
        if order is None:
            return
        self._holds.note(order)
        if order.id in self._earlier:
            self._earlier[order.id] = order

    def on_turn_end(self, *, committed: bool) -> None:
        self._holds.on_turn_end(committed=committed)

    def on_shares_changed(self) -> None:
        self._holds.doubt()

    def timer(self, ticket: Ticket) -> tuple[Instant, TicketCommand] | None:
        if ticket.order is None or not ticket.order.is_open:
            return None
        return ticket.order.expires_at, Expire(ticket.id, ticket.order.id)

    def documents_before_reply(self, command: TicketCommand, reply: object) -> Collection[tuple[str, str]]:
        match command, reply:
            case ReadTicket() | ActivateTicket(), _:
                return ()
            case StartPayment(), TicketAnswer(fresh=True):
                return ()  # OrderActor goes on; before it answers a buyer whose payment is not over it asks again
            case (
                CreateTicket() | EditTicket() | WithdrawTicket() | JoinWaitingList() | LeaveWaitingList(),
                TicketAnswer(ticket=ticket),
            ):
                return (("tickets", ticket.id),)
            case _, TicketAnswer(order=Order(id=order_id)):
                return (("orders", order_id),)
            case ended, OrderClosed() if isinstance(ended, _FOR_OPEN_ORDERS):
                return (("orders", ended.order_id),)  # whoever hears that it is over reads how it ended
        return ()

    def log_facts(self, event: TicketEvent) -> dict[str, str]:
        order = order_in(event)
        if order is None:
            return {}
        reason = {} if order.cancel_reason is None else {"reason": order.cancel_reason}
        return {"order": order.id, "status": order.status, **reason}

    def document_updates(self, recorded: RecordedEvent[TicketEvent], ticket: Ticket) -> list[DocumentUpdate]:
        return ticket_updates(recorded.event, ticket)

    def related_updates(self, ticket: Ticket) -> list[DocumentUpdate]:
        return [] if ticket.order is None else [order_update(ticket.order)]


def _waiting_for(ticket: Ticket | None) -> Line:
    return ticket.waiting if ticket is not None else ()


def _is_over(command: _ForOpenOrder, states: Mapping[str, Ticket | None]) -> bool:
    """Whether the ticket, which is there, is not held or bought by the order any more."""
    ticket = states.get(command.ticket_id)
    return ticket is not None and (ticket.order is None or ticket.order.id != command.order_id)


def _is_due(ticket: Ticket | None, now: Instant) -> bool:
    order = ticket.order if ticket is not None else None
    return order is not None and order.is_open and order.expires_at <= max(now, order.updated_at)


def _edit_id_of(command: TicketCommand) -> str | None:
    return command.edit_id if isinstance(command, EditTicket) else None
