"""Handing entries over, one at a time in each lane, and what becomes of them."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.events.group_commands import GroupCommands
from holdfast.events.message import Message, Source
from holdfast.events.partition import Entry, Partition, State
from holdfast.events.patience import GroupMissingError
from holdfast.events.window import Window

MAX_DELIVER = "max_deliver"
ACK_WAIT = "ack_wait"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a delivery may take and how often there is one; times in seconds."""

    ack_wait: float = 30.0
    max_in_flight: int = 64
    max_deliver: int = 5
    backoff: tuple[float, ...] = (1.0, 5.0, 30.0, 120.0)

    def __post_init__(self) -> None:
        if self.ack_wait <= 0 or self.max_in_flight < 1 or self.max_deliver < 1 or min(self.backoff, default=-1.0) < 0:
            raise ValueError("ack_wait, max_in_flight, max_deliver and backoff are above 0")

    def delay_after(self, deliveries: int) -> float:
        """Return how many seconds after the end of so many deliveries the next one begins."""
        return self.backoff[min(deliveries, len(self.backoff)) - 1]


class Deliveries:
    """The entries of all partitions that may be handed over now, and the deliveries that are not settled.

    `on_lease_lost` is called with a partition that another member reads by now.
    """

    def __init__(
        self, limits: Limits, commands: GroupCommands, window: Window, on_lease_lost: Callable[[Partition], None]
    ) -> None:
        self._limits = limits
        self._commands = commands
        self._window = window
        self._on_lease_lost = on_lease_lost
        self._ready: deque[Entry] = deque()
        self._changed = asyncio.Event()
        self._error: BaseException | None = None
        self.is_closed = False

    def add(self, entry: Entry) -> None:
        """Put an entry, for which the window has room, behind those of its lane."""
        if entry.partition.add(entry):
            self._now(entry)

    def is_starved(self) -> bool:
        """Return whether nothing can be handed over."""
        return not self._ready

    def drop(self, partition: Partition) -> None:
        """Forget a partition's entries: what is in hand cannot be acknowledged any more."""
        self._window.give_back(partition.close())

    def close(self, error: BaseException | None = None) -> None:
        """End the iteration, with an error if there is one."""
        self.is_closed = True
        self._error = self._error or error
        self._changed.set()

    async def next(self) -> Message | None:
        """Return the next message, or None after the end. Raises what the subscription failed with."""
        while True:
            while not self._ready and not self.is_closed:
                self._changed.clear()
                await self._changed.wait()
            if self._error is not None:
                raise self._error
            if self.is_closed:
                return None
            entry = self._ready.popleft()
            if not self._ready:
                self._window.look_again()
            if not entry.partition.is_open or entry.partition.is_draining:
                continue
            try:
                message = await self._hand_over(entry)
            except BaseException:  # a cancelled wait for the next message loses none
                self._ready.appendleft(entry)
                raise
            if message is not None:
                return message

    async def _hand_over(self, entry: Entry) -> Message | None:
        partition = entry.partition
        mark = partition.marks.of(entry.event.entity) if partition.is_ordered and not entry.is_replay else None
        if entry.is_silent or (mark is not None and entry.event.version <= mark):
            await self._settle(entry)
            return None
        if entry.deliveries >= self._limits.max_deliver:
            await self._bury(entry, MAX_DELIVER)
            return None
        if entry.deliveries and entry.stream is not None:
            # The count is Redis' own for the first delivery only: what a dead member had read and not handed over is
            # not to become a dead letter.
            try:
                await self._commands.count(entry.stream, [entry.entry_id], entry.deliveries + 1)
            except GroupMissingError:
                return None  # whoever reads the partition finds that as well, and begins it anew
            if not partition.is_open or partition.is_draining:
                return None
        entry.deliveries += 1
        self._begin(entry)
        source: Source = "journal" if entry.stream is None else "stream"
        return Message(entry.event, entry.deliveries, source, _Delivery(self, entry, entry.deliveries))

    async def ack(self, entry: Entry, delivery: int) -> bool:
        """Settle an entry."""
        if not entry.partition.is_open:
            # It may come again in a new epoch, and is dropped then.
            entry.partition.marks.note(*entry.partition.mark_of(entry.event))
            return False
        return self._is_current(entry, delivery) and await self._while_settling(entry, None)

    async def nak(self, entry: Entry, delivery: int, delay: float | None, error: BaseException | None) -> bool:
        """Hand an entry over again after a delay in seconds, or make it a dead letter."""
        if not self._is_current(entry, delivery):
            return False
        entry.error = type(error).__name__ if error is not None else ""
        if entry.deliveries >= self._limits.max_deliver:
            return await self._while_settling(entry, MAX_DELIVER)
        self._later(entry, self._limits.delay_after(entry.deliveries) if delay is None else delay)
        return True

    async def term(self, entry: Entry, delivery: int, reason: str, error: BaseException | None) -> bool:
        """Make an entry a dead letter."""
        if not self._is_current(entry, delivery):
            return False
        entry.error = type(error).__name__ if error is not None else ""
        return await self._while_settling(entry, reason)

    def in_progress(self, entry: Entry, delivery: int) -> bool:
        """Begin `ack_wait` anew."""
        if not self._is_current(entry, delivery):
            return False
        self._begin(entry)
        return True

    def _is_current(self, entry: Entry, delivery: int) -> bool:
        return entry.partition.is_open and entry.state is State.HANDED_OVER and entry.deliveries == delivery

    async def _while_settling(self, entry: Entry, reason: str | None) -> bool:
        entry.stop_timer()
        entry.state = State.SETTLING
        try:
            return await (self._settle(entry) if reason is None else self._bury(entry, reason))
        except BaseException:  # cancelled, and it can be settled again
            if entry.partition.is_open:
                self._begin(entry)
            raise

    async def _bury(self, entry: Entry, reason: str) -> bool:
        await self._commands.bury(entry, reason)
        return await self._settle(entry)

    async def _settle(self, entry: Entry) -> bool:
        partition = entry.partition
        answer = 1
        if entry.stream is not None:
            answer = await self._commands.ack(partition, entry.stream, [entry.entry_id])
        if entry.closes_gap and partition.has_later_gap(entry):
            await self._commands.note_missed(partition.number, {entry.event.entity: entry.event.version})
        elif entry.closes_gap:
            await self._commands.forget_missed(partition, entry.event.entity)
        if not partition.is_open:
            partition.marks.note(*partition.mark_of(entry.event))
            return False
        if answer < 0:
            self._on_lease_lost(partition)
            return False
        following = partition.settle(entry)
        self._window.give_back(1)
        if following is not None:
            self._now(following)
        return answer > 0

    def _begin(self, entry: Entry) -> None:
        entry.stop_timer()
        entry.state = State.HANDED_OVER
        entry.timer = asyncio.get_running_loop().call_later(self._limits.ack_wait, self._overdue, entry)

    def _overdue(self, entry: Entry) -> None:
        entry.error = ACK_WAIT
        last = entry.deliveries >= self._limits.max_deliver
        self._later(entry, 0.0 if last else self._limits.delay_after(entry.deliveries))

    def _later(self, entry: Entry, delay_seconds: float) -> None:
        entry.stop_timer()
        entry.state = State.DELAYED
        entry.timer = asyncio.get_running_loop().call_later(delay_seconds, self._now, entry)
        entry.partition.changed()

    def _now(self, entry: Entry) -> None:
        entry.state = State.WAITING
        self._ready.append(entry)
        self._changed.set()


@dataclass(frozen=True, slots=True)
class _Delivery:
    """The settlement of one delivery of an entry."""

    deliveries: Deliveries
    entry: Entry
    number: int

    async def ack(self) -> bool:
        return await self.deliveries.ack(self.entry, self.number)

    async def nak(self, delay_seconds: float | None, error: BaseException | None) -> bool:
        return await self.deliveries.nak(self.entry, self.number, delay_seconds, error)

    async def term(self, reason: str, error: BaseException | None) -> bool:
        return await self.deliveries.term(self.entry, self.number, reason, error)

    def in_progress(self) -> bool:
        return self.deliveries.in_progress(self.entry, self.number)
