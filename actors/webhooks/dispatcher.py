"""Sends what is due: one lane for each endpoint, side by side, so that a receiver waits for itself alone.

A lane is claimed in the endpoint's document. If its dispatcher dies the claim runs out, and another one sends again
what was under way: with the same id, by which receivers know it. Idle endpoints cost nothing: one query finds what is
due.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from random import SystemRandom
from typing import Any, Protocol

import structlog
from bson import ObjectId

from actors.domain.instants import Instant
from actors.runtime.ports import StoreUnavailableError
from actors.webhooks.delivery import Attempt, Delivery
from actors.webhooks.endpoint import LONGEST_FAILING_MS, DisabledReason, Endpoint, OnDisabled
from actors.webhooks.signing import signed_headers

EVERY_SECONDS = 0.5
LANES = 64
# Lanes of endpoints that failed or were slow the last time: all the others are free for those that answer.
SLOW_LANES = 16
SLOW_MS = 2_000
# A lane begins nothing new after so long; with one time-out of 20 s more its claim still holds.
LANE_MS = 30_000
CLAIM_MS = 60_000
BATCH = 20
# As many endpoints may be due at once and be seen: those that answer behind any number of those that do not.
MOST_DUE = 2_000
CLEANING_MS = 3_600_000
_GONE = 410

_chance = SystemRandom().random

logger = structlog.get_logger(__name__)


class Lanes(Protocol):
    """Endpoints as a dispatcher sees them. All methods raise StoreUnavailableError."""

    async def due(self, now: Instant, most: int) -> Sequence[Endpoint]:
        """Return endpoints with something to send whose lanes nobody has, the longest due first."""

    async def claim(self, endpoint_ids: Sequence[str], claim: str, now: Instant, until: Instant) -> Sequence[Endpoint]:
        """Take the lanes that nobody else took meanwhile, and return their endpoints."""

    async def entitled(self, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """Return those whose owners may have them at this moment."""

    async def change(self, endpoint_id: str, values: Mapping[str, Any]) -> bool:
        """Set these fields, those that are None to nothing."""

    async def release(self, claimed: Endpoint, due_at: Instant | None) -> None:
        """Give the lane back; it is due again at that instant, or when it was woken meanwhile."""


class DueDeliveries(Protocol):
    """Deliveries as a dispatcher sees them. All methods raise StoreUnavailableError."""

    async def due(self, endpoint_id: str, now: Instant, most: int) -> Sequence[Delivery]:
        """Return the endpoint's deliveries whose time has come, in order."""

    async def next_due_at(self, endpoint_id: str) -> Instant | None:
        """Return when the endpoint's next delivery is due."""

    async def store(self, delivery: Delivery) -> None:
        """Keep what came of a try."""

    async def drop_old(self, now: Instant) -> None:
        """Delete what nobody looks at any more."""


class Client(Protocol):
    """The way to receivers."""

    async def post(self, url: str, body: bytes, headers: dict[str, str], now: Instant) -> Attempt:
        """Send it once and return what came of it."""


class Dispatcher:
    """Several may run at once, and share the lanes by claims."""

    def __init__(  # noqa: PLR0913 - the seams
        self,
        lanes: Lanes,
        deliveries: DueDeliveries,
        client: Client,
        now: Callable[[], Instant],
        on_disabled: OnDisabled,
        *,
        jitter: Callable[[], float] = _chance,
        most_lanes: int = LANES,
    ) -> None:
        self._lanes = lanes
        self._deliveries = deliveries
        self._client = client
        self._now = now
        self._on_disabled = on_disabled
        self._jitter = jitter
        self._most_lanes = most_lanes
        # How many were `delivered` and how many `failed`, for metrics.
        self.tries: Counter[str] = Counter()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._slow: set[str] = set()
        self._cleaned: Instant = 0

    async def sweep(self) -> None:
        """Begin to send what is due; the lanes go on by themselves. Raises StoreUnavailableError."""
        now = self._now()
        await self._clean(now)
        if len(self._running) >= self._most_lanes:
            return
        chosen = self._choose(await self._lanes.due(now, MOST_DUE))
        if not chosen:
            return
        claimed = await self._lanes.claim(chosen, str(ObjectId()), now, now + CLAIM_MS)
        entitled = {endpoint.id for endpoint in await self._lanes.entitled(claimed)}
        for endpoint in claimed:
            is_active = endpoint.disabled is None and endpoint.id in entitled
            lane = self._drive(endpoint) if is_active else self._lanes.release(endpoint, None)
            task = asyncio.create_task(_logged(endpoint.id, lane), name=endpoint.id)
            self._running[endpoint.id] = task
            task.add_done_callback(self._forget)

    async def idle(self) -> None:
        """Return when no lane is under way."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    def stop(self) -> None:
        """Drop all lanes as they are, as when the process dies: their claims run out."""
        for lane in self._running.values():
            lane.cancel()

    def _forget(self, lane: asyncio.Task[None]) -> None:
        del self._running[lane.get_name()]

    def _choose(self, due: Sequence[Endpoint]) -> list[str]:
        """Return whose lanes begin now: in order, but for those that may keep their lanes from others for long."""
        free = self._most_lanes - len(self._running)
        free_slow = min(SLOW_LANES, self._most_lanes) - sum(endpoint_id in self._slow for endpoint_id in self._running)
        chosen: list[str] = []
        for endpoint in due:
            if len(chosen) >= free:
                break
            if endpoint.id in self._running:
                continue
            if endpoint.failing_since is not None:
                self._slow.add(endpoint.id)
            if endpoint.id in self._slow:
                if free_slow <= 0:
                    continue
                free_slow -= 1
            chosen.append(endpoint.id)
        return chosen

    async def _drive(self, endpoint: Endpoint) -> None:
        """Send what is due to one endpoint, one after the other, until nothing is or the time is over."""
        ends_at = self._now() + LANE_MS
        while not _must_wait(endpoint, self._now()):
            due = await self._deliveries.due(endpoint.id, self._now(), BATCH)
            if not due:
                break
            for delivery in due:
                if self._now() >= ends_at or _must_wait(endpoint, self._now()):
                    break
                endpoint = await self._try(endpoint, delivery)
            if self._now() >= ends_at:
                break
        if endpoint.disabled is not None:
            await self._lanes.release(endpoint, None)
            return
        due_at = await self._deliveries.next_due_at(endpoint.id)
        if due_at is not None and endpoint.paused_until is not None:
            due_at = max(due_at, endpoint.paused_until)
        await self._lanes.release(endpoint, due_at)

    async def _try(self, endpoint: Endpoint, delivery: Delivery) -> Endpoint:
        """Send it once, keep what came of it, and return the endpoint as it is then."""
        now = self._now()
        headers = signed_headers(delivery.event_id, delivery.body, endpoint.secrets_at(now), now)
        attempt = await self._client.post(endpoint.url, delivery.body, headers, now)
        self.tries["delivered" if attempt.has_succeeded else "failed"] += 1
        await self._deliveries.store(delivery.after(attempt, self._jitter))
        if attempt.has_succeeded and attempt.duration_ms < SLOW_MS:
            self._slow.discard(endpoint.id)
        else:
            self._slow.add(endpoint.id)
        changed = self._after(endpoint, attempt)
        values = {
            name: getattr(changed, name)
            for name in ("failing_since", "paused_until", "disabled", "disabled_at")
            if getattr(changed, name) != getattr(endpoint, name)
        }
        if values:
            await self._lanes.change(endpoint.id, values)
        if changed.disabled is not None:
            await self._on_disabled(endpoint, changed.disabled, changed.disabled_at or now)
        return changed

    def _after(self, endpoint: Endpoint, attempt: Attempt) -> Endpoint:
        now = self._now()
        if attempt.has_succeeded:
            return replace(endpoint, failing_since=None, paused_until=None)
        failing_since = endpoint.failing_since or attempt.at
        paused_until = None if attempt.retry_after_ms is None else now + attempt.retry_after_ms
        changed = replace(endpoint, failing_since=failing_since, paused_until=paused_until)
        if attempt.status == _GONE:
            return replace(changed, disabled=DisabledReason.GONE, disabled_at=now)
        if now - failing_since >= LONGEST_FAILING_MS:
            return replace(changed, disabled=DisabledReason.FAILING, disabled_at=now)
        return changed

    async def _clean(self, now: Instant) -> None:
        if now - self._cleaned >= CLEANING_MS:
            await self._deliveries.drop_old(now)
            self._cleaned = now


async def _logged(endpoint_id: str, lane: Awaitable[None]) -> None:
    try:
        await lane
    except StoreUnavailableError as error:
        logger.warning("webhook_lane_left", endpoint=endpoint_id, error=str(error))
    except Exception as error:  # noqa: BLE001 - one that cannot be sent must not take the process down
        logger.error("webhook_lane_failed", endpoint=endpoint_id, error=type(error).__name__)


def _must_wait(endpoint: Endpoint, now: Instant) -> bool:
    return endpoint.disabled is not None or (endpoint.paused_until is not None and now < endpoint.paused_until)
