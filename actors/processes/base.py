"""What the Ray actors have in common: they start when first spoken to, answer batches, and tell how they are."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import repeat
from typing import Any

import structlog

from actors.cluster.heartbeat import Heartbeat
from actors.cluster.members import Members
from actors.cluster.serialization import NotUnderstood, pack, unpack
from actors.domain.answers import Moved
from actors.domain.refusals import Refusal, Unavailable
from actors.processes.actor_system import ActorSystem
from actors.processes.resources import Resources
from actors.runtime.host import Counters
from actors.runtime.ownership import Ownership
from actors.runtime.ports import HostUnreachableError, Instant, Reply, StoreUnavailableError
from actors.runtime.retry import retry
from actors.runtime.signals import Signals
from actors.runtime.spans import handle_traced
from actors.runtime.trace import message_of

START_AGAIN_SECONDS = 1.0

# A purchase answers after 12 s at the latest (see purchase_runner.ANSWER_SECONDS).
DRAIN_SECONDS = 15.0
# Whoever has an actor drain ends it within a moment.
END_SECONDS = 10.0

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
        self._members: Members | None = None
        self._has_ended = False
        self._draining = False
        self._draining_ends: asyncio.TimerHandle | None = None
        self._delivering = 0
        self._answered = asyncio.Event()
        self._answered.set()

    def __repr__(self) -> str:
        """What the Ray dashboard shows: class and writer, whose name begins with the actor's own.

        Ray asks once, when the actor has started, so it holds nothing that changes.
        """
        return f"{type(self).__name__}({self.writer})"

    async def deliver(
        self, messages: Sequence[Any], deadline: Instant, *, redelivered: bool = False
    ) -> Sequence[Reply]:
        """One reply for each message, in order; Unavailable for all while the actor cannot start.

        `redelivered` when they were sent before and may have taken effect. Raises HostUnreachableError while draining.
        """
        if self._has_ended:
            return [Moved()] * len(messages)
        if self._draining:
            raise HostUnreachableError(self.name)
        self._delivering += 1
        self._answered.clear()
        try:
            await self._start_once()
            return await self.handle(messages, deadline, redelivered=redelivered)
        except StoreUnavailableError:
            return [Unavailable()] * len(messages)
        finally:
            self._delivering -= 1
            if not self._delivering:
                self._answered.set()

    async def deliver_packed(self, packed: bytes, deadline: Instant, *, again: bool = False) -> bytes:
        """As `deliver`, with messages and replies as `serialization.pack` has them.

        What another release asks and this one does not understand is Unavailable by itself. `again` is
        `redelivered` by the name that every release knows.
        """
        self.counters.calls += 1
        messages = unpack(packed)
        understood = [message for message in messages if not isinstance(message, NotUnderstood)]
        answers = iter(await self.deliver(understood, deadline, redelivered=again))
        replies = [self._no_answer_to(one) if isinstance(one, NotUnderstood) else next(answers) for one in messages]
        self.refusals.update(type(reply) for reply in replies if isinstance(reply, Refusal))
        return pack(replies)

    async def drain(self) -> None:
        """Takes no more messages, and returns when those that it has are answered, or after 15 s.

        It is to be ended then. When nobody does, whoever wanted to having died, it takes messages again.
        """
        self._draining = True
        if self._draining_ends is not None:
            self._draining_ends.cancel()
        again_after = DRAIN_SECONDS + END_SECONDS
        self._draining_ends = asyncio.get_running_loop().call_later(again_after, self._take_messages_again)
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
        idle, version = self.is_idle(), self._members.version if self._members else 0
        duties, refusals = self.duty_status(), {cls.__name__: count for cls, count in self.refusals.items()}
        return Heartbeat(
            self.name, self.writer, pid, node_id, self.counters, idle, started, version, duties, self.signals(),
            refusals, self.stripe_calls(),
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

    async def handle_own(
        self,
        ownership: Ownership,
        messages: Sequence[Any],
        entity_id_of: Callable[[Any], str],
        handle: Callable[[Any], Awaitable[Reply]],
    ) -> list[Any]:
        """The replies of `handle` to what is this actor's to answer, side by side. Raises StoreUnavailableError."""
        share = await ownership.confirm()

        async def answer(message: Any) -> Any:  # noqa: ANN401 - any message
            is_own = share.accepts(entity_id_of(message_of(message)))
            return await handle_traced(message, handle) if is_own else Moved()

        return list(await asyncio.gather(*map(answer, messages)))

    def is_idle(self) -> bool:
        """Whether the actor may be ended without anyone missing it.

        It is when it is no member any more, and everything that it began is over.
        """
        has_left = self._members is not None and self._members.has_left(self.name)
        return has_left and not self._delivering and self.is_finished()

    def is_finished(self) -> bool:
        """Whether nothing is under way but messages that wait for their answers."""
        return True

    async def leave(self) -> None:
        """Says that nobody has to look after this writer. Raises StoreUnavailableError."""

    async def passivate(self) -> None:
        """Ends the actor for good if it is idle."""
        if not self.is_idle():
            return
        self._has_ended = True
        # Nobody needs to look after a writer that left nothing; the Supervisor does if this fails.
        with contextlib.suppress(StoreUnavailableError):
            await self.leave()
        self.system.end_actor()

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
            self._members = connections.members
            await self.start(connections)
        except BaseException:
            # The next try connects anew, and there is one each second while the database is away.
            await connections.close()
            raise
        connections.supervise(connections.clock.run(), connections.members.run())
        logger.info("actor_started", actor=self.name, writer=self.writer)

    def _start_again_if_it_failed(self, started: asyncio.Task[None]) -> None:
        error = None if started.cancelled() else started.exception()
        if started.cancelled() or error is not None:
            logger.warning("actor_not_started", actor=self.name, exc_info=error)
            self._started = None
