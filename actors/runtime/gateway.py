"""The caller's side of the actors: collects messages for a host while earlier calls to it are in flight.

One call costs about a millisecond of CPU, one message a few microseconds, so messages travel together.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic

from actors.domain.refusals import Overloaded, Refusal, Unavailable
from actors.runtime.ports import Answer_co, Clock, HostUnreachableError, Instant, Transport
from actors.runtime.retry import backoff
from actors.runtime.trace import with_trace
from holdfast.batch_loader import answer_all

FIRST_BACKOFF_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Bounds of one channel: calls in flight, messages a call, messages waiting, seconds between tries of a call."""

    # While one call is under way the next one fills up. With two, calls are half as full, and two cores carry a third
    # fewer reservations at 64 connections (measured).
    in_flight: int = 1
    batch: int = 500
    waiting: int = 10_000
    # A host is back a second and a half after its death, and a try costs 2 ms, so tries are frequent.
    longest_backoff_seconds: float = 0.1


# A payment takes as long as Stripe takes, so each travels alone and none waits for another's answer.
ONE_BY_ONE = ChannelLimits(in_flight=256, batch=1, longest_backoff_seconds=0.5)


@dataclass(slots=True)
class GatewayCounters:
    """What this gateway did so far, for metrics and benchmarks."""

    calls: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Answer_co]):
    message: Any
    deadline: Instant
    redelivered: bool
    reply: asyncio.Future[Answer_co | Refusal]


class Gateway(Generic[Answer_co]):
    """Asks hosts. Asking again is safe, so what has an unknown outcome is sent again until the deadline."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        limits: ChannelLimits | None = None,
        *,
        retries: Callable[[str], bool] = lambda _host: True,
    ) -> None:
        """`retries` says whether a host that cannot be reached is tried again; where others answer it is not."""
        self.counters = GatewayCounters()
        self._transport = transport
        self._clock = clock
        self._limits = limits or ChannelLimits()
        self._retries = retries
        self._channels: dict[str, _Channel[Answer_co]] = {}

    async def ask(self, host: str, message: Any, timeout_ms: int, *, redelivered: bool = False) -> Answer_co | Refusal:  # noqa: ANN401
        """The host's reply within `timeout_ms`; Overloaded or Unavailable when there is none.

        `redelivered` when the message was sent before, to this host or another, and may have taken effect. Raises
        HostUnreachableError only for a host that is not to be tried again.
        """
        channel = self._channels.get(host)
        if channel is None:
            channel = _Channel(
                host, self._limits, self._transport, self._clock, self.counters, self._channels.pop, self._retries
            )
            self._channels[host] = channel
        return await channel.ask(message, self._clock.now() + timeout_ms, redelivered=redelivered)


class _Channel(Generic[Answer_co]):
    def __init__(  # noqa: PLR0913, PLR0917 - what it has of its gateway
        self,
        host: str,
        limits: ChannelLimits,
        transport: Transport,
        clock: Clock,
        counters: GatewayCounters,
        when_empty: Callable[[str], object],
        retries: Callable[[str], bool],
    ) -> None:
        self._host = host
        self._limits = limits
        self._transport = transport
        self._clock = clock
        self._counters = counters
        self._when_empty = when_empty
        self._retries = retries
        self._waiting: deque[_Waiting[Answer_co]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._starting = 0

    async def ask(self, message: Any, deadline: Instant, *, redelivered: bool) -> Answer_co | Refusal:  # noqa: ANN401 - any message
        if len(self._waiting) >= self._limits.waiting:
            return Overloaded()
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Answer_co | Refusal] = loop.create_future()
        self._waiting.append(_Waiting(with_trace(message), deadline, redelivered, reply))
        if self._in_flight < self._limits.in_flight and self._starting * self._limits.batch < len(self._waiting):
            # Not now but soon: what arrives in the same pass of the event loop goes along.
            self._starting += 1
            self._in_flight += 1
            # Not in the context of this message: the call carries those of others, and the messages that come after.
            call = loop.create_task(self._send_all(), context=Context())
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return await reply

    async def _send_all(self) -> None:
        self._starting -= 1
        try:
            while self._waiting:
                await self._send_some()
        finally:
            # No await since nobody waited: who asks again on getting a reply finds this place free.
            self._in_flight -= 1
            if not self._in_flight:
                # Hosts come and go: a channel lasts as long as somebody is in it.
                self._when_empty(self._host)

    async def _send_some(self) -> None:
        batch = [self._waiting.popleft()]
        # What was sent before is looked at with more care, so the rest does not travel with it.
        while (
            self._waiting and len(batch) < self._limits.batch and self._waiting[0].redelivered == batch[0].redelivered
        ):
            batch.append(self._waiting.popleft())
        # After a bug of ours its callers are told, and who waits behind is served.
        await answer_all([waiting.reply for waiting in batch], self._send(batch))

    async def _send(self, batch: Sequence[_Waiting[Answer_co]]) -> Sequence[Answer_co | Refusal]:
        deadline = max(waiting.deadline for waiting in batch)
        messages = [waiting.message for waiting in batch]
        pauses = backoff(FIRST_BACKOFF_SECONDS, self._limits.longest_backoff_seconds)
        self._counters.messages += len(batch)
        redelivered = batch[0].redelivered
        while (left := (deadline - self._clock.now()) / 1000) > 0:
            self._counters.calls += 1
            try:
                async with asyncio.timeout(left):
                    return await self._transport.call(self._host, messages, deadline, redelivered=redelivered)
            except (HostUnreachableError, TimeoutError) as error:
                if not self._retries(self._host):
                    raise HostUnreachableError(self._host) from error
                redelivered = True
                await asyncio.sleep(min(next(pauses), max(left, 0)))
        if not self._retries(self._host):
            raise HostUnreachableError(self._host)
        return [Unavailable()] * len(batch)
