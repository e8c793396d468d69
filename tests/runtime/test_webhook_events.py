"""What becomes of Stripe's webhook events, of purchases that wait for a bank, and of what nobody handled."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import ChargeStatus
from actors.domain.instants import Instant
from actors.domain.purchase_commands import Pay, ResumePurchase
from actors.domain.refusals import NotFound, Overloaded, Refusal, Unavailable
from actors.domain.ticket_commands import CancelOrder
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.payments.webhook_events import BATCH, ReceivedWebhookEvent, WebhookEventHandler
from actors.runtime.ports import StoreUnavailableError
from actors.storage.webhook_inbox import WebhookInbox
from actors.stripe.sandbox import Sandbox
from actors.stripe.sandbox.sandbox import SETTLE_SECONDS
from actors.stripe.webhooks import WebhookEvent, read_event, sign
from actors.supervision.stalled_purchases import (
    BACKLOG_MS,
    FEW,
    GIVEN_UP_MS,
    KEPT_MS,
    LEFT_ALONE_MS,
    LONGEST_PAUSE_MS,
    PAGE,
    STANDS_STILL_MS,
    StalledPurchases,
)
from config.settings import Settings
from tests.support.buying import DECLINED, VISA, WANTS_ACTION, an_order, money, order_now, recovered
from tests.support.eventually import eventually
from tests.support.examples import NOW, new_id
from tests.support.local_market import LocalMarket, local_market
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
    (charge,) = await market.connections.queries.charges_of(order.id)
    assert charge.stripe_id is not None
    await market.stripe.refund(charge.stripe_id, amount=charge.amount, idempotency_key=new_id())


class Recording:
    """Has purchases go on and keeps what it was asked for. With `answer` it answers that and does nothing."""

    def __init__(self, market: LocalMarket | None = None, answer: Refusal | None = None) -> None:
        self.asked: list[ResumePurchase] = []
        self._market = market
        self._answer = answer or Unavailable()

    async def resume(self, command: ResumePurchase) -> PaymentAnswer | Refusal:
        self.asked.append(command)
        return await self._market.resume(command) if self._market else self._answer


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
    (charge,) = await market.connections.queries.charges_of(order.id)
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
        job.cancel()


# What nobody knows, and what is turned away


@pytest.mark.parametrize("answer", [NotFound(), Unavailable(), Overloaded()])
async def test_a_webhook_event_that_came_too_early_is_kept_for_later(market: LocalMarket, answer: Refusal) -> None:
    order, _ = await waiting_for_its_bank(market)
    event = await received(market, "payment_intent.requires_action")
    recording = Recording(answer=answer)
    await WebhookEventHandler(inbox_of(market), market.connections.queries, recording).handle([event])
    assert recording.asked == [ResumePurchase(order.id)]
    assert await unhandled(market) == [event.id]


class Clock:
    """Stands still until it is moved; in ms."""

    def __init__(self) -> None:
        self.at: Instant = NOW

    def now(self) -> Instant:
        return self.at


class Kept:
    """An inbox in memory."""

    def __init__(self, *events: ReceivedWebhookEvent) -> None:
        self.waiting = {event.id: event for event in events}
        self.forgotten: list[Instant] = []

    async def unhandled(self, after: Instant, before: Instant, most: int) -> list[ReceivedWebhookEvent]:
        found = [event for event in self.waiting.values() if after <= event.at < before]
        return sorted(found, key=lambda event: event.at)[:most]

    async def mark_handled(self, event_ids: Collection[str]) -> None:
        for event_id in event_ids:
            del self.waiting[event_id]

    async def forget_before(self, at: Instant) -> None:
        self.forgotten.append(at)


class Standing:
    """What stands still: orders, each since an instant. Knows no documents."""

    def __init__(
        self,
        *orders: tuple[Instant, str],
        charges: Sequence[tuple[Instant, str]] = (),
        payable: Sequence[tuple[Instant, str]] = (),
    ) -> None:
        self._unsettled = sorted(orders)
        self._charges = sorted(charges)
        self.payable = sorted(payable)

    async def unsettled_orders(self, before: Instant, skip: int, most: int) -> list[str]:
        return [order_id for since, order_id in self._unsettled if since < before][skip : skip + most]

    async def orders_of_unsettled_charges(self, before: Instant, skip: int, most: int) -> list[str]:
        return [order_id for since, order_id in self._charges if since < before][skip : skip + most]

    async def orders_of_payable_charges(self, after: Instant, before: Instant, skip: int, most: int) -> list[str]:
        return [order_id for since, order_id in self.payable if after <= since < before][skip : skip + most]

    async def orders(self, ids: Collection[str]) -> dict[str, Order]:
        assert ids
        return {}

    async def charges_by_order(self, order_ids: Collection[str]) -> dict[str, list[object]]:
        return {order_id: [] for order_id in order_ids}

    async def orders_of_intents(self, intent_ids: Collection[str]) -> dict[str, str]:
        assert intent_ids
        return {}


def a_resumption(store: Standing, inbox: Kept, market: Recording, clock: Clock) -> StalledPurchases:
    webhook_events = WebhookEventHandler(inbox, store, market)  # type: ignore[arg-type]  # a store without charges
    return StalledPurchases(store, inbox, webhook_events, market, clock)


def unknown(number: int = 0, at: Instant = NOW, order_id: str | None = None) -> ReceivedWebhookEvent:
    return ReceivedWebhookEvent(f"evt_{number}", "payment_intent.succeeded", at, f"pi_{number}", order_id or new_id())


async def test_a_webhook_event_of_an_unknown_order_is_retried_for_an_hour_and_then_dropped() -> None:
    inbox, market, clock = Kept(unknown()), Recording(answer=NotFound()), Clock()
    stalled_purchases = a_resumption(Standing(), inbox, market, clock)
    asked = []
    for at in (LEFT_ALONE_MS, LEFT_ALONE_MS + 1, GIVEN_UP_MS // 2, GIVEN_UP_MS, GIVEN_UP_MS + 1, 2 * GIVEN_UP_MS):
        clock.at = NOW + at
        await stalled_purchases.round()
        asked.append(len(market.asked))
    assert asked == [0, 1, 2, 3, 3, 3]
    assert len(inbox.waiting) == 1


async def test_webhook_events_of_unknown_orders_do_not_delay_others() -> None:
    known = new_id()
    strangers = [unknown(number, NOW + number) for number in range(2 * BATCH)]
    inbox, market, clock = Kept(*strangers, unknown(9_999, NOW + 9_999, known)), Recording(answer=NotFound()), Clock()
    stalled_purchases = a_resumption(Standing(), inbox, market, clock)
    clock.at = NOW + 60_000
    for _ in range(3):
        await stalled_purchases.round()
    assert known in {command.order_id for command in market.asked}


async def test_a_webhook_event_of_another_type_is_not_asked_about() -> None:
    nothing_of_ours = ReceivedWebhookEvent("evt_1", "payment_intent.succeeded", NOW, "pi_1", "order 7 of another shop")
    inbox, market, clock = Kept(nothing_of_ours), Recording(), Clock()
    clock.at = NOW + 60_000
    await a_resumption(Standing(), inbox, market, clock).round()
    assert market.asked == []


async def test_old_webhook_events_are_deleted_once_an_hour() -> None:
    inbox, clock = Kept(), Clock()
    stalled_purchases = a_resumption(Standing(), inbox, Recording(), clock)
    for _ in range(2 * 3_600):
        await stalled_purchases.round()
        clock.at += 1_000
    assert inbox.forgotten[0] == NOW - KEPT_MS
    assert len(inbox.forgotten) == 2


async def test_webhook_events_are_handled_again_after_the_database_was_away() -> None:
    class AwayOnce(Standing):
        is_away = True

        async def orders(self, ids: Collection[str]) -> dict[str, Order]:
            was_away, self.is_away = self.is_away, False
            if was_away:
                raise StoreUnavailableError("away")
            return await super().orders(ids)

    market = Recording(answer=NotFound())
    first, second = unknown(1), unknown(2)
    webhook_events = WebhookEventHandler(Kept(first, second), AwayOnce(), market)  # type: ignore[arg-type]  # a store without charges
    job = asyncio.create_task(webhook_events.run())
    try:
        webhook_events.enqueue(first)
        await eventually(lambda: not webhook_events._waiting)
        webhook_events.enqueue(second)
        await eventually(lambda: bool(market.asked))
    finally:
        job.cancel()
    assert market.asked == [ResumePurchase(second.order_id or "")]


# Many that wait


async def rounds(stalled_purchases: StalledPurchases, clock: Clock, how_many: int, *, every: int = 1_000) -> None:
    for _ in range(how_many):
        await stalled_purchases.round()
        clock.at += every


def orders_since(*instants: Instant) -> list[tuple[Instant, str]]:
    return [(at, f"{number:024x}") for number, at in enumerate(instants)]


def long_ago() -> Clock:
    """A clock at which what has stood still since NOW has done so for long."""
    clock = Clock()
    clock.at = NOW + 100 * STANDS_STILL_MS
    return clock


@pytest.mark.parametrize("of_charges", [True, False])
async def test_stalled_purchases_that_wait_for_their_banks_do_not_delay_others(*, of_charges: bool) -> None:
    waiting = orders_since(*range(NOW, NOW + 2 * PAGE + 1))
    store = Standing(charges=waiting) if of_charges else Standing(*waiting)
    market, clock = Recording(), long_ago()
    await rounds(a_resumption(store, Kept(), market, clock), clock, 3)
    assert {command.order_id for command in market.asked} == {order_id for _, order_id in waiting}


async def test_old_declines_are_reconciled_a_few_a_round_without_delaying_purchases_and_new_declines() -> None:
    clock = Clock()
    clock.at = NOW + 2 * BACKLOG_MS
    orders = [order_id for _, order_id in orders_since(*[NOW] * (60 * FEW + 2))]
    *old, lately, open_charge = orders
    store = Standing(charges=[(NOW, open_charge)], payable=[(NOW, one) for one in old] + [(clock.at - 60_000, lately)])
    market = Recording()
    stalled_purchases = a_resumption(store, Kept(), market, clock)
    await stalled_purchases.round()
    assert {command.order_id for command in market.asked} == {open_charge, lately, *old[:FEW]}

    for _ in range(59):
        done = len(market.asked)
        clock.at += 1_000
        await stalled_purchases.round()
        assert len({command.order_id for command in market.asked[done:]} - {open_charge, lately}) <= FEW
    assert {command.order_id for command in market.asked} == set(orders)


async def test_purchases_that_stalled_in_the_same_turn_do_not_delay_others() -> None:
    # A turn takes up to 500 messages, and all that it writes has one and the same instant.
    waiting = orders_since(*[NOW] * (PAGE + 100), NOW + 1)
    market, clock = Recording(), long_ago()
    await rounds(a_resumption(Standing(*waiting), Kept(), market, clock), clock, 10)
    assert {command.order_id for command in market.asked} == {order_id for _, order_id in waiting}


async def test_a_stalled_purchase_is_resumed_less_and_less_often() -> None:
    clock = long_ago()
    times: list[Instant] = []

    class Timed(Recording):
        async def resume(self, command: ResumePurchase) -> PaymentAnswer | Refusal:
            times.append(clock.now())
            return await super().resume(command)

    await rounds(a_resumption(Standing((NOW, new_id())), Kept(), Timed(), clock), clock, 300)
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses[:4] == [STANDS_STILL_MS, 2 * STANDS_STILL_MS, 4 * STANDS_STILL_MS, LONGEST_PAUSE_MS]
    assert set(pauses[3:]) == {LONGEST_PAUSE_MS}


async def test_a_stalled_purchase_in_both_lists_is_resumed_once_a_round() -> None:
    waiting = orders_since(NOW, NOW + 1)
    market, clock = Recording(), long_ago()
    await a_resumption(Standing(*waiting, charges=waiting), Kept(), market, clock).round()
    assert set(Counter(command.order_id for command in market.asked).values()) == {1}


async def test_a_purchase_that_has_just_begun_is_not_resumed() -> None:
    market, clock = Recording(), Clock()
    clock.at = NOW + STANDS_STILL_MS
    await a_resumption(Standing((NOW, new_id())), Kept(), market, clock).round()
    assert market.asked == []
