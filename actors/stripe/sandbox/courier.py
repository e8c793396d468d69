"""Delivers the sandbox's events to a webhook, as Stripe does (https://docs.stripe.com/webhooks)."""

import asyncio
from collections.abc import Collection

import aiohttp
import structlog

from actors.stripe.sandbox.delivery import pause_after, verdict
from actors.stripe.sandbox.endpoint import Endpoint
from actors.stripe.sandbox.events import CREATED, EVENT_TYPES
from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import LedgerUnavailable
from actors.stripe.sandbox.notes import EventNote
from actors.stripe.sandbox.sandbox import Sandbox

CONCURRENCY = 16
POLL_SECONDS = 1.0
IN_HAND = 200  # events in memory at most; the others wait in the ledger
HELD_BACK_SECONDS = 2.0
WANTED = EVENT_TYPES - {CREATED}

logger = structlog.get_logger(__name__)


class Courier:
    """Delivers until it is cancelled. What is not answered with a 2xx is delivered again, later and later, for 3 days.

    Several couriers may share a ledger; an event may then be delivered twice, as it may be after a crash. `types` are
    the events that are wanted, the others are forgotten. `endpoint` is the webhook.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        endpoint: Endpoint,
        *,
        types: Collection[str] = WANTED,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._sandbox = sandbox
        self._ledger = sandbox.ledger
        self._endpoint = endpoint
        self._types = frozenset(types)
        self._poll_seconds = poll_seconds
        self._plan = FaultPlan()
        self._in_hand: set[str] = set()
        self._queue: asyncio.Queue[EventNote] = asyncio.Queue()
        self._delivered: list[EventNote] = []
        self._failed: list[EventNote] = []
        self._wake = asyncio.Event()
        sandbox.when_announced(self._wake.set)

    async def run(self) -> None:
        """Deliver, and let happen what the sandbox does without a request. To be called once.

        While the ledger is unavailable it waits and goes on.
        """
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
        while True:
            # Cleared before looking, so that what is announced while we look makes us look again.
            self._wake.clear()
            try:
                await self._record()
                if await self._fetch():
                    continue
            except LedgerUnavailable:
                logger.warning("sandbox_ledger_unavailable")
                await asyncio.sleep(self._poll_seconds)
                continue
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _fetch(self) -> bool:
        """Whether events were found that were not known to be due."""
        room = IN_HAND - len(self._in_hand)
        if room < CONCURRENCY:
            return False
        now = self._sandbox.now()
        events = await self._ledger.due_events(now, room, self._in_hand)
        intents = await self._ledger.load_all({event.intent_id for event in events}) if events else {}
        self._plan = await self._sandbox.faults.plan()
        unwanted: list[str] = []
        in_hand = len(self._in_hand)
        for event in events:
            match verdict(event, intents.get(event.intent_id), now):
                case "deliver" if event.type in self._types:
                    self._take(event)
                case "deliver" | "forget":
                    unwanted.append(event.id)
                case "postpone":
                    self._in_hand.add(event.id)
                    self._failed.append(event)
                case "leave":
                    continue
        if unwanted:
            await self._ledger.remove_events(unwanted)
        return bool(unwanted) or len(self._in_hand) > in_hand

    def _take(self, event: EventNote) -> None:
        self._in_hand.add(event.id)
        faults = self._sandbox.faults
        if faults.strikes(self._plan.reorder_webhook):
            later = faults.seconds(HELD_BACK_SECONDS)
            asyncio.get_running_loop().call_later(later, self._queue.put_nowait, event)
        else:
            self._queue.put_nowait(event)

    async def _deliver(self, http: aiohttp.ClientSession) -> None:
        while True:
            event = await self._queue.get()
            is_accepted = await self._endpoint.accepts(event, http, self._sandbox.now())
            if is_accepted and self._sandbox.faults.strikes(self._plan.duplicate_webhook):
                await self._endpoint.accepts(event, http, self._sandbox.now())
            (self._delivered if is_accepted else self._failed).append(event)
            # While others are queued the ledger can wait: it is told of many deliveries at once.
            if self._queue.empty():
                self._wake.set()

    async def _record(self) -> None:
        """Tell the ledger what became of the events in hand. They stay in hand until it knows."""
        if delivered := [event.id for event in self._delivered]:
            await self._ledger.remove_events(delivered)
            del self._delivered[: len(delivered)]  # workers may have added to it meanwhile
            self._in_hand.difference_update(delivered)
        for attempts in {event.attempts for event in self._failed}:
            failed = [event for event in self._failed if event.attempts == attempts]
            ids = [event.id for event in failed]
            await self._ledger.postpone_events(ids, self._sandbox.now() + pause_after(attempts))
            self._failed = [event for event in self._failed if event.id not in ids]
            self._in_hand.difference_update(ids)
