"""What a round of the Supervisor does about unhandled webhook events and stalled purchases, and in which order."""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.instants import Instant
from actors.domain.purchase_commands import ResumePurchase
from actors.domain.refusals import NotFound, Refusal
from actors.domain.ticket_values import Order
from actors.payments.webhook_events import BATCH, ReceivedWebhookEvent, WebhookEventHandler
from actors.runtime.ports import StoreUnavailableError
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
from tests.support.eventually import eventually
from tests.support.examples import NOW, new_id
from tests.support.recording import Recording


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
