"""What the Ray actors have in common: they start when first spoken to, answer batches, and tell how they are."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import structlog

from actors.cluster.client import host_names
from actors.cluster.heartbeat import Heartbeat
from actors.cluster.serialization import NotUnderstood, pack, unpack
from actors.domain.refusals import Refusal, Unavailable
from actors.processes.actor_system import ActorSystem
from actors.processes.resources import Resources
from actors.runtime.host import Counters
from actors.runtime.ports import HostUnreachableError, Instant, Reply, StoreUnavailableError
from actors.runtime.retry import retry
from actors.runtime.signals import Signals

START_AGAIN_SECONDS = 1.0

# A purchase answers after 12 s at the latest (see purchase_runner.ANSWER_SECONDS).
DRAIN_SECONDS = 15.0
END_SECONDS = 30.0

logger = structlog.get_logger(__name__)


class HostActor:
    """An actor that others talk to by name. Subclasses say how they start and what they answer."""

    def __init__(self, name: str, system: ActorSystem) -> None:
        self.name = name
        self.system = system
        # Read here at every start, and never handed over: what an actor is created with lies in Ray's control service
        # in clear, and stays what it was.
        self.settings = system.settings()
        # A new incarnation is a new writer: nothing that an earlier one left half-done can be taken for ours.
        self.writer = f"{name}-{system.new_id()}"
        self.counters = Counters()
        # What its host is like now, as soon as it has one.
        self.signals: Callable[[], Signals | None] = lambda: None
        self.refusals: Counter[type[Reply]] = Counter()
        self._started: asyncio.Task[None] | None = None
        self._draining = False
        self._delivering = 0
        self._answered = asyncio.Event()
        self._answered.set()

    def __repr__(self) -> str:
        """What the Ray dashboard and the logs show."""
        return self.name

    async def deliver(
        self, messages: Sequence[Any], deadline: Instant, *, redelivered: bool = False
    ) -> Sequence[Reply]:
        """One reply for each message, in order; Unavailable for all while the actor cannot start.

        `redelivered` when they were sent before and may have taken effect.
        """
        try:
            await self._start_once()
        except StoreUnavailableError:
            return [Unavailable()] * len(messages)
        return await self.handle(messages, deadline, redelivered=redelivered)

    async def deliver_packed(self, packed: bytes, deadline: Instant, *, again: bool = False) -> bytes:
        """As `deliver`, with messages and replies as `serialization.pack` has them.

        What another release asks and this one does not understand is Unavailable by itself. `again` is
        `redelivered` by the name that every release knows.
        """
        if self._draining:
            raise HostUnreachableError(self.name)
        self._delivering += 1
        self._answered.clear()
        try:
            return await self._deliver_packed(unpack(packed), deadline, redelivered=again)
        finally:
            self._delivering -= 1
            if not self._delivering:
                self._answered.set()

    async def _deliver_packed(self, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> bytes:
        understood = [message for message in messages if not isinstance(message, NotUnderstood)]
        answers = iter(await self.deliver(understood, deadline, redelivered=redelivered))
        replies = [self._no_answer_to(one) if isinstance(one, NotUnderstood) else next(answers) for one in messages]
        self.refusals.update(type(reply) for reply in replies if isinstance(reply, Refusal))
        return pack(replies)

    async def drain(self) -> None:
        """Takes no more messages, and returns when those that it has are answered, or after 15 s.

        It is to be ended then. When nobody does, whoever wanted to having died, it takes messages again.
        """
        self._draining = True
        asyncio.get_running_loop().call_later(DRAIN_SECONDS + END_SECONDS, self._take_messages_again)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), DRAIN_SECONDS)

    def _take_messages_again(self) -> None:
        self._draining = False

    def _no_answer_to(self, message: NotUnderstood) -> Unavailable:
        logger.error("message_not_understood", actor=self.name, why=message.why)
        return Unavailable()

    async def ping_packed(self) -> bytes:
        """As `ping`, for whoever may be of another release."""
        return pack([await self.ping()])

    async def ping(self) -> Heartbeat:
        """Answers as long as the event loop turns; starts an actor that Ray has just restarted."""
        if self._started is None:
            self._begin()
        pid, node_id, started = self.system.place()
        idle, hosts = self.is_idle(), host_names(self.settings)
        duties, refusals = self.duty_status(), {cls.__name__: count for cls, count in self.refusals.items()}
        return Heartbeat(
            self.name, self.writer, pid, node_id, self.counters, idle, started, hosts, duties, self.signals(), refusals,
            self.stripe_calls(),
        )  # fmt: skip

    async def ready(self) -> None:
        """Returns when the actor has started; it is tried again while the database is away."""
        await retry(self._start_once, StoreUnavailableError, repeat(START_AGAIN_SECONDS))

    async def start(self, connections: Resources) -> None:
        """Builds what this actor needs and starts its jobs. Raises StoreUnavailableError; it is called again then."""
        raise NotImplementedError

    async def handle(self, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> Sequence[Reply]:
        """One reply for each message, in order."""
        raise NotImplementedError

    def duty_status(self) -> dict[str, dict[str, Any]]:
        """How each duty does that this actor has."""
        return {}

    def stripe_calls(self) -> dict[str, int]:
        """How many calls to Stripe were answered, and how many failed, where any are made."""
        return {}

    def is_idle(self) -> bool:
        """Whether the actor may be ended without anyone missing it."""
        return False

    async def passivate(self) -> None:
        """Ends the actor if it is idle."""

    async def _start_once(self) -> None:
        started = self._started or self._begin()
        await asyncio.shield(started)

    def _begin(self) -> asyncio.Task[None]:
        self._started = asyncio.create_task(self._start())
        self._started.add_done_callback(self._start_again_if_it_failed)
        return self._started

    async def _start(self) -> None:
        connections = self.system.connect(self.settings)
        try:
            # Nobody commits before the keys are unique.
            await connections.prepare()
            await connections.clock.refresh()
            await self.start(connections)
        except BaseException:
            # The next try connects anew, and there is one each second while the database is away.
            await connections.close()
            raise
        connections.supervise(connections.clock.run())
        logger.info("actor_started", actor=self.name, writer=self.writer)

    def _start_again_if_it_failed(self, started: asyncio.Task[None]) -> None:
        error = None if started.cancelled() else started.exception()
        if started.cancelled() or error is not None:
            logger.warning("actor_not_started", actor=self.name, exc_info=error)
            self._started = None
