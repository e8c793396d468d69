"""Refunds that Stripe refuses, that somebody makes by hand, or that fail when they had succeeded."""

from dataclasses import replace

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay, ResumePurchase
from actors.domain.refusals import OrderClosed, RefundRefused
from actors.domain.ticket_values import CancelReason, Order
from actors.stripe.sandbox.payment_intent import PaymentIntent
from tests.support.buying import VISA, changed_at_stripe, charge_of, intents_of, money, order_now, recovered
from tests.support.local_market import LocalMarket
from tests.support.refunding import (
    DISPUTED,
    FAILING_REFUND,
    TAKEN,
    a_sale,
    is_given_back,
    later,
    refund_of,
    refunds_at_stripe,
    stands,
)
from tests.support.trading import expect


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
