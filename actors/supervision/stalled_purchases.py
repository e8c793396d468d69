"""What the Supervisor does about purchases: those that stand still go on, and webhook events that nobody handled."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from actors.cluster.market import ResumeClient
from actors.domain.instants import Instant
from actors.domain.purchase_commands import ResumePurchase
from actors.payments.webhook_events import BATCH, ReceivedWebhookEvent, WebhookEventHandler
from actors.runtime.ports import Clock

# A purchase takes milliseconds, at most three times Stripe's 10 s; standing still for this long it has lost its actor
# or waits for its buyer, and asking Stripe again does no harm.
STANDS_STILL_MS = 10_000
# Who still waits, for the buyer's bank or for Stripe, is asked less and less often.
LONGEST_PAUSE_MS = 60_000
PAGE = 200
# Failed charges whose intents were not cancelled within an hour are a backlog, looked at a few a second: the release
# that began to cancel finds every decline there ever was, and an account may ask Stripe some 100 times a second
# (https://docs.stripe.com/rate-limits), the purchases of now included.
BACKLOG_MS = 3_600_000
FEW = 5
# Whoever accepted a webhook event handles it within a second.
LEFT_ALONE_MS = 5_000
# A webhook event whose order nobody knows by then is about something else of the same account.
GIVEN_UP_MS = 3_600_000
# Stripe sends an event again for three days, and for a month when an operator asks it to.
KEPT_MS = 35 * 24 * 3_600_000
CLEANING_MS = 3_600_000


logger = structlog.get_logger(__name__)


class StalledPurchaseReads(Protocol):
    """What is read to find purchases that stand still. All raise StoreUnavailableError."""

    async def unsettled_orders(self, before: Instant, skip: int, most: int) -> list[str]:
        """Orders whose money is on the way and that nothing happened to since `before`, the longest first."""

    async def orders_of_unsettled_charges(self, before: Instant, skip: int, most: int) -> list[str]:
        """Orders with a charge that Stripe may hold money for and that nothing happened to since `before`."""

    async def orders_of_payable_charges(self, after: Instant, before: Instant, skip: int, most: int) -> list[str]:
        """Orders with a charge that failed in [after, before) and whose intent may still be paid, the oldest first."""


class Inbox(Protocol):
    """Where webhook events are kept. All raise StoreUnavailableError."""

    async def unhandled(self, after: Instant, before: Instant, most: int) -> list[ReceivedWebhookEvent]:
        """Those that arrived in [after, before) and were not handled."""

    async def forget_before(self, at: Instant) -> None:
        """Drops what arrived before the instant."""


@dataclass(frozen=True, slots=True)
class _Pause:
    until: Instant
    length_ms: int


class StalledPurchases:
    """One round after the other, each with the next page of what stands still, so that nobody is left out."""

    def __init__(
        self,
        store: StalledPurchaseReads,
        inbox: Inbox,
        webhook_events: WebhookEventHandler,
        market: ResumeClient,
        clock: Clock,
    ) -> None:
        self._inbox = inbox
        self._webhook_events = webhook_events
        self._market = market
        self._clock = clock
        self._store = store
        self._pages = [
            _Page(store.unsettled_orders),
            _Page(store.orders_of_unsettled_charges),
            _Page(self._failed_lately),
            _Page(self._failed_long_ago, FEW),
        ]
        self._unhandled = 0
        self._pauses: dict[str, _Pause] = {}
        self._cleaned: Instant = 0

    async def round(self) -> None:
        """Raises StoreUnavailableError; what was done until then may be done again."""
        now = self._clock.now()
        await self._resume(now)
        await self._catch_up(now)
        if now - self._cleaned > CLEANING_MS:
            await self._inbox.forget_before(now - KEPT_MS)
            self._cleaned = now

    async def _resume(self, now: Instant) -> None:
        self._pauses = {order: pause for order, pause in self._pauses.items() if now < pause.until + LONGEST_PAUSE_MS}
        still: dict[str, None] = {}
        for page in self._pages:
            still.update(dict.fromkeys(await page.next(now - STANDS_STILL_MS)))
        due = [order for order in still if order not in self._pauses or self._pauses[order].until <= now]
        for order in due:
            earlier = self._pauses.get(order)
            length_ms = min(earlier.length_ms * 2, LONGEST_PAUSE_MS) if earlier else STANDS_STILL_MS
            self._pauses[order] = _Pause(now + length_ms, length_ms)
            logger.info("purchase_resumed", order=order)
        # Whatever comes of these, the next round looks again.
        await asyncio.gather(*(self._market.resume(ResumePurchase(order)) for order in due))

    async def _failed_lately(self, before: Instant, skip: int, most: int) -> list[str]:
        return await self._store.orders_of_payable_charges(before - BACKLOG_MS, before, skip, most)

    async def _failed_long_ago(self, before: Instant, skip: int, most: int) -> list[str]:
        return await self._store.orders_of_payable_charges(0, before - BACKLOG_MS, skip, most)

    async def _catch_up(self, now: Instant) -> None:
        """Webhook events whose replica died before it handled them, or whose object was not known yet."""
        found = await self._inbox.unhandled(max(self._unhandled, now - GIVEN_UP_MS), now - LEFT_ALONE_MS, BATCH)
        self._unhandled = found[-1].at if len(found) == BATCH else 0
        await self._webhook_events.handle(found)


class _Page:
    """A walk through what one query finds, from the start again when it is through.

    What is settled meanwhile moves the rest forward, so a walk may miss some: the next one finds them.
    """

    def __init__(self, find: Callable[[Instant, int, int], Awaitable[list[str]]], most: int = PAGE) -> None:
        self._find = find
        self._most = most
        self._skip = 0

    async def next(self, before: Instant) -> list[str]:
        found = await self._find(before, self._skip, self._most)
        self._skip = self._skip + self._most if len(found) == self._most else 0
        return found
