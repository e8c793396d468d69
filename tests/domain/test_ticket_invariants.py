"""Whatever is asked of a ticket, in whatever order, what Holdfast promises about it stays true."""

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from actors.domain.decision import DecisionContext
from actors.domain.refusals import Refusal
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import (
    CancelOrder,
    CancelSale,
    EditTicket,
    Expire,
    ReadTicket,
    Release,
    Sell,
    StartPayment,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_events import OrderCreated, TicketEvent
from actors.domain.ticket_rules import decide
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketDetails, TicketStatus
from tests.support.examples import ANOTHER, BUYER, CHARGE, GRACE, NOW, SELLER, TICKET, creation, handle, reservation
from tests.support.folding import fold

FIRST = "d" * 24
ORDERS = st.sampled_from([FIRST, "e" * 24, "f" * 24])
# None is the order that holds the ticket, or its price: by chance alone a payment seldom gets as far as its sale.
HOLDING = st.none() | ORDERS
BUYERS = st.sampled_from([BUYER, ANOTHER, SELLER])
PRICES = st.sampled_from([4_000, 5_000, 6_000])
ATTEMPTS = st.integers(1, 3)


class AnyHistory(RuleBasedStateMachine):
    """One ticket, as a host treats it: the clock never goes back, and orders come into being once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.ticket: Ticket | None = None
        self.history: list[tuple[TicketEvent, int]] = []
        self.orders: dict[str, Order] = {}

    def send(self, command: TicketCommand, context: DecisionContext | None = None) -> Refusal | None:
        before = self.ticket
        self.ticket, events, refusal = self.handle(command, context or DecisionContext())
        for event in events:
            self.history.append((event, self.now))
            self.check(before, event)
        return refusal

    def handle(
        self, command: TicketCommand, context: DecisionContext
    ) -> tuple[Ticket | None, tuple[TicketEvent, ...], Refusal | None]:
        return handle(self.ticket, command, self.now, context)

    def named(self, which: str | None) -> str:
        if which is not None:
            return which
        return self.ticket.order.id if self.ticket is not None and self.ticket.order is not None else FIRST

    def check(self, before: Ticket | None, event: TicketEvent) -> None:
        order: Order | None = getattr(event, "order", None)
        if order is None:
            return
        if isinstance(event, OrderCreated):
            assert order.id not in self.orders, "an order came into being twice"
            assert before is not None
            assert order.price == before.details.price
        else:
            known = self.orders[order.id]
            assert known.status is not OrderStatus.CANCELLED, "an order that was over went on"
            assert (order.price, order.buyer_id) == (known.price, known.buyer_id)
            assert order.version == known.version + 1
        self.orders[order.id] = order

    @initialize()
    def list_it(self) -> None:
        self.send(creation())

    @rule(milliseconds=st.sampled_from([0, 1, 1_000, GRACE - 1, GRACE, 900_000]))
    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    @rule(price=PRICES)
    def edit(self, price: int) -> None:
        self.send(EditTicket(TICKET, SELLER, TicketDetails("Chamber music", price, "usd")))

    @rule(order_id=ORDERS, buyer_id=BUYERS, expected=st.none() | PRICES, window=st.sampled_from([GRACE, 900_000]))
    def reserve(self, order_id: str, buyer_id: str, expected: int | None, window: int) -> None:
        earlier = self.orders.get(order_id)
        command = reservation(order_id, buyer_id, expected_price=expected, window=window)
        self.send(command, DecisionContext(earlier_order=earlier))
        if earlier is None and order_id in self.orders:
            assert expected in (None, self.orders[order_id].price)

    @rule(which=HOLDING)
    def start_payment(self, which: str | None) -> None:
        order_id = self.named(which)
        ended = self.orders[order_id].expires_at if order_id in self.orders else 0
        if self.send(StartPayment(TICKET, order_id, GRACE)) is None:
            assert ended <= self.orders[order_id].expires_at <= max(ended, self.now + GRACE)

    @rule(which=HOLDING, price=st.none() | PRICES, late=st.sampled_from([0] * 9 + [1]))
    def sell(self, which: str | None, price: int | None, late: int) -> None:
        order_id = self.named(which)
        known = self.orders.get(order_id)
        amount = price or (known.price if known else 4_000)
        attempt = (known.attempt if known else 1) + late
        if self.send(Sell(TICKET, order_id, CHARGE, amount, attempt)) is None and known is not None and known.is_open:
            assert self.now < known.expires_at, "a late payment won"
            assert amount == known.price
            assert attempt == known.attempt, "an attempt that is over won"

    @rule(order_id=ORDERS, attempt=ATTEMPTS, most=ATTEMPTS)
    def release(self, order_id: str, attempt: int, most: int) -> None:
        self.send(Release(TICKET, order_id, attempt, most))

    @rule(order_id=ORDERS, kind=st.sampled_from(["cancel", "revoke", "expire"]))
    def end(self, order_id: str, kind: str) -> None:
        commands: dict[str, TicketCommand] = {
            "cancel": CancelOrder(TICKET, order_id),
            "revoke": CancelSale(TICKET, order_id, CancelReason.CAPTURE_FAILED),
            "expire": Expire(TICKET, order_id),
        }
        self.send(commands[kind])

    @rule()
    def withdraw(self) -> None:
        self.send(WithdrawTicket(TICKET, SELLER))

    @rule()
    def read(self) -> None:
        self.send(ReadTicket(TICKET))

    @invariant()
    def at_most_one_order_lives(self) -> None:
        living = [order for order in self.orders.values() if order.status is not OrderStatus.CANCELLED]
        assert len(living) <= 1
        assert (self.ticket.order if self.ticket else None) == (living[0] if living else None)

    @invariant()
    def the_price_does_not_change_under_an_order(self) -> None:
        if self.ticket is not None and self.ticket.order is not None:
            assert self.ticket.details.price == self.ticket.order.price

    @invariant()
    def versions_have_no_gaps(self) -> None:
        assert (self.ticket.version if self.ticket else 0) == len(self.history)

    @invariant()
    def folding_the_events_gives_the_ticket(self) -> None:
        assert fold(None, self.history, TICKET) == self.ticket

    @invariant()
    def what_was_withdrawn_is_held_by_nobody(self) -> None:
        if self.ticket is not None and self.ticket.status is TicketStatus.WITHDRAWN:
            assert self.ticket.order is None


class WithoutEarlierOrders(AnyHistory):
    """The protection against revived orders is off."""

    def handle(
        self, command: TicketCommand, context: DecisionContext
    ) -> tuple[Ticket | None, tuple[TicketEvent, ...], Refusal | None]:
        return super().handle(command, DecisionContext(open_holds=context.open_holds))


class WithoutExpiry(AnyHistory):
    """The protection against late payments is off."""

    def handle(
        self, command: TicketCommand, context: DecisionContext
    ) -> tuple[Ticket | None, tuple[TicketEvent, ...], Refusal | None]:
        decision = decide(self.ticket, command, self.now, context)
        if isinstance(decision, Refusal):
            return self.ticket, (), decision
        return fold(self.ticket, [(event, self.now) for event in decision], TICKET), decision, None


FEW = settings(max_examples=40, stateful_step_count=30, deadline=None)
SEARCH = settings(
    max_examples=5_000,
    stateful_step_count=20,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = FEW


def test_the_invariant_search_finds_a_revived_order() -> None:
    with pytest.raises(AssertionError, match="came into being twice"):
        run_state_machine_as_test(WithoutEarlierOrders, settings=SEARCH)


def test_the_invariant_search_finds_a_payment_after_the_expiry_that_wins() -> None:
    with pytest.raises(AssertionError, match="a late payment won"):
        run_state_machine_as_test(WithoutExpiry, settings=SEARCH)
