"""Refunds through the ticket, the charge and the sandbox: the money goes back once, and then the ticket is for sale."""

import asyncio
from dataclasses import replace

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_commands import Capture, ReverseCharge
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay, RefundOrder, ResumePurchase
from actors.domain.refusals import NotFound, NotOwner, OrderClosed, OrderNotPaid, RefundRefused, ShowStarted
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, CancelSale, StartRefund
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.payments.charge_workflow import ChargeWorkflow
from actors.stripe.client import Stripe
from actors.stripe.errors import OutcomeUnknown, ServerFailed
from actors.stripe.resources import Intent, Refund
from actors.stripe.sandbox.payment_intent import PaymentIntent
from tests.support.buying import (
    VISA,
    ActorDiedError,
    Interrupted,
    an_order,
    changed_at_stripe,
    intents_of,
    money,
    order_now,
    pay_until_it_dies,
    purchases,
    recovered,
)
from tests.support.eventually import eventually
from tests.support.examples import DETAILS, new_id
from tests.support.local_market import LocalMarket
from tests.support.refunding import a_sale, charge_of, later, refund_of, refunds_at_stripe
from tests.support.trading import a_ticket, as_it_is, expect, held

PRICE = 5_000
PENDING_REFUND = "pm_card_pendingRefund"
FAILING_REFUND = "pm_card_refundFail"
DISPUTED = "pm_card_createDispute"
TAKEN = {"succeeded": 1, "taken": PRICE, "given back": 0}
GIVEN_BACK = {"succeeded": 1, "taken": PRICE, "given back": PRICE}


async def is_given_back(market: LocalMarket, order: Order, *, refunds: int = 1) -> None:
    """Fails unless the order is over, its money was given back in so many refunds, and its ticket is for sale."""
    now = await order_now(market, order)
    assert (now.status, now.cancel_reason, now.refunding) == (OrderStatus.CANCELLED, CancelReason.REFUNDED, False)
    assert (await charge_of(market, order)).status is ChargeStatus.REFUNDED
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
    assert await refunds_at_stripe(market, order) == ["succeeded"] * refunds
    assert await money(market, order) == GIVEN_BACK


async def stands(market: LocalMarket, order: Order) -> None:
    """Fails unless the sale is as it was, with nothing on the way."""
    now, charge = await order_now(market, order), await charge_of(market, order)
    assert (now.status, now.refunding, now.cancel_reason) == (OrderStatus.COMPLETE, False, None)
    assert (charge.status, charge.refunding) == (ChargeStatus.COMPLETED, False)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.SOLD


async def test_a_seller_refunds_a_sale_and_the_ticket_is_for_sale_again(market: LocalMarket) -> None:
    order = await a_sale(market)
    answer = expect(PaymentAnswer, await market.refund(refund_of(order)))
    assert (answer.order.status, answer.order.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.REFUNDED)
    assert answer.charge.status is ChargeStatus.REFUNDED
    await is_given_back(market, order)
    assert (await held(market, order.ticket_id)).order_id != order.id


async def test_a_refunded_ticket_is_in_the_list_before_its_seller_is_answered(market: LocalMarket) -> None:
    order = await a_sale(market)
    stored = market.connections.database["tickets"]

    async def is_listed_as(status: str) -> bool:
        return await stored.find_one({"_id": order.ticket_id, "status": status}) is not None

    await eventually(lambda: is_listed_as("sold"))
    expect(PaymentAnswer, await market.refund(refund_of(order)))
    assert await is_listed_as("available")


async def test_a_repeated_refund_answers_the_same_and_gives_nothing_more(market: LocalMarket) -> None:
    order = await a_sale(market)
    first = expect(PaymentAnswer, await market.refund(refund_of(order)))
    again = expect(PaymentAnswer, await market.refund(refund_of(order)))
    assert (again.order, again.charge) == (first.order, first.charge)
    await is_given_back(market, order)


async def test_a_repeated_refund_leaves_the_next_order_of_the_ticket_alone(market: LocalMarket) -> None:
    order = await a_sale(market)
    await market.refund(refund_of(order))
    hold = await held(market, order.ticket_id)
    assert expect(PaymentAnswer, await market.refund(refund_of(order))).order.id == order.id
    ticket = await as_it_is(market, order.ticket_id)
    assert ticket.order is not None
    assert ticket.order.id == hold.order_id


async def test_only_the_seller_can_refund_a_sale(market: LocalMarket) -> None:
    order = await a_sale(market)
    for somebody in (order.buyer_id, new_id()):
        assert await market.refund(RefundOrder(order.id, somebody)) == NotOwner()
    await stands(market, order)
    assert await money(market, order) == TAKEN


async def test_an_order_that_does_not_exist_is_not_refunded(market: LocalMarket) -> None:
    assert await market.refund(RefundOrder(new_id(), new_id())) == NotFound()


async def test_an_order_that_is_not_paid_has_nothing_to_refund(market: LocalMarket) -> None:
    order = await an_order(market)
    assert await market.refund(refund_of(order)) == OrderNotPaid()
    assert (await order_now(market, order)).status is OrderStatus.CREATED


async def test_an_order_that_was_cancelled_has_nothing_to_refund(market: LocalMarket) -> None:
    order = await an_order(market)
    expect(TicketAnswer, await market.ask_ticket(CancelOrder(order.ticket_id, order.id)))
    assert await market.refund(refund_of(order)) == OrderClosed()


async def test_a_sale_cannot_be_refunded_once_the_show_started(market: LocalMarket) -> None:
    begins = market.connections.clock.now() + 1_000
    (listed,) = await market.ask_host(market.tickets, [a_ticket(replace(DETAILS, starts_at=begins))])
    hold = await held(market, expect(TicketAnswer, listed).ticket.id)
    order = expect(PaymentAnswer, await market.pay(Pay(hold.order_id, VISA))).order
    await eventually(lambda: market.connections.clock.now() >= begins)
    assert await market.refund(refund_of(order)) == ShowStarted()
    await stands(market, order)


# Refunds that end later


async def test_while_a_refund_is_pending_the_order_is_complete_and_its_money_on_the_way(market: LocalMarket) -> None:
    order = await a_sale(market, PENDING_REFUND)
    answer = expect(PaymentAnswer, await market.refund(refund_of(order)))
    assert (answer.order.status, answer.order.refunding) == (OrderStatus.COMPLETE, True)
    assert (answer.charge.status, answer.charge.refunding) == (ChargeStatus.COMPLETED, True)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.SOLD
    assert await refunds_at_stripe(market, order) == ["pending"]


async def test_a_pending_refund_that_is_asked_for_again_stays_one_refund(market: LocalMarket) -> None:
    order = await a_sale(market, PENDING_REFUND)
    await market.refund(refund_of(order))
    await recovered(market)
    assert expect(PaymentAnswer, await market.refund(refund_of(order))).order.refunding
    assert await refunds_at_stripe(market, order) == ["pending"]


async def test_a_webhook_event_of_a_refund_that_succeeded_ends_the_order(market: LocalMarket) -> None:
    order = await a_sale(market, PENDING_REFUND)
    await market.refund(refund_of(order))
    await later(market)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    await is_given_back(market, order)


async def test_the_supervisor_ends_the_order_of_a_refund_that_succeeded_without_a_webhook_event(
    market: LocalMarket,
) -> None:
    order = await a_sale(market, PENDING_REFUND)
    await market.refund(refund_of(order))
    await later(market)
    await recovered(market)
    await is_given_back(market, order)


async def fails_in_the_end(market: LocalMarket, order: Order) -> None:
    """The pending refund of the order comes back from the bank."""

    def failing(intent: PaymentIntent) -> PaymentIntent:
        (settlement,) = intent.settlements
        return replace(intent, settlements=(replace(settlement, action="refund_fails"),))

    await changed_at_stripe(market, order, failing)
    await later(market)
    assert await refunds_at_stripe(market, order) == ["failed"]


async def test_a_webhook_event_of_a_refund_that_failed_lets_the_sale_stand(market: LocalMarket) -> None:
    order = await a_sale(market, PENDING_REFUND)
    await market.refund(refund_of(order))
    await fails_in_the_end(market, order)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    await recovered(market)
    await stands(market, order)
    assert await refunds_at_stripe(market, order) == ["failed"]


async def test_the_supervisor_lets_the_sale_stand_whose_refund_failed_without_a_webhook_event(
    market: LocalMarket,
) -> None:
    order = await a_sale(market, PENDING_REFUND)
    await market.refund(refund_of(order))
    await fails_in_the_end(market, order)
    await recovered(market)
    await stands(market, order)
    assert await refunds_at_stripe(market, order) == ["failed"]


async def the_second_wish_came_to_nothing(market: LocalMarket) -> Order:
    """An order whose first refund failed; Stripe broke down when it was asked for the second, and did not make it."""
    order = await a_sale(market, PENDING_REFUND)
    await market.refund(refund_of(order))
    await fails_in_the_end(market, order)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    own, broken = market.payments, RefundsNothing(market.stripe._client, market.stripe._transport)
    market.payments = ChargeWorkflow(market.charges.host, broken, market.connections.clock)
    assert expect(PaymentAnswer, await market.refund(refund_of(order))).order.refunding
    market.payments = own
    return order


class RefundsNothing(Stripe):
    """Fails whenever it is to give money back, without doing it."""

    async def refund(self, intent_id: str, *, amount: int, idempotency_key: str) -> Refund:
        raise ServerFailed(f"{intent_id} {amount} {idempotency_key}")


async def test_the_supervisor_continues_a_refund_after_one_that_failed(market: LocalMarket) -> None:
    order = await the_second_wish_came_to_nothing(market)
    await recovered(market)
    assert await refunds_at_stripe(market, order) == ["failed", "pending"]
    assert (await order_now(market, order)).refunding


async def test_an_outdated_webhook_event_of_a_failed_refund_does_not_end_the_next_one(market: LocalMarket) -> None:
    order = await the_second_wish_came_to_nothing(market)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    await recovered(market)
    assert await refunds_at_stripe(market, order) == ["failed", "pending"]
    assert (await order_now(market, order)).refunding


# Refunds that Stripe refuses, or that fail when they had succeeded


async def test_a_refund_that_stripe_refuses_lets_the_sale_stand(market: LocalMarket) -> None:
    order = await a_sale(market, DISPUTED)
    await later(market)
    assert await market.refund(refund_of(order)) == RefundRefused()
    await stands(market, order)
    assert (await charge_of(market, order)).failure == "charge_disputed"
    assert await money(market, order) == TAKEN


async def by_hand(market: LocalMarket, order: Order, *amounts: int) -> None:
    """Somebody gives parts of the money back in Stripe's dashboard."""
    (intent,) = await intents_of(market, order)
    for number, amount in enumerate(amounts):
        await market.stripe.refund(intent.id, amount=amount, idempotency_key=f"by hand {number}")


async def test_two_partial_refunds_by_hand_that_add_up_to_the_price_are_the_sellers_refund(
    market: LocalMarket,
) -> None:
    order = await a_sale(market)
    await by_hand(market, order, 2_000, 3_000)
    expect(PaymentAnswer, await market.refund(refund_of(order)))
    await is_given_back(market, order, refunds=2)


async def test_partial_refunds_by_hand_that_add_up_to_the_price_end_the_order_by_webhook_event(
    market: LocalMarket,
) -> None:
    order = await a_sale(market)
    await by_hand(market, order, 2_000)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    await stands(market, order)
    await by_hand(market, order, 2_000, 3_000)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    await is_given_back(market, order, refunds=2)


async def test_a_seller_refunds_the_rest_after_a_partial_refund_by_hand(market: LocalMarket) -> None:
    order = await a_sale(market)
    await by_hand(market, order, 2_000)
    expect(PaymentAnswer, await market.refund(refund_of(order)))
    await is_given_back(market, order, refunds=2)


async def test_a_refund_that_stripe_refused_is_not_tried_again_by_the_supervisor(market: LocalMarket) -> None:
    order = await a_sale(market, DISPUTED)
    await later(market)
    await market.refund(refund_of(order))
    charge = await charge_of(market, order)
    await recovered(market)
    assert await charge_of(market, order) == charge
    await stands(market, order)


async def test_a_refund_that_stripe_refused_can_be_asked_for_again_when_the_dispute_is_won(market: LocalMarket) -> None:
    order = await a_sale(market, DISPUTED)
    await later(market)
    assert await market.refund(refund_of(order)) == RefundRefused()

    def won(intent: PaymentIntent) -> PaymentIntent:
        (dispute,) = intent.disputes
        return replace(intent, disputes=(replace(dispute, status="won"),))

    await changed_at_stripe(market, order, won)
    expect(PaymentAnswer, await market.refund(refund_of(order)))
    await is_given_back(market, order)


async def test_a_refund_that_fails_after_it_succeeded_brings_the_money_back_on_record(market: LocalMarket) -> None:
    order = await a_sale(market, FAILING_REFUND)
    await market.refund(refund_of(order))
    await is_given_back(market, order)
    await later(market)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    charge = await charge_of(market, order)
    assert (charge.status, charge.refunding, charge.failure) == (ChargeStatus.COMPLETED, False, "lost_or_stolen_card")
    assert (await order_now(market, order)).cancel_reason is CancelReason.REFUNDED


async def test_a_refund_that_failed_is_not_repeated_by_itself(market: LocalMarket) -> None:
    order = await a_sale(market, FAILING_REFUND)
    await market.refund(refund_of(order))
    await later(market)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    charge, ended = await charge_of(market, order), await order_now(market, order)
    for _ in range(3):
        await recovered(market)
        await market.resume(ResumePurchase(order.id, reconcile=True))
    assert (await charge_of(market, order), await order_now(market, order)) == (charge, ended)
    assert await refunds_at_stripe(market, order) == ["failed"]


@pytest.mark.parametrize("command", [Pay, ResumePurchase])
async def test_a_failed_refund_of_a_closed_order_is_left_to_the_operator(market: LocalMarket, command: type) -> None:
    # The operator may have paid the buyer back another way: a refund that is made again would be money twice.
    order = await a_sale(market, FAILING_REFUND)
    await market.refund(refund_of(order))
    await later(market)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    again = Pay(order.id, VISA) if command is Pay else ResumePurchase(order.id)
    assert await market.purchases.handle(again) == OrderClosed()
    assert await refunds_at_stripe(market, order) == ["failed"]


# Processes that end on the way

AFTER_THE_WISH = [
    pytest.param(StartRefund, False, id="after the wish"),
    pytest.param(ReverseCharge, True, id="before the money"),
    pytest.param(ReverseCharge, False, id="after the money"),
    pytest.param(CancelSale, True, id="before the end of the order"),
    pytest.param(CancelSale, False, id="after the end of the order"),
]


async def refund_until_it_dies(market: LocalMarket, order: Order, at: type, *, before: bool) -> None:
    with pytest.raises(ActorDiedError):
        await purchases(market, Interrupted(market, at, before=before)).handle(refund_of(order))


@pytest.mark.parametrize(("at", "before"), AFTER_THE_WISH)
async def test_a_stalled_refund_is_finished_by_the_supervisor(market: LocalMarket, at: type, *, before: bool) -> None:
    order = await a_sale(market)
    await refund_until_it_dies(market, order, at, before=before)
    await recovered(market)
    await is_given_back(market, order)


@pytest.mark.parametrize(("at", "before"), [*AFTER_THE_WISH, pytest.param(StartRefund, True, id="before the wish")])
async def test_a_stalled_refund_can_be_requested_again(market: LocalMarket, at: type, *, before: bool) -> None:
    order = await a_sale(market)
    await refund_until_it_dies(market, order, at, before=before)
    answer = expect(PaymentAnswer, await market.refund(refund_of(order)))
    assert answer.order.cancel_reason is CancelReason.REFUNDED
    await is_given_back(market, order)


async def test_a_refund_that_stalled_before_it_was_recorded_leaves_the_sale_alone(market: LocalMarket) -> None:
    order = await a_sale(market)
    await refund_until_it_dies(market, order, StartRefund, before=True)
    await recovered(market)
    await stands(market, order)
    assert await money(market, order) == TAKEN


async def test_without_the_supervisor_a_stalled_refund_is_not_finished_and_reconciliation_finds_it(
    market: LocalMarket,
) -> None:
    order = await a_sale(market)
    await refund_until_it_dies(market, order, ReverseCharge, before=True)
    with pytest.raises(AssertionError):
        await is_given_back(market, order)
    assert (await order_now(market, order)).refunding


async def test_the_refund_of_a_sale_that_was_not_captured_voids_its_charge(market: LocalMarket) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Capture, before=True)
    expect(PaymentAnswer, await market.refund(refund_of(order)))
    now = await order_now(market, order)
    assert (now.status, now.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.REFUNDED)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
    assert (await charge_of(market, order)).status is ChargeStatus.VOIDED
    assert await money(market, order) == {"canceled": 1, "taken": 0, "given back": 0}


# Many at once


async def test_two_simultaneous_refunds_make_one_at_stripe(market: LocalMarket) -> None:
    order = await a_sale(market)
    answers = await asyncio.gather(market.refund(refund_of(order)), market.refund(refund_of(order)))
    ended = [expect(PaymentAnswer, answer) for answer in answers]
    assert {answer.charge.status for answer in ended} == {ChargeStatus.REFUNDED}
    await is_given_back(market, order)


async def test_simultaneous_refunds_at_different_actors_make_one_at_stripe(market: LocalMarket) -> None:
    order = await a_sale(market)
    actors = [purchases(market, market) for _ in range(5)]
    await asyncio.gather(*(actor.handle(refund_of(order)) for actor in actors))
    await is_given_back(market, order)


async def test_a_payment_and_then_a_refund_at_once_have_each_its_own_answer(market: LocalMarket) -> None:
    order = await an_order(market)
    paid, back = await asyncio.gather(market.pay(Pay(order.id, VISA)), market.refund(refund_of(order)))
    sold, ended = expect(PaymentAnswer, paid), expect(PaymentAnswer, back)
    assert (sold.fresh, sold.order.status, sold.charge.status) == (True, OrderStatus.COMPLETE, ChargeStatus.COMPLETED)
    assert (ended.order.status, ended.charge.status) == (OrderStatus.CANCELLED, ChargeStatus.REFUNDED)
    await is_given_back(market, order)


async def test_a_refund_and_then_a_payment_at_once_have_each_its_own_answer(market: LocalMarket) -> None:
    order = await a_sale(market)
    back, paid = await asyncio.gather(market.refund(refund_of(order)), market.pay(Pay(order.id, VISA)))
    assert expect(PaymentAnswer, back).charge.status is ChargeStatus.REFUNDED
    assert paid == OrderClosed()
    await is_given_back(market, order)


async def test_a_refund_by_somebody_else_meets_the_sellers_and_is_refused(market: LocalMarket) -> None:
    order = await a_sale(market)
    theirs, others = await asyncio.gather(
        market.refund(refund_of(order)), market.refund(RefundOrder(order.id, order.buyer_id))
    )
    assert isinstance(theirs, PaymentAnswer)
    assert others == NotOwner()


async def test_a_sellers_refund_succeeds_beside_a_refused_one_by_somebody_else(market: LocalMarket) -> None:
    order = await a_sale(market)
    others, theirs = await asyncio.gather(
        market.refund(RefundOrder(order.id, order.buyer_id)), market.refund(refund_of(order))
    )
    assert others == NotOwner()
    expect(PaymentAnswer, theirs)
    await is_given_back(market, order)


# Answers that are lost


class LosesAnswers(Stripe):
    """Makes refunds and does not tell, as long as it `loses`. With `forgets` it does not know its keys again."""

    loses = True
    forgets = False

    def __init__(self, market: LocalMarket) -> None:
        super().__init__(market.stripe._client, market.stripe._transport)
        self.keys: list[str] = []

    async def refund(self, intent_id: str, *, amount: int, idempotency_key: str) -> Refund:
        self.keys.append(idempotency_key)
        key = f"{idempotency_key}-{len(self.keys)}" if self.forgets else idempotency_key
        refund = await super().refund(intent_id, amount=amount, idempotency_key=key)
        if self.loses:
            raise OutcomeUnknown
        return refund


def losing(market: LocalMarket) -> LosesAnswers:
    stripe = LosesAnswers(market)
    market.payments = ChargeWorkflow(market.charges.host, stripe, market.connections.clock)
    return stripe


async def test_a_refund_whose_answer_is_lost_is_made_once(market: LocalMarket) -> None:
    order = await a_sale(market)
    stripe = losing(market)
    answer = expect(PaymentAnswer, await market.refund(refund_of(order)))
    assert (answer.order.refunding, answer.charge.refunding) == (True, True)
    assert len(stripe.keys) > 1
    assert set(stripe.keys) == {f"charge:{answer.charge.id}:refund:1"}
    stripe.loses = False
    await recovered(market)
    await is_given_back(market, order)


async def test_a_refund_whose_idempotency_key_stripe_has_forgotten_is_made_once(market: LocalMarket) -> None:
    order = await a_sale(market)
    stripe = losing(market)
    await market.refund(refund_of(order))
    stripe.loses, stripe.forgets = False, True
    asked = len(stripe.keys)
    await recovered(market)
    assert len(stripe.keys) == asked
    await is_given_back(market, order)


class CapturesNothing(Stripe):
    """Fails whenever it is to take money, without doing it."""

    async def capture(self, intent_id: str, *, amount: int, idempotency_key: str) -> Intent:
        raise ServerFailed(f"{intent_id} {amount} {idempotency_key}")


async def test_a_refund_of_a_sale_that_cannot_be_captured_yet_ends_with_the_ticket_for_sale(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Capture, before=True)
    own = market.payments
    failing = CapturesNothing(market.stripe._client, market.stripe._transport)
    market.payments = ChargeWorkflow(market.charges.host, failing, market.connections.clock)
    answer = await market.refund(refund_of(order))
    market.payments = own
    for _ in range(3):
        await recovered(market)
    ended = await order_now(market, order)
    assert ended.status is OrderStatus.CANCELLED, answer
    found = await money(market, order)
    assert found["taken"] == found["given back"]
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
