"""Refunds through the ticket, the charge and the sandbox: the money goes back once, and then the ticket is for sale."""

from dataclasses import replace

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay, RefundOrder, ResumePurchase
from actors.domain.refusals import NotFound, NotOwner, OrderClosed, OrderNotPaid, ShowStarted
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.stripe.client import Stripe
from actors.stripe.errors import ServerFailed
from actors.stripe.resources import Refund
from actors.stripe.sandbox.payment_intent import PaymentIntent
from tests.support.buying import VISA, an_order, changed_at_stripe, money, order_now, recovered, through
from tests.support.eventually import eventually
from tests.support.examples import DETAILS, new_id
from tests.support.local_market import LocalMarket
from tests.support.refunding import (
    PENDING_REFUND,
    TAKEN,
    a_sale,
    is_given_back,
    later,
    refund_of,
    refunds_at_stripe,
    stands,
)
from tests.support.trading import a_ticket, as_it_is, expect, held


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
    through(market, broken)
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
