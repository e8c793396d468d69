"""Everything that can be asked of one ticket, of the product's rules and of the model at the same time."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.domain import codec
from actors.domain.decision import DecisionContext
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import (
    AbandonRefund,
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
    ReinstateTicket,
    Release,
    Reserve,
    Sell,
    StartPayment,
    StartRefund,
    SuspendTicket,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_events import OfferAccepted, OrderCreated, TicketEvent
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketDetails
from tests.models.ticket_model import HOUR, OrderModel, TicketModel
from tests.support.examples import ANOTHER, ANOTHER_CHARGE, BUYER, CHARGE, GRACE, NOW, SELLER, TICKET, WINDOW, handle
from tests.support.folding import fold

# What is drawn most often takes a history furthest: a new order, the one that holds the ticket, its seller, its price.
NEW, HOLDING, EARLIER, UNHEARD_OF = "new", "holding", "earlier", "f" * 24
ORDERS = st.sampled_from([HOLDING, HOLDING, HOLDING, EARLIER, UNHEARD_OF])
BUYERS = st.sampled_from([BUYER, BUYER, BUYER, ANOTHER, ANOTHER, SELLER])
# The last of them may not buy.
WAITERS = (BUYER, ANOTHER, "7" * 24, "8" * 24, "6" * 24)
OFFER = WINDOW // 3
WAITING = DecisionContext(may_buy=frozenset(WAITERS[:-1]), offer_window_ms=OFFER)
SELLERS = st.sampled_from([SELLER, SELLER, SELLER, SELLER, BUYER])
PRICES = st.sampled_from([5_000, 5_000, 5_000, 6_000])
TITLES = st.sampled_from(["Hamlet", "Macbeth"])
# In ms from now.
BEGINNINGS = st.sampled_from([None, None, GRACE, 2 * WINDOW])
REQUESTS = st.sampled_from([None, None, "a request", "another request"])
# How many versions ago somebody looked.
AGES = st.sampled_from([None, None, 0, 1, 3, -1])
WINDOWS = st.sampled_from([GRACE // 2, GRACE, WINDOW])


def in_state(*states: str) -> Callable[[RuleBasedStateMachine], bool]:
    return lambda machine: cast("TicketMachine", machine).model.status in states


class TicketMachine(RuleBasedStateMachine):
    """One ticket as a host treats it: the clock never goes back, and what the journal fences is decided again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.ticket: Ticket | None = None
        self.past: list[tuple[TicketEvent, int]] = []
        self.orders: dict[str, Order] = {}
        self.created: dict[str, Order] = {}
        self.model = TicketModel(id=TICKET, may_buy=WAITING.may_buy, offer_window_ms=OFFER)

    def send(self, command: TicketCommand, open_holds: int = 0, *, after_conflict: bool = False) -> None:
        before = self.model.version
        expected = self.model.ask(command, self.now, open_holds, after_conflict=after_conflict)
        context = self.context(command, open_holds) if after_conflict else replace(WAITING, open_holds=open_holds)
        ticket, events, refusal = handle(self.ticket, command, self.now, context)
        if any(isinstance(event, OrderCreated) and event.order.id in self.created for event in events):
            # The key `order:<id>` is taken: nothing of this is written, and the order is looked up.
            ticket, events, refusal = handle(self.ticket, command, self.now, self.context(command, open_holds))
        self.ticket = ticket
        for event in events:
            self.note(event)
        assert refusal == expected
        assert [type(event).__name__ for event in events] == self.model.history[before:]

    def named(self, which: str) -> str:
        """The id of the order that is meant, if there is one."""
        known = [order_id for order_id in self.orders if order_id != (self.model.holder and self.model.holder.id)]
        match which:
            case "new":
                return f"{len(self.orders):024x}"
            case "holding" if self.model.holder is not None:
                return self.model.holder.id
            case "earlier" if known:
                return known[-1]
        return UNHEARD_OF

    def details(self, title: str, price: int, begins_in: int | None) -> TicketDetails:
        return TicketDetails(title, price, "usd", starts_at=None if begins_in is None else self.now + begins_in)

    def context(self, command: TicketCommand, open_holds: int) -> DecisionContext:
        earlier = self.orders.get(command.order_id) if isinstance(command, Reserve) else None
        return replace(WAITING, open_holds=open_holds, earlier_order=earlier)

    def note(self, event: TicketEvent) -> None:
        self.past.append((event, self.now))
        order: Order | None = getattr(event, "order", None)
        if order is not None:
            self.orders[order.id] = order
            self.created.setdefault(order.id, order)
        if isinstance(event, OfferAccepted):
            self.created[event.order.id] = event.order  # its time begins anew, once
        assert codec.decode_event(json.loads(json.dumps(codec.encode_event(event)))) == event

    @initialize(is_listed=st.sampled_from([True] * 9 + [False]), price=PRICES, begins_in=BEGINNINGS)
    def begin(self, is_listed: bool, price: int, begins_in: int | None) -> None:  # noqa: FBT001 - drawn
        if is_listed:
            self.send(CreateTicket(TICKET, SELLER, self.details("Hamlet", price, begins_in)))

    @rule(seller=SELLERS, title=TITLES, price=PRICES, request=REQUESTS)
    def create(self, seller: str, title: str, price: int, request: str | None) -> None:
        self.send(CreateTicket(TICKET, seller, self.details(title, price, None), request))

    @rule(seller=SELLERS, title=TITLES, price=PRICES, begins_in=BEGINNINGS, seen=AGES, another=AGES)
    def edit(  # noqa: PLR0913, PLR0917 - all that an edit can say
        self, seller: str, title: str, price: int, begins_in: int | None, seen: int | None, another: int | None
    ) -> None:
        versions = tuple(self.model.version - age for age in (seen, another) if age is not None)
        self.send(EditTicket(TICKET, seller, self.details(title, price, begins_in), expected_versions=versions or None))

    @rule(seller=SELLERS, is_meant=st.sampled_from([True] + [False] * 7))
    def withdraw(self, seller: str, is_meant: bool) -> None:  # noqa: FBT001 - drawn
        # Nothing happens to a ticket that is withdrawn, so most histories do without.
        self.send(WithdrawTicket(TICKET, seller if is_meant or self.model.status != "available" else BUYER))

    @precondition(in_state("reserved"))
    @rule(user=st.sampled_from([*WAITERS, SELLER]), most=st.sampled_from([None, None, 5_000, 4_999]))
    def join_the_line(self, user: str, most: int | None) -> None:
        self.send(JoinWaitingList(TICKET, user, most))

    @rule(
        command=st.sampled_from(
            [
                JoinWaitingList(TICKET, ANOTHER),
                LeaveWaitingList(TICKET, ANOTHER),
                CloseWaitingList(TICKET, SELLER),
                CloseWaitingList(TICKET, BUYER),
            ]
        )
    )
    def wait_in_any_way(self, command: TicketCommand) -> None:
        self.send(command)

    @precondition(lambda self: self.model.holder is not None and self.model.holder.offer)
    @rule(window=WINDOWS)
    def accept_the_offer(self, window: int) -> None:
        assert self.model.holder is not None
        self.send(Reserve(TICKET, self.named(NEW), self.model.holder.buyer, window))

    @precondition(in_state("reserved", "sold"))
    @rule(command=st.sampled_from([SuspendTicket(TICKET), ReinstateTicket(TICKET)]))
    def mark(self, command: TicketCommand) -> None:
        self.send(command)

    @rule(is_meant=st.sampled_from([True] + [False] * 7))
    def suspend(self, is_meant: bool) -> None:  # noqa: FBT001 - drawn
        if is_meant:
            self.send(SuspendTicket(TICKET))

    @rule(command=st.sampled_from([ReadTicket(TICKET), ActivateTicket(TICKET)]))
    def look(self, command: TicketCommand) -> None:
        self.send(command)

    @precondition(in_state("available"))
    @rule(buyer=st.sampled_from([BUYER, ANOTHER]), window=WINDOWS, request=REQUESTS)
    def reserve(self, buyer: str, window: int, request: str | None) -> None:
        self.send(Reserve(TICKET, self.named(NEW), buyer, window, self.model.price, max_holds=1, request=request))

    @precondition(in_state("available"))
    @rule(buyer=BUYERS)
    def hold_and_let_go(self, buyer: str) -> None:
        order_id = self.named(NEW)
        self.send(Reserve(TICKET, order_id, buyer, WINDOW))
        self.send(CancelOrder(TICKET, order_id))

    @rule(
        which=st.sampled_from([NEW, NEW, EARLIER, HOLDING]), buyer=BUYERS, window=WINDOWS, expected=st.none() | PRICES,
        most=st.sampled_from([None, None, 2]), holds=st.integers(0, 2), request=REQUESTS, after_conflict=st.booleans(),
        seen=AGES,
    )  # fmt: skip
    def reserve_in_any_way(  # noqa: PLR0913 - all that a reservation can say
        self,
        *,
        which: str,
        buyer: str,
        window: int,
        expected: int | None,
        most: int | None,
        holds: int,
        request: str | None,
        after_conflict: bool,
        seen: int | None,
    ) -> None:
        version = None if seen is None else self.model.version - seen
        command = Reserve(TICKET, self.named(which), buyer, window, expected, most, request, version)
        self.send(command, holds, after_conflict=after_conflict)

    @precondition(in_state("reserved", "sold"))
    @rule(which=ORDERS)
    def start_payment(self, which: str) -> None:
        self.send(StartPayment(TICKET, self.named(which), GRACE))

    @precondition(in_state("reserved", "sold"))
    @rule(
        which=ORDERS,
        charge=st.sampled_from([CHARGE, ANOTHER_CHARGE]),
        shift=st.sampled_from([0, 0, -1, 1_000]),
        late=st.sampled_from([0, 0, 0, -1, 1]),
    )
    def sell(self, which: str, charge: str, shift: int, late: int) -> None:
        order = self.model.holder
        assert order is not None
        self.send(Sell(TICKET, self.named(which), charge, order.price + shift, order.attempt + late))

    @precondition(in_state("reserved", "sold"))
    @rule(which=ORDERS, shift=st.sampled_from([0, 0, 0, -1, 1]), most=st.sampled_from([1, 2, 9]), counts=st.booleans())
    def release(self, which: str, shift: int, most: int, counts: bool) -> None:  # noqa: FBT001 - drawn
        assert self.model.holder is not None
        self.send(Release(TICKET, self.named(which), self.model.holder.attempt + shift, most, counts))

    @precondition(in_state("available", "reserved"))
    @rule(is_declined=st.booleans())
    def buy(self, is_declined: bool) -> None:  # noqa: FBT001 - drawn
        """What happens most, in one go, so that histories come to what happens after it."""
        self.send(Reserve(TICKET, self.named(NEW), BUYER, GRACE // 2))
        if self.model.holder is not None:
            order = self.model.holder
            self.send(StartPayment(TICKET, order.id, GRACE))
            self.send(
                Release(TICKET, order.id, order.attempt, max_attempts=9)
                if is_declined
                else Sell(TICKET, order.id, CHARGE, order.price, order.attempt)
            )

    @precondition(in_state("reserved", "sold"))
    @rule(which=ORDERS, seller=SELLERS, is_admin=st.booleans())
    def start_refund(self, which: str, seller: str, is_admin: bool) -> None:  # noqa: FBT001 - drawn
        self.send(StartRefund(TICKET, self.named(which), seller, is_admin))

    @precondition(in_state("reserved", "sold"))
    @rule(which=ORDERS, kind=st.sampled_from([CancelOrder, Expire, Expire, AbandonRefund, ReadOrder]))
    def let_go(self, which: str, kind: type[CancelOrder | Expire | AbandonRefund | ReadOrder]) -> None:
        self.send(kind(TICKET, self.named(which)))

    @precondition(in_state("reserved", "sold"))
    @rule(which=ORDERS, reason=st.sampled_from([CancelReason.CAPTURE_FAILED, CancelReason.REFUNDED]))
    def revoke(self, which: str, reason: CancelReason) -> None:
        self.send(CancelSale(TICKET, self.named(which), reason))

    @precondition(in_state("available", "withdrawn"))
    @rule(
        which=ORDERS,
        kind=st.sampled_from(
            [CancelOrder, StartPayment, Sell, Release, CancelSale, StartRefund, AbandonRefund, Expire, ReadOrder]
        ),
    )
    def go_on_with_an_order_that_is_over(self, which: str, kind: type[TicketCommand]) -> None:
        order_id = self.named(which)
        rest: dict[type, tuple[object, ...]] = {
            StartPayment: (GRACE,),
            Sell: (CHARGE, self.model.price, 1),
            Release: (1, 1),
            CancelSale: (CancelReason.CAPTURE_FAILED,),
            StartRefund: (SELLER,),
        }
        self.send(kind(TICKET, order_id, *rest.get(kind, ())))  # type: ignore[arg-type, call-arg]

    @rule(milliseconds=st.sampled_from([1, 1_000, GRACE // 2]))
    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    @rule(left=st.sampled_from([1, 0]))
    def wait_until_an_hour_after_an_end(self, left: int) -> None:
        ends = [order.ended for order in self.model.orders.values() if order.ended]
        self.now = max(self.now, min(ends, default=0) + HOUR - left)

    @precondition(in_state("reserved"))
    @rule(offset=st.sampled_from([-GRACE, -1, 0, 1]))
    def wait_for_the_end_of_the_hold(self, offset: int) -> None:
        assert self.model.holder is not None
        self.now = max(self.now, self.model.holder.ends + offset)

    @precondition(lambda self: self.model.begins is not None)
    @rule(offset=st.sampled_from([-1, 0, 1]))
    def wait_for_the_event(self, offset: int) -> None:
        assert self.model.begins is not None
        self.now = max(self.now, self.model.begins + offset)

    @invariant()
    def the_ticket_is_as_the_model_says(self) -> None:
        ticket, model = self.ticket, self.model
        if ticket is None:
            assert not model.seller
            return
        assert (ticket.seller_id, ticket.status, ticket.version) == (model.seller, model.status, model.version)
        assert (ticket.details.title, ticket.details.price, ticket.details.starts_at) == (
            model.title,
            model.price,
            model.begins,
        )
        assert (ticket.order.id if ticket.order else None) == (model.holder.id if model.holder else None)

    @invariant()
    def those_in_line_are_as_the_model_says(self) -> None:
        line = {waiter.user_id: waiter.max_price for waiter in self.ticket.waiting} if self.ticket else {}
        assert list(line.items()) == list(self.model.line.items())
        assert (self.ticket is not None and self.ticket.waiting_closed) == self.model.is_line_closed

    @invariant()
    def every_order_is_as_the_model_says(self) -> None:
        assert {order_id: seen(order) for order_id, order in self.orders.items()} == self.model.orders

    @invariant()
    def at_most_one_order_lives(self) -> None:
        living = [order for order in self.orders.values() if order.status is not OrderStatus.CANCELLED]
        assert len(living) <= 1
        assert (self.ticket.order if self.ticket else None) == (living[0] if living else None)

    @invariant()
    def no_price_changes_under_an_order(self) -> None:
        for order in self.orders.values():
            assert order.price == self.created[order.id].price
        if self.ticket is not None and self.ticket.order is not None:
            assert self.ticket.details.price == self.ticket.order.price

    @invariant()
    def a_hold_lasts_its_window_and_one_grace_at_most(self) -> None:
        for order in self.orders.values():
            granted = order.expires_at - self.created[order.id].expires_at
            assert 0 <= granted <= (GRACE if order.extended else 0)

    @invariant()
    def every_event_raises_the_version_by_one(self) -> None:
        assert (self.ticket.version if self.ticket else 0) == len(self.past)

    @invariant()
    def the_ticket_is_what_its_events_say(self) -> None:
        assert fold(None, self.past, TICKET) == self.ticket

    @invariant()
    def the_ticket_can_be_stored(self) -> None:
        if self.ticket is not None:
            stored = json.loads(json.dumps(codec.encode(self.ticket)))
            assert codec.decode(Ticket, stored) == self.ticket


def seen(order: Order) -> OrderModel:
    """The order of the product in the words of the model."""
    return OrderModel(
        order.id, order.buyer_id, order.title, order.price, order.created_at, order.expires_at, order.request,
        order.status, order.version, order.attempt, order.extended, order.refunding, order.refund_by, order.charge_id,
        order.cancel_reason, order.counted_attempts, order.offer,
    )  # fmt: skip
