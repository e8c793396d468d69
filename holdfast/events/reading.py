"""How a member reads: it waits for entries, takes them in, and begins anew when Redis lost what it had."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from typing import Any

from redis.exceptions import RedisError

from holdfast.events.group_commands import BEGINNING, SINCE
from holdfast.events.intake import SLACK_MS, Intake
from holdfast.events.keys import replay_key
from holdfast.events.leases import Leases
from holdfast.events.partition import Partition
from holdfast.events.partitions import stream_key
from holdfast.events.patience import GroupMissingError, is_group_missing
from holdfast.events.subscription import Setting, Subscription

WAIT_MS = 1_000
# Who has caught up reads together what comes in so long. A read and an acknowledgement cost the same for one entry of a
# partition as for twenty, and of 500 events a second each partition has one in 30 ms.
_REST_SECONDS = 0.2
# Of a stream that had nothing more so short a time ago, nothing unread was trimmed.
_CAUGHT_UP_SECONDS = 60.0


class Reader(Subscription):
    """Reads the partitions that it has; which those are, and what of them is pending, its subclasses know."""

    def __init__(self, setting: Setting, leases: Leases) -> None:
        super().__init__(setting, leases)
        self._intake = Intake(setting, self._commands, self._deliveries, self._window)
        self._partitions: dict[int, Partition] = {}
        self._changed = asyncio.Event()
        self._epochs_seen_at = 0.0
        self._is_ending = False
        self._reading: asyncio.Task[None] | None = None

    @property
    def missed(self) -> int:  # noqa: D102 - as in the base
        return self._intake.missed

    async def _take_over(self, partition: Partition) -> bool:
        """Learn where the group stands in a partition; return False if the lease is lost. Raises GroupMissingError."""
        raise NotImplementedError

    def _begin(self, partition: Partition) -> None:
        self._partitions[partition.number] = partition
        self._while_busy(partition, self._prepare(partition))

    def _while_busy(self, partition: Partition, work: Coroutine[Any, Any, None]) -> None:
        """Read nothing new of a partition until the work is done."""
        partition.is_busy = True

        async def run() -> None:
            try:
                await work
            finally:
                partition.is_busy = False
                self._changed.set()

        self._start(run())

    def _on_lease_lost(self, partition: Partition) -> None:
        if partition.is_open:
            self._deliveries.drop(partition)
            del self._partitions[partition.number]
            self._changed.set()

    async def _hand_back(self, partition: Partition) -> None:
        """Forget a partition's entries; those that the consumer has not seen count as never delivered."""
        unseen: dict[str, list[str]] = {}
        for entry in partition.entries():
            if entry.stream is not None and entry.deliveries == 0:
                unseen.setdefault(entry.stream, []).append(entry.entry_id)
        self._deliveries.drop(partition)
        for stream, entry_ids in unseen.items():
            with contextlib.suppress(GroupMissingError):
                await self._commands.hand_back(stream, entry_ids)

    def _start_reading(self) -> None:
        self._reading = self._start(self._read())

    async def _stop_reading(self) -> None:
        """Hand over nothing more, and end between two reads, so that no entries are under way."""
        self._is_ending = True
        for partition in self._partitions.values():
            partition.is_draining = True
        self._window.close()
        self._changed.set()
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def _prepare(self, partition: Partition) -> None:
        """Take in what is pending, then what only the history has; only then new entries are read."""
        epoch = partition.epoch
        while partition.is_open:
            try:
                if not await self._take_over(partition):
                    self._on_lease_lost(partition)
                    return
                break
            except GroupMissingError:
                if any(True for _ in partition.entries()):
                    self._begin_anew(partition)
                    return
                await self._make_again(partition)
        if epoch not in {"", partition.epoch}:
            self._begin_anew(partition)
        elif partition.is_open:
            await self._intake.read_missed(partition)

    def _begin_anew(self, partition: Partition) -> None:
        """Forget the entries of a former epoch, but not what was handled."""
        if partition.is_open and not partition.is_draining:
            position_ms = partition.position_ms()
            self._deliveries.drop(partition)
            ordered = partition.is_ordered
            successor = Partition(partition.number, partition.value, partition.marks, is_ordered=ordered)
            successor.handled_ms = position_ms
            self._begin(successor)

    async def _make_again(self, partition: Partition) -> None:
        """Make the group that Redis lost, at the beginning of the stream, and before it of what the stream lacks."""
        known = partition.handled_ms
        if known is None:
            positions = self._setting.positions
            kept = await self._setting.positions_patience(lambda: positions.load(self._setting.group))
            known = (kept or {}).get(partition.number)
        if known is not None:
            first = await self._commands.first_event(partition.number)
            # Without a history, what an empty stream will have again is not known to be missed.
            if first.time_ms > known if first is not None else self._setting.history is not None:
                await self._commands.note_missed(partition.number, {SINCE: max(0, known - SLACK_MS)})
        await self._commands.make(partition.number, BEGINNING)

    async def _read(self) -> None:
        while True:
            await self._window.room(self._deliveries.is_starved)
            if self._is_ending:
                return
            self._changed.clear()
            streams = dict(self._readable())
            if not streams:
                await self._changed.wait()
                continue
            last_ids = {stream: partition.last_ids[stream] for stream, partition in streams.items()}
            found = await self._wait_for_entries(last_ids)
            if not found or asyncio.get_running_loop().time() - self._epochs_seen_at > WAIT_MS / 1000:
                await self._look_for_new_epochs()
            if await self._read_streams([(streams[stream], stream) for stream in found]):
                await asyncio.sleep(_REST_SECONDS)

    def _readable(self) -> Iterable[tuple[str, Partition]]:
        for partition in self._partitions.values():
            if partition.is_readable:
                yield stream_key(partition.number), partition
                yield replay_key(self._setting.group, partition.number), partition

    async def _wait_for_entries(self, last_ids: dict[str, str]) -> list[str]:
        """Return the streams that have more, or none after a second or when other partitions can be read."""
        entries = asyncio.create_task(self._commands.wait_for_entries(last_ids, WAIT_MS))
        change = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((entries, change), return_when=asyncio.FIRST_COMPLETED)
            if not entries.done():
                return []
            found = entries.result()
        finally:
            entries.cancel()
            change.cancel()
        now = asyncio.get_running_loop().time()
        for partition in self._partitions.values():
            stream = stream_key(partition.number)
            if stream in last_ids and stream not in found:
                if now - partition.caught_up_at < _CAUGHT_UP_SECONDS:
                    partition.caught_up_at = now
                else:
                    found.append(stream)  # only a read shows whether all that was in it was trimmed
        return found

    async def _look_for_new_epochs(self) -> None:
        """Streams that were begun anew may have lower ids, of which nothing would be heard."""
        partitions = [partition for partition in self._partitions.values() if partition.is_readable]
        self._epochs_seen_at = asyncio.get_running_loop().time()
        epochs = await self._commands.epochs([partition.number for partition in partitions])
        for partition, epoch in zip(partitions, epochs, strict=True):
            if partition.is_readable and partition.epoch != epoch:
                self._begin_anew(partition)

    async def _read_streams(self, found: list[tuple[Partition, str]]) -> bool:
        """Read what was found; return whether that was all that there is."""
        free = self._window.free
        streams = [(partition, stream) for partition, stream in found if partition.is_readable][: max(0, free)]
        if not streams:
            return False
        count = max(1, free // len(streams))
        now = asyncio.get_running_loop().time()
        for partition, _ in streams:
            if now - partition.caught_up_at < _CAUGHT_UP_SECONDS:
                partition.covered_id = ""
        try:
            answers = await self._commands.read(streams, count)
        except (RedisError, OSError) as error:
            answers = [error] * len(streams)
        for (partition, stream), answer in zip(streams, answers, strict=True):
            if stream == stream_key(partition.number) and _is_all(answer, count):
                partition.caught_up_at = now
        work = zip(streams, answers, strict=True)
        await asyncio.gather(*(self._take_in(partition, stream, answer) for (partition, stream), answer in work))
        return all(_is_all(answer, count) for answer in answers)

    async def _take_in(self, partition: Partition, stream: str, answer: object) -> None:
        if not partition.is_open:
            return
        match answer:
            case [b"lost"]:
                self._on_lease_lost(partition)
            case [b"epoch", _]:
                self._begin_anew(partition)
            case [b"trimmed", bytes(last_id)]:
                partition.trimmed.append((stream, partition.covered_id))
                partition.covered_id = last_id.decode()
                self._while_busy(partition, self._intake.read_missed(partition))
            case [b"entries", bytes(last_id), list(entries)]:
                partition.last_ids[stream] = last_id.decode()
                if partition.is_ordered and stream == stream_key(partition.number):
                    partition.covered_id = last_id.decode()
                if rest := await self._intake.take_in(partition, stream, entries):
                    self._while_busy(partition, self._intake.read_gaps(rest))
            case error if is_group_missing(error):
                self._begin_anew(partition)
            case _:
                # Redis may have given entries in an answer that was lost: they are pending, and nobody has them.
                if not partition.is_busy:
                    self._while_busy(partition, self._prepare(partition))


def _is_all(answer: object, count: int) -> bool:
    """Return whether a stream that was asked for so many entries had no more."""
    return isinstance(answer, list) and answer[0] == b"entries" and len(answer[2]) < count
