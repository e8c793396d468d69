"""Delivers the sandbox's events to a webhook, as Stripe does (https://docs.stripe.com/webhooks)."""

import asyncio
from contextlib import suppress

import aiohttp
import structlog

from actors.stripe.sandbox.endpoint import Endpoint
from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import LedgerUnavailable
from actors.stripe.sandbox.ledger_entry import PendingWebhook
from actors.stripe.sandbox.sandbox import Sandbox

CONCURRENCY = 16
POLL_SECONDS = 1.0
IN_HAND = 200  # webhooks in memory at most; the others wait in the ledger
GIVEN_UP_SECONDS = 3 * 24 * 3600  # https://docs.stripe.com/webhooks#automatic-retries
LONGEST_PAUSE_SECONDS = 60.0
HELD_BACK_SECONDS = 2.0

logger = structlog.get_logger(__name__)


class WebhookDelivery:
    """Delivers until it is cancelled. What is not answered with a 2xx is delivered again, later and later, for 3 days.

    The events of one change go together. Several processes may share a ledger; an event may then be delivered twice, as
    it may be after a crash, or with another that was not accepted. `endpoint` is the webhook.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        endpoint: Endpoint,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._sandbox = sandbox
        self._ledger = sandbox.ledger
        self._endpoint = endpoint
        self._poll_seconds = poll_seconds
        self._plan = FaultPlan()
        self._in_hand: set[str] = set()
        self._queue: asyncio.Queue[PendingWebhook] = asyncio.Queue()
        self._delivered: list[PendingWebhook] = []
        self._failed: list[PendingWebhook] = []
        self._wake = asyncio.Event()
        # Whether the ledger may have something due that is not in hand; else looking once in a while is enough.
        self._is_behind = True

    async def run(self) -> None:
        """Deliver, and let happen what the sandbox does without a request. To be called once.

        While the ledger is unavailable it waits and goes on.
        """
        self._sandbox.when_announced(self._take_new)
        async with self._endpoint.session() as http, asyncio.TaskGroup() as group:
            group.create_task(self._settle())
            group.create_task(self._feed())
            for _ in range(CONCURRENCY):
                group.create_task(self._deliver(http))

    async def _settle(self) -> None:
        while True:
            try:
                await self._sandbox.settle_due()
            except LedgerUnavailable:
                logger.warning("sandbox_ledger_unavailable")
            await asyncio.sleep(self._poll_seconds)

    async def _feed(self) -> None:
        loop = asyncio.get_running_loop()
        looks_at = loop.time()
        while True:
            # Cleared before recording, so that what is delivered meanwhile makes us record again.
            self._wake.clear()
            try:
                await self._record()
                if self._is_behind or loop.time() >= looks_at:
                    await self._fetch()
                    looks_at = loop.time() + self._poll_seconds
            except LedgerUnavailable:
                logger.warning("sandbox_ledger_unavailable")
                await asyncio.sleep(self._poll_seconds)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0, looks_at - loop.time())):
                    await self._wake.wait()

    async def _fetch(self) -> None:
        """Look for events of other processes, what is to be tried again, and what there was no room for."""
        room = IN_HAND - len(self._in_hand)
        if room < CONCURRENCY:
            return
        self._is_behind = False
        found = await self._ledger.pending_webhooks(self._sandbox.now(), room, self._in_hand)
        self._plan = await self._sandbox.faults.plan()
        for one in found:
            self._take(one)
        self._is_behind |= len(found) == room

    def _take_new(self, webhook: PendingWebhook) -> None:
        if len(self._in_hand) < IN_HAND:
            self._take(webhook)
        else:
            self._is_behind = True

    def _take(self, webhook: PendingWebhook) -> None:
        # It may have been delivered here while it was looked for.
        if webhook.id in self._in_hand:
            return
        self._in_hand.add(webhook.id)
        if self._sandbox.now() - webhook.at > GIVEN_UP_SECONDS:
            self._delivered.append(webhook)
            self._wake.set()
            return
        faults = self._sandbox.faults
        if faults.strikes(self._plan.reorder_webhook):
            later = faults.seconds(HELD_BACK_SECONDS)
            asyncio.get_running_loop().call_later(later, self._queue.put_nowait, webhook)
        else:
            self._queue.put_nowait(webhook)

    async def _deliver(self, http: aiohttp.ClientSession) -> None:
        while True:
            webhook = await self._queue.get()
            is_accepted = await self._is_accepted(webhook, http)
            (self._delivered if is_accepted else self._failed).append(webhook)
            # While others are queued the ledger can wait: it is told of many deliveries at once.
            if self._queue.empty():
                self._wake.set()

    async def _is_accepted(self, webhook: PendingWebhook, http: aiohttp.ClientSession) -> bool:
        for event in webhook.events:
            if not await self._endpoint.accepts(event, http, self._sandbox.now()):
                return False
            if self._sandbox.faults.strikes(self._plan.duplicate_webhook):
                await self._endpoint.accepts(event, http, self._sandbox.now())
        return True

    async def _record(self) -> None:
        """Tell the ledger what became of what is in hand. It stays in hand until the ledger knows."""
        if delivered := [one.id for one in self._delivered]:
            await self._ledger.mark_delivered(delivered)
            del self._delivered[: len(delivered)]  # workers may have added to it meanwhile
            self._in_hand.difference_update(delivered)
        for attempts in {one.attempts for one in self._failed}:
            ids = [one.id for one in self._failed if one.attempts == attempts]
            await self._ledger.postpone(ids, self._sandbox.now() + pause_after(attempts))
            self._failed = [one for one in self._failed if one.id not in ids]
            self._in_hand.difference_update(ids)


def pause_after(attempts: int) -> float:
    """Seconds until the next attempt, after this many that failed before: 1, 2, 4 and so on, at most 60."""
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** min(attempts, 16))
