"""What waits for a turn: messages, each in an envelope with a deadline and a place for its reply."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from actors.runtime import spans
from actors.runtime.ports import Instant, Reply
from actors.runtime.trace import message_of, traceparent_of


class Batch:
    """The messages that arrived in one call. One future for all of them, not one for each."""

    __slots__ = ("_missing", "done", "replies")

    def __init__(self, size: int) -> None:
        self.replies: list[Reply] = [None] * size
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = size

    def answer(self, place: int, reply: Reply) -> None:
        """Fills one place; the last one lets the call return."""
        self.replies[place] = reply
        self._missing -= 1
        if not self._missing and not self.done.done():
            self.done.set_result(None)


class Envelope:
    """One message. Those of a timer have no batch, and nobody waits for them.

    `conflicts` counts how often it was decided on what turned out to be stale; `is_deferred` says that an earlier
    message of its turn had one of its keys; `redelivered` says that it was sent before; `traceparent` is the trace
    context of the request that it is part of, and `span` the message's own, from here to its reply, if there is one.
    It `arrived` at that time of the event loop, in seconds.
    """

    __slots__ = (
        "arrived", "batch", "command", "conflicts", "deadline", "is_deferred", "place", "redelivered", "span",
        "traceparent",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - made in two places of the host
        self,
        message: Any,  # noqa: ANN401 - any message
        deadline: Instant,
        batch: Batch | None = None,
        place: int = 0,
        *,
        arrived: float,
        redelivered: bool = False,
    ) -> None:
        self.command = message_of(message)
        self.traceparent = traceparent_of(message)
        self.deadline = deadline
        self.arrived = arrived
        self.batch = batch
        self.place = place
        self.redelivered = redelivered
        self.conflicts = 0
        self.is_deferred = False
        self.span = (
            None if spans.tracer is None else spans.begin(type(self.command).__name__, self.traceparent, "CONSUMER")
        )

    @property
    def is_after_conflict(self) -> bool:
        """Whether a key that it wants was taken, so that the journal is asked before it is decided."""
        return self.conflicts > 0 or self.is_deferred

    def answer(self, reply: Reply) -> None:
        """Tells the caller, if there is one."""
        if self.batch is not None:
            self.batch.answer(self.place, reply)
        if self.span is not None:
            self.span.set_attribute("holdfast.reply", type(reply).__name__)
            self.span.end()


class Mailbox:
    """A bounded queue of messages; those of timers come from what is already held and are let in always."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._envelopes: deque[Envelope] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._envelopes)

    def oldest(self) -> float | None:
        """When the first message arrived, None without one."""
        return self._envelopes[0].arrived if self._envelopes else None

    def has_room(self, count: int) -> bool:
        """Whether so many more messages may come in."""
        return len(self._envelopes) + count <= self._limit

    def put(self, envelopes: Iterable[Envelope]) -> None:
        """Lets messages in, at the end."""
        self._envelopes.extend(envelopes)
        self._filled.set()

    def put_back(self, envelopes: Sequence[Envelope]) -> None:
        """Returns messages to the front, in their order."""
        self._envelopes.extendleft(reversed(envelopes))
        self._filled.set()

    async def take(self, most: int) -> list[Envelope]:
        """Waits until there is at least one message."""
        while not self._envelopes:
            self._filled.clear()
            await self._filled.wait()
        return [self._envelopes.popleft() for _ in range(min(most, len(self._envelopes)))]
