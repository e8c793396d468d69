"""Refunds and payments of one order at the same time: one refund at Stripe, and an answer for each."""

import asyncio

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay, RefundOrder
from actors.domain.refusals import NotOwner, OrderClosed
from actors.domain.ticket_values import OrderStatus
from tests.support.buying import VISA, an_order, purchases
from tests.support.local_market import LocalMarket
from tests.support.refunding import a_sale, is_given_back, refund_of
from tests.support.trading import expect


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
