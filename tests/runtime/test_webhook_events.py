"""What becomes of Stripe's webhook events, and of purchases that wait for a bank."""

import asyncio
import time

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay, ResumePurchase
from actors.domain.refusals import NotFound, Overloaded, Refusal, Unavailable
from actors.domain.ticket_commands import CancelOrder
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.payments.webhook_events import ReceivedWebhookEvent, WebhookEventHandler
from actors.storage.webhook_inbox import WebhookInbox
from actors.stripe.sandbox import Sandbox
from actors.stripe.sandbox.sandbox import SETTLE_SECONDS
from actors.stripe.webhooks import WebhookEvent, read_event, sign
from config.settings import Settings
from holdfast.cancellation import cancel_until_ended
from tests.support.buying import DECLINED, VISA, WANTS_ACTION, an_order, charge_of, money, order_now, recovered
from tests.support.eventually import eventually
from tests.support.examples import NOW, new_id
from tests.support.local_market import LocalMarket, local_market
from tests.support.recording import Recording
from tests.support.trading import as_it_is, expect

PRICE = 5_000
SECRET = "whsec_test"


def sandbox_of(market: LocalMarket) -> Sandbox:
    assert market.account.sandbox is not None
    return market.account.sandbox


def inbox_of(market: LocalMarket) -> WebhookInbox:
    return WebhookInbox(market.connections.database)


def handler_of(market: LocalMarket) -> WebhookEventHandler:
    return WebhookEventHandler(inbox_of(market), market.connections.queries, market)


async def event_of(market: LocalMarket, event_type: str) -> WebhookEvent:
    """The webhook event of this type that the sandbox has to deliver, as the webhook reads it."""
    sandbox = sandbox_of(market)
    (body,) = (
        event.body.encode()
        for one in await sandbox.ledger.pending_webhooks(sandbox.now(), 100, ())
        for event in one.events
        if event.type == event_type
    )
    return read_event(body, sign(body, SECRET, time.time()), SECRET, time.time())


async def received(market: LocalMarket, event_type: str) -> ReceivedWebhookEvent:
    """The webhook event, accepted by a replica that does nothing about it yet."""
    at = market.connections.clock.now()
    return expect(ReceivedWebhookEvent, await inbox_of(market).add(await event_of(market, event_type), at))


async def unhandled(market: LocalMarket) -> list[str]:
    end = market.connections.clock.now() + 1
    return [event.id for event in await inbox_of(market).unhandled(0, end, 100)]


async def later(market: LocalMarket) -> None:
    """Whatever the bank of the buyer does by itself has happened."""
    sandbox = sandbox_of(market)
    sandbox.now = lambda: time.time() + SETTLE_SECONDS + 1
    await sandbox.settle_due()


async def a_sale(market: LocalMarket, method: str = VISA) -> Order:
    order = await an_order(market)
    return expect(PaymentAnswer, await market.pay(Pay(order.id, method))).order


async def refunded_by_hand(market: LocalMarket, order: Order) -> None:
    """Somebody gave the money back in Stripe's dashboard."""
    charge = await charge_of(market, order)
    assert charge.stripe_id is not None
    await market.stripe.refund(charge.stripe_id, amount=charge.amount, idempotency_key=new_id())


# The inbox


async def test_a_webhook_event_is_kept_once(market: LocalMarket) -> None:
    await a_sale(market)
    event = await event_of(market, "payment_intent.succeeded")
    first = expect(ReceivedWebhookEvent, await inbox_of(market).add(event, NOW))
    assert await inbox_of(market).add(event, NOW + 1) is None
    assert await inbox_of(market).unhandled(0, NOW + 10, 10) == [first]


async def test_a_webhook_event_delivered_again_after_it_was_handled_stays_handled(market: LocalMarket) -> None:
    await a_sale(market)
    event = await received(market, "payment_intent.succeeded")
    await handler_of(market).handle([event])
    assert await inbox_of(market).add(await event_of(market, "payment_intent.succeeded"), NOW) is None
    assert await unhandled(market) == []


# Cards that want their owner


async def waiting_for_its_bank(market: LocalMarket) -> tuple[Order, str]:
    """An order, and the secret with which its buyer proves who they are."""
    order = await an_order(market)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION)))
    assert answer.client_secret is not None
    return order, answer.client_secret


async def test_a_webhook_event_completes_the_order_when_the_bank_approves(market: LocalMarket) -> None:
    order, secret = await waiting_for_its_bank(market)
    await sandbox_of(market).authenticate(secret, succeeds=True)
    await handler_of(market).handle([await received(market, "payment_intent.amount_capturable_updated")])
    assert (await order_now(market, order)).status is OrderStatus.COMPLETE
    assert await money(market, order) == {"succeeded": 1, "taken": PRICE, "given back": 0}
    assert await unhandled(market) == []


async def test_a_webhook_event_releases_the_ticket_when_the_bank_declines(market: LocalMarket) -> None:
    order, secret = await waiting_for_its_bank(market)
    await sandbox_of(market).authenticate(secret, succeeds=False)
    await handler_of(market).handle([await received(market, "payment_intent.payment_failed")])
    ended = await order_now(market, order)
    assert (ended.status, ended.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.DECLINED)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
    assert await unhandled(market) == []


async def test_the_content_of_a_webhook_event_is_not_believed(market: LocalMarket) -> None:
    order, _ = await waiting_for_its_bank(market)
    lie = WebhookEvent("evt_1", "payment_intent.succeeded", 0, "payment_intent", "pi_1", "pi_1", order.id, None)
    await handler_of(market).handle([expect(ReceivedWebhookEvent, await inbox_of(market).add(lie, NOW))])
    assert (await order_now(market, order)).status is OrderStatus.AWAITING_PAYMENT


@pytest.mark.parametrize("succeeds", [None, True, False])
async def test_an_order_that_ends_while_its_bank_is_asked_has_its_intent_cancelled(
    market: LocalMarket, *, succeeds: bool | None
) -> None:
    order, secret = await waiting_for_its_bank(market)
    await market.ask_ticket(CancelOrder(order.ticket_id, order.id))
    if succeeds is not None:
        await sandbox_of(market).authenticate(secret, succeeds=succeeds)
    await recovered(market)
    assert (await order_now(market, order)).cancel_reason is CancelReason.BUYER
    assert await money(market, order) == {"canceled": 1, "taken": 0, "given back": 0}


async def test_a_webhook_event_of_a_late_approval_voids_the_charge(market: LocalMarket) -> None:
    order, secret = await waiting_for_its_bank(market)
    await market.ask_ticket(CancelOrder(order.ticket_id, order.id))
    await sandbox_of(market).authenticate(secret, succeeds=True)
    await handler_of(market).handle([await received(market, "payment_intent.amount_capturable_updated")])
    assert await money(market, order) == {"canceled": 1, "taken": 0, "given back": 0}
    assert await unhandled(market) == []


async def test_a_webhook_event_of_a_decline_leaves_an_order_that_can_be_paid_again(
    market_settings: Settings,
) -> None:
    async with local_market(market_settings.model_copy(update={"payment_attempts": 2})) as market:
        order = await an_order(market)
        declined = expect(PaymentAnswer, await market.pay(Pay(order.id, DECLINED)))
        assert declined.order.status is OrderStatus.CREATED
        await handler_of(market).handle([await received(market, "payment_intent.payment_failed")])
        now = await order_now(market, order)
        assert (now.status, now.attempt) == (OrderStatus.CREATED, 2)
        assert await unhandled(market) == []


# Outdated webhook events, and events of money that was captured or refunded


async def test_an_outdated_webhook_event_sends_no_message(market: LocalMarket) -> None:
    await a_sale(market)
    recording = Recording(market)
    webhook_events = WebhookEventHandler(inbox_of(market), market.connections.queries, recording)
    types = ("payment_intent.amount_capturable_updated", "payment_intent.succeeded")
    await webhook_events.handle([await received(market, event_type) for event_type in types])
    assert recording.asked == []
    assert await unhandled(market) == []


async def test_all_webhook_events_of_an_order_being_paid_send_one_message(market: LocalMarket) -> None:
    order, secret = await waiting_for_its_bank(market)
    await sandbox_of(market).authenticate(secret, succeeds=True)
    recording = Recording(market)
    webhook_events = WebhookEventHandler(inbox_of(market), market.connections.queries, recording)
    types = ("payment_intent.requires_action", "payment_intent.amount_capturable_updated")
    await webhook_events.handle([await received(market, event_type) for event_type in types])
    assert recording.asked == [ResumePurchase(order.id)]
    assert await unhandled(market) == []


@pytest.mark.parametrize("event_type", ["refund.created", "charge.refunded"])
async def test_a_refund_made_by_hand_ends_the_order(market: LocalMarket, event_type: str) -> None:
    order = await a_sale(market)
    await refunded_by_hand(market, order)
    await handler_of(market).handle([await received(market, event_type)])
    ended = await order_now(market, order)
    assert (ended.status, ended.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.REFUNDED)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
    assert await money(market, order) == {"succeeded": 1, "taken": PRICE, "given back": PRICE}
    assert await unhandled(market) == []


async def test_a_webhook_event_of_a_refund_without_an_order_is_found_by_its_intent(market: LocalMarket) -> None:
    order = await a_sale(market)
    await refunded_by_hand(market, order)
    event = await received(market, "refund.created")
    assert event.order_id is None
    recording = Recording(market)
    await WebhookEventHandler(inbox_of(market), market.connections.queries, recording).handle([event])
    assert recording.asked == [ResumePurchase(order.id, reconcile=True)]


async def test_a_webhook_event_of_a_dispute_is_recorded_at_the_charge_of_its_intent(market: LocalMarket) -> None:
    order = await a_sale(market, "pm_card_createDispute")
    await later(market)
    event = await received(market, "charge.dispute.created")
    assert event.order_id is None
    await handler_of(market).handle([event])
    charge = await charge_of(market, order)
    assert (charge.disputed, charge.status) == ("needs_response", ChargeStatus.COMPLETED)
    assert (await order_now(market, order)).status is OrderStatus.COMPLETE
    assert await unhandled(market) == []


async def test_webhook_events_of_refunds_and_disputes_are_handled_while_the_purchase_goes_on(
    market: LocalMarket,
) -> None:
    order = await a_sale(market)
    await refunded_by_hand(market, order)
    await asyncio.gather(
        market.resume(ResumePurchase(order.id)), market.resume(ResumePurchase(order.id, reconcile=True))
    )
    assert (await order_now(market, order)).cancel_reason is CancelReason.REFUNDED


async def test_a_webhook_event_whose_replica_died_is_handled_by_the_supervisor(market: LocalMarket) -> None:
    order = await a_sale(market)
    await refunded_by_hand(market, order)
    await received(market, "refund.created")
    assert (await order_now(market, order)).status is OrderStatus.COMPLETE
    await recovered(market)
    assert (await order_now(market, order)).cancel_reason is CancelReason.REFUNDED
    assert await unhandled(market) == []


async def test_an_enqueued_webhook_event_is_handled_in_a_moment(market: LocalMarket) -> None:
    order, secret = await waiting_for_its_bank(market)
    await sandbox_of(market).authenticate(secret, succeeds=True)
    webhook_events = handler_of(market)
    webhook_events.enqueue(await received(market, "payment_intent.amount_capturable_updated"))

    async def is_complete() -> bool:
        return (await order_now(market, order)).status is OrderStatus.COMPLETE

    job = asyncio.create_task(webhook_events.run())
    try:
        await eventually(is_complete)
    finally:
        await cancel_until_ended([job])


# What comes too early


@pytest.mark.parametrize("answer", [NotFound(), Unavailable(), Overloaded()])
async def test_a_webhook_event_that_came_too_early_is_kept_for_later(market: LocalMarket, answer: Refusal) -> None:
    order, _ = await waiting_for_its_bank(market)
    event = await received(market, "payment_intent.requires_action")
    recording = Recording(answer=answer)
    await WebhookEventHandler(inbox_of(market), market.connections.queries, recording).handle([event])
    assert recording.asked == [ResumePurchase(order.id)]
    assert await unhandled(market) == [event.id]
