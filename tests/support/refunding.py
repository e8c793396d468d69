"""Sales and their refunds at Stripe."""

import time

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay, RefundOrder, ResumePurchase
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.stripe.sandbox.sandbox import SETTLE_SECONDS
from tests.support.buying import VISA, an_order, charge_of, intents_of, money, order_now
from tests.support.local_market import LocalMarket
from tests.support.trading import as_it_is, expect

PRICE = 5_000
PENDING_REFUND = "pm_card_pendingRefund"
FAILING_REFUND = "pm_card_refundFail"
DISPUTED = "pm_card_createDispute"
TAKEN = {"succeeded": 1, "taken": PRICE, "given back": 0}
GIVEN_BACK = {"succeeded": 1, "taken": PRICE, "given back": PRICE}


async def a_sale(market: LocalMarket, method: str = VISA) -> Order:
    """An order that was paid."""
    order = await an_order(market)
    return expect(PaymentAnswer, await market.pay(Pay(order.id, method))).order


def refund_of(order: Order) -> RefundOrder:
    return RefundOrder(order.id, order.seller_id)


async def refunds_at_stripe(market: LocalMarket, order: Order) -> list[str]:
    """How the refunds of an order stand in the ledger."""
    return [refund.status for intent in await intents_of(market, order) for refund in intent.refunds]


async def later(market: LocalMarket) -> None:
    """Whatever the bank of the buyer does by itself has happened."""
    sandbox = market.account.sandbox
    assert sandbox is not None
    sandbox.now = lambda: time.time() + SETTLE_SECONDS + 1
    await sandbox.settle_due()


async def a_failed_refund(market: LocalMarket) -> Order:
    """An order that is over, and whose money came back to us after it was refunded."""
    order = await a_sale(market, FAILING_REFUND)
    await market.refund(refund_of(order))
    await later(market)
    await market.resume(ResumePurchase(order.id, reconcile=True))
    return await order_now(market, order)


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
