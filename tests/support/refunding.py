"""Sales and their refunds at Stripe."""

import time

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import Charge
from actors.domain.purchase_commands import Pay, RefundOrder
from actors.domain.ticket_values import Order
from actors.stripe.sandbox.sandbox import SETTLE_SECONDS
from tests.support.buying import VISA, an_order, intents_of
from tests.support.local_market import LocalMarket
from tests.support.trading import expect


async def a_sale(market: LocalMarket, method: str = VISA) -> Order:
    """An order that was paid."""
    order = await an_order(market)
    return expect(PaymentAnswer, await market.pay(Pay(order.id, method))).order


def refund_of(order: Order) -> RefundOrder:
    return RefundOrder(order.id, order.seller_id)


async def charge_of(market: LocalMarket, order: Order) -> Charge:
    (charge,) = await market.connections.queries.charges_of(order.id)
    return charge


async def refunds_at_stripe(market: LocalMarket, order: Order) -> list[str]:
    """How the refunds of an order stand in the ledger."""
    return [refund.status for intent in await intents_of(market, order) for refund in intent.refunds]


async def later(market: LocalMarket) -> None:
    """Whatever the bank of the buyer does by itself has happened."""
    sandbox = market.account.sandbox
    assert sandbox is not None
    sandbox.now = lambda: time.time() + SETTLE_SECONDS + 1
    await sandbox.settle_due()
