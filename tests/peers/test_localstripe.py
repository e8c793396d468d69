"""The payments against a Stripe that somebody else wrote: `make peers`.

The sandbox and the code that it tests have the same authors, and so may have the same misunderstandings.
"""

import asyncio

import aiohttp
import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_commands import Capture
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.purchase_commands import Pay, RefundOrder, ResumePurchase
from actors.domain.refusals import OrderClosed, UnknownPaymentMethod
from actors.domain.ticket_commands import CancelOrder, Sell
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.storage.ledger_reader import reconcile
from actors.stripe import Intent, connect
from actors.stripe.errors import InvalidState
from tests.support.buying import (
    DECLINED,
    UNKNOWN,
    VISA,
    WANTS_ACTION,
    an_order,
    order_now,
    pay_until_it_dies,
    recovered,
)
from tests.support.local_market import LocalMarket
from tests.support.trading import as_it_is, expect

pytestmark = pytest.mark.peer
PRICE = 5_000


async def paid(market: LocalMarket, method: str = VISA) -> PaymentAnswer:
    order = await an_order(market)
    return expect(PaymentAnswer, await market.pay(Pay(order.id, method)))


async def charge_of(market: LocalMarket, order: Order) -> Charge:
    return (await market.connections.queries.charges_of(order.id))[-1]


async def confirmed_intents(market: LocalMarket, order: Order) -> list[Intent]:
    """The order's intents at the peer, those aside that never had a card charged."""
    intents = [intent async for intent in market.stripe.intents() if intent.metadata["orderId"] == order.id]
    return [intent for intent in intents if intent.status != "requires_confirmation"]


async def test_a_payment_is_authorised_and_captured(market: LocalMarket) -> None:
    answer = await paid(market)
    assert (answer.order.status, answer.charge.status, answer.fresh) == (
        OrderStatus.COMPLETE,
        ChargeStatus.COMPLETED,
        True,
    )
    [intent] = await confirmed_intents(market, answer.order)
    assert (intent.id, intent.status, intent.amount_received) == (answer.charge.stripe_id, "succeeded", PRICE)
    assert intent.metadata["chargeId"] == answer.charge.id


async def test_ten_simultaneous_payments_take_the_money_once(market: LocalMarket) -> None:
    order = await an_order(market)
    answers = await asyncio.gather(*(market.pay(Pay(order.id, VISA)) for _ in range(10)))
    assert len({expect(PaymentAnswer, answer).charge.id for answer in answers}) == 1
    assert [intent.amount_received for intent in await confirmed_intents(market, order)] == [PRICE]


async def test_a_declined_card_cancels_the_order_and_takes_nothing(market: LocalMarket) -> None:
    answer = await paid(market, DECLINED)
    assert (answer.order.cancel_reason, answer.charge.status) == (CancelReason.DECLINED, ChargeStatus.FAILED)
    assert answer.charge.failure == "card_declined"
    assert (await as_it_is(market, answer.order.ticket_id)).status is TicketStatus.AVAILABLE
    [intent] = await confirmed_intents(market, answer.order)
    assert (intent.status, intent.amount_received) == ("canceled", 0)


async def test_an_unknown_payment_method_leaves_the_order_open(market: LocalMarket) -> None:
    order = await an_order(market)
    assert await market.pay(Pay(order.id, UNKNOWN)) == UnknownPaymentMethod()
    assert (await order_now(market, order)).is_open
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, VISA))).order.status is OrderStatus.COMPLETE


@pytest.mark.parametrize(
    ("succeeds", "status", "reason"),
    [(True, OrderStatus.COMPLETE, None), (False, OrderStatus.CANCELLED, CancelReason.DECLINED)],
)
async def test_a_card_that_needs_3d_secure_waits_for_the_buyer(
    market: LocalMarket, peer: str, *, succeeds: bool, status: OrderStatus, reason: CancelReason | None
) -> None:
    answer = await paid(market, WANTS_ACTION)
    assert (answer.order.status, answer.charge.action_required) == (OrderStatus.AWAITING_PAYMENT, True)
    dialog = {"client_secret": str(answer.client_secret), "success": "true" if succeeds else "false"}
    async with (
        aiohttp.ClientSession() as bank,
        bank.post(f"{peer}/v1/payment_intents/{answer.charge.stripe_id}/_authenticate", data=dialog) as shown,
    ):
        assert shown.status == 200
    await market.resume(ResumePurchase(answer.order.id))
    order = await order_now(market, answer.order)
    assert (order.status, order.cancel_reason) == (status, reason)


async def test_a_refund_gives_the_money_back_once(market: LocalMarket) -> None:
    sale = (await paid(market)).order
    for _ in range(2):
        answer = expect(PaymentAnswer, await market.refund(RefundOrder(sale.id, sale.seller_id)))
        assert (answer.order.cancel_reason, answer.charge.status) == (CancelReason.REFUNDED, ChargeStatus.REFUNDED)
    assert (await as_it_is(market, sale.ticket_id)).status is TicketStatus.AVAILABLE
    [refund] = await market.stripe.refunds_of(str(answer.charge.stripe_id))
    assert (refund.id, refund.amount) == (answer.charge.stripe_refund_id, PRICE)


async def test_a_refund_that_was_made_by_hand_is_found_and_not_repeated(market: LocalMarket) -> None:
    sale = await paid(market)
    intent_id = str(sale.charge.stripe_id)
    by_hand = await market.stripe.refund(intent_id, amount=PRICE, idempotency_key="by hand")
    await market.resume(ResumePurchase(sale.order.id, reconcile=True))
    assert (await order_now(market, sale.order)).cancel_reason is CancelReason.REFUNDED
    assert [refund.id for refund in await market.stripe.refunds_of(intent_id)] == [by_hand.id]


async def test_a_payment_whose_order_was_cancelled_meanwhile_is_voided(market: LocalMarket) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Sell, before=True)
    await market.ask_ticket(CancelOrder(order.ticket_id, order.id))
    await recovered(market)
    assert (await charge_of(market, order)).status is ChargeStatus.VOIDED
    [intent] = await confirmed_intents(market, order)
    assert (intent.status, intent.amount_received) == ("canceled", 0)
    with pytest.raises(InvalidState):
        await market.stripe.capture(intent.id, amount=PRICE, idempotency_key="too late")


async def test_a_capture_whose_answer_nobody_heard_is_not_repeated(market: LocalMarket) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Capture, before=True)
    [intent] = await confirmed_intents(market, order)
    await market.stripe.capture(intent.id, amount=PRICE, idempotency_key="another")
    await recovered(market)
    assert (await order_now(market, order)).status is OrderStatus.COMPLETE
    assert (await charge_of(market, order)).status is ChargeStatus.COMPLETED


async def test_a_sale_whose_money_is_gone_is_cancelled(market: LocalMarket) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Capture, before=True)
    [intent] = await confirmed_intents(market, order)
    await market.stripe.cancel(intent.id, idempotency_key="by hand")
    assert await market.pay(Pay(order.id, VISA)) == OrderClosed()
    assert (await order_now(market, order)).cancel_reason is CancelReason.CAPTURE_FAILED
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE


async def test_reconciliation_agrees_with_the_peer_to_the_cent(market: LocalMarket) -> None:
    for method in (VISA, VISA, DECLINED):
        await paid(market, method)
    refunded = (await paid(market)).order
    await market.refund(RefundOrder(refunded.id, refunded.seller_id))
    report = await reconcile(market.connections.database, market.stripe, market.connections.clock, margin=-60_000)
    assert report.violations == set()
    assert (report.captured["usd"], report.refunded["usd"], report.sold["usd"]) == (3 * PRICE, PRICE, 2 * PRICE)


async def test_reconciliation_finds_money_taken_behind_our_back(market: LocalMarket, peer: str) -> None:
    sale = await paid(market)
    stranger = connect(api_key="sk_test_peer", api_base=peer)
    intent = await stranger.create_intent(
        amount=PRICE,
        currency="usd",
        payment_method=VISA,
        metadata={"orderId": sale.order.id, "chargeId": sale.charge.id},
        idempotency_key="stranger",
    )
    await stranger.confirm(intent.id, idempotency_key="stranger confirms")
    await stranger.capture(intent.id, amount=PRICE, idempotency_key="stranger captures")
    await stranger.aclose()
    report = await reconcile(market.connections.database, market.stripe, market.connections.clock, margin=-60_000)
    assert {violation.id for violation in report.violations} >= {intent.id}
