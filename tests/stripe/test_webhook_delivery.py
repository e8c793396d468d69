"""Delivery over HTTP: signed, until it is accepted, and never more in memory than a bound."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence

import pytest

from actors.stripe.sandbox import Ledger, MemoryLedger, Sandbox, SandboxHTTPClient
from actors.stripe.sandbox.endpoint import Endpoint
from actors.stripe.sandbox.ledger_entry import Event, PendingWebhook
from actors.stripe.sandbox.webhook_delivery import IN_HAND, pause_after
from tests.stripe.ledgers import AwayLedger
from tests.stripe.webhook import DEADLINE_SECONDS, SECRET, Webhook, delivering, delivery_to, serving, until
from tests.stripe.wire import NOW, Clock, Wire

HELD = "payment_intent.amount_capturable_updated"
TAKEN = "payment_intent.succeeded"


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with serving(Webhook()) as served:
        yield served


async def left(ledger: Ledger) -> Sequence[PendingWebhook]:
    return await ledger.pending_webhooks(NOW + 10_000_000, 1000, ())


async def until_left(ledger: Ledger, condition: Callable[[Sequence[PendingWebhook]], bool]) -> None:
    """Wait for what is left to be so; it fails the test when it is not in time."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition(await left(ledger)):  # noqa: ASYNC110  # the ledger tells nobody when it changes
            await asyncio.sleep(0.005)


async def until_nothing_is_left(ledger: Ledger) -> None:
    await until_left(ledger, lambda found: not found)


async def test_webhooks_are_delivered_as_stripe_does(
    webhook: Webhook, sandbox: Sandbox, wire: Wire, ledger: Ledger
) -> None:
    async with delivering(delivery_to(webhook, sandbox)):
        await wire.captured()
        await until(lambda: len(webhook.events) == 2)
        await until_nothing_is_left(ledger)
    assert webhook.types == [HELD, TAKEN]
    webhook.verify(NOW)
    headers = webhook.requests[0].headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["User-Agent"].startswith("Stripe/1.0")


async def test_a_new_webhook_event_of_the_same_process_is_delivered_at_once(
    webhook: Webhook, sandbox: Sandbox, wire: Wire, ledger: Ledger
) -> None:
    intent_id = await wire.intent(payment_method="pm_card_visa")
    async with delivering(delivery_to(webhook, sandbox, poll_seconds=1000)):
        await until_nothing_is_left(ledger)
        await wire.post(f"/v1/payment_intents/{intent_id}/confirm", {})
        await until(lambda: webhook.types == [HELD])


async def test_a_webhook_event_of_another_process_is_found_by_polling(
    webhook: Webhook, ledger: Ledger, wire: Wire, clock: Clock
) -> None:
    async with delivering(delivery_to(webhook, Sandbox(ledger, now=clock))):
        await wire.captured()
        await until(lambda: webhook.types == [HELD, TAKEN])


@pytest.mark.parametrize("status", [300, 302, 400, 404, 500, 503])
async def test_only_a_2xx_answer_accepts_a_webhook(webhook: Webhook, status: int) -> None:
    webhook.status = status
    endpoint = Endpoint(webhook.url, SECRET)
    async with endpoint.session() as http:
        assert not await endpoint.accepts(Event("evt_1", TAKEN, "{}"), http, NOW)


async def test_a_webhook_that_is_not_accepted_is_delivered_again_later(
    webhook: Webhook, ledger: Ledger, clock: Clock
) -> None:
    sandbox = Sandbox(ledger, now=clock, event_types={TAKEN})
    wire = Wire(SandboxHTTPClient(sandbox))
    webhook.status = 500
    async with delivering(delivery_to(webhook, sandbox)):
        await wire.captured()
        for attempts, seconds in ((1, 1.0), (2, 2.0), (3, 4.0)):
            await until(lambda: len(webhook.events) == attempts)  # noqa: B023  # waited for within the turn
            await until_left(ledger, lambda found: [one.attempts for one in found] == [attempts])  # noqa: B023
            assert [one.due_at - clock.time for one in await left(ledger)] == [seconds]
            clock.time += seconds
        webhook.status = 204
        await until_nothing_is_left(ledger)
    assert len({event["id"] for event in webhook.events}) == 1
    webhook.verify(clock.time)


def test_the_pause_between_webhook_attempts_doubles_up_to_a_minute() -> None:
    assert [pause_after(attempts) for attempts in (0, 1, 2, 3, 4, 5, 6, 5000)] == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_webhook_event_is_given_up_after_three_days(
    webhook: Webhook, sandbox: Sandbox, wire: Wire, ledger: Ledger, clock: Clock
) -> None:
    await wire.captured()
    clock.time += 3 * 24 * 3600 + 1
    async with delivering(delivery_to(webhook, sandbox)):
        await until_nothing_is_left(ledger)
    assert webhook.events == []


async def test_a_webhook_that_is_away_gets_its_events_when_it_is_back(
    sandbox: Sandbox, wire: Wire, ledger: Ledger, clock: Clock
) -> None:
    webhook = Webhook()
    webhook.url = "http://127.0.0.1:1/webhook"
    await wire.captured()
    async with delivering(delivery_to(webhook, sandbox)):
        await until_left(ledger, lambda found: [one.attempts for one in found] == [1, 1])
    clock.time += 60
    async with serving(webhook), delivering(delivery_to(webhook, sandbox)):
        await until(lambda: webhook.types == [HELD, TAKEN])


async def test_a_webhook_that_does_not_answer_has_not_accepted(webhook: Webhook, wire: Wire, ledger: Ledger) -> None:
    webhook.is_silent = True
    await wire.captured()
    endpoint = Endpoint(webhook.url, SECRET, timeout_seconds=0.05)
    async with endpoint.session() as http:
        assert not await endpoint.accepts((await left(ledger))[0].events[0], http, NOW)


async def test_silent_webhooks_do_not_delay_the_others(webhook: Webhook, clock: Clock) -> None:
    ledger = MemoryLedger()
    sandbox = Sandbox(ledger, now=clock)
    wire = Wire(SandboxHTTPClient(sandbox))
    webhook.is_silent = True
    async with delivering(delivery_to(webhook, sandbox)):
        await wire.captured()
        await until(lambda: len(webhook.events) == 2)
        webhook.is_silent = False
        await wire.captured()
        await until(lambda: len(webhook.events) == 4)
        await until_left(ledger, lambda found: len(found) == 2)


async def test_webhook_delivery_goes_on_after_its_ledger_was_away(webhook: Webhook, clock: Clock) -> None:
    ledger = AwayLedger()
    sandbox = Sandbox(ledger, now=clock)
    wire = Wire(SandboxHTTPClient(sandbox))
    async with delivering(delivery_to(webhook, sandbox)):
        await wire.captured()
        await until(lambda: len(webhook.events) == 2)
        ledger.is_away = True
        await wire.captured()
        await until(lambda: ledger.refusals > 0)
        ledger.is_away = False
        await until(lambda: len({event["id"] for event in webhook.events}) == 4)
        await until_nothing_is_left(ledger)


class CountingLedger(MemoryLedger):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.most_in_hand = 0
        self.removals = 0

    async def pending_webhooks(self, now: float, limit: int, without: Collection[str]) -> Sequence[PendingWebhook]:
        self.most_in_hand = max(self.most_in_hand, limit + len(without))
        return await super().pending_webhooks(now, limit, without)

    async def mark_delivered(self, change_ids: Collection[str]) -> None:
        self.removals += 1
        await super().mark_delivered(change_ids)


async def test_a_flood_of_webhook_events_is_bounded_in_memory_and_recorded_in_bulk(
    webhook: Webhook, clock: Clock
) -> None:
    ledger = CountingLedger()
    sandbox = Sandbox(ledger, now=clock)
    wire = Wire(SandboxHTTPClient(sandbox))
    for _ in range(300):
        await wire.captured()
    async with delivering(delivery_to(webhook, sandbox)):
        await until(lambda: not ledger._webhooks)
    assert len({event["id"] for event in webhook.events}) == 600
    assert ledger.most_in_hand == IN_HAND
    assert ledger.removals < 60


async def test_several_webhook_deliveries_at_once_deliver_everything(
    webhook: Webhook, ledger: Ledger, wire: Wire, clock: Clock
) -> None:
    deliveries = [delivery_to(webhook, Sandbox(ledger, now=clock)) for _ in range(3)]
    async with delivering(deliveries[0]), delivering(deliveries[1]), delivering(deliveries[2]):
        for _ in range(5):
            await wire.captured()
        await until(lambda: len({event["id"] for event in webhook.events}) == 10)
        await until_nothing_is_left(ledger)
