"""From the entries of a partition's streams, and from the history where those have gaps, into lanes."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from holdfast.events.deliveries import Deliveries
from holdfast.events.event import Event, MalformedEventError
from holdfast.events.group_commands import BEGINNING, SINCE, GroupCommands
from holdfast.events.keys import replay_key
from holdfast.events.partition import Entry, Partition
from holdfast.events.partitions import stream_key
from holdfast.events.subscription import Setting
from holdfast.events.window import Window

# Clocks of Redis and of the journal differ, and an event is published a little after its commit.
SLACK_MS = 60_000

logger = logging.getLogger("holdfast.events")


class Intake:
    """Puts the entries of leased partitions into their lanes. `missed` counts what no history could give."""

    def __init__(self, setting: Setting, commands: GroupCommands, deliveries: Deliveries, window: Window) -> None:
        self._group = setting.group
        self._subjects = setting.subjects
        self._history = setting.history
        self._patience = setting.history_patience
        self._commands = commands
        self._deliveries = deliveries
        self._window = window
        self.missed = 0

    def decode(self, partition: Partition, stream: str, entry_id: bytes, fields: Sequence[bytes]) -> Entry | None:
        """Return the entry, or None if it is no event of ours."""
        try:
            event = Event.of_fields(dict(zip(fields[::2], fields[1::2], strict=True)))
        except MalformedEventError as error:
            logger.warning("entry %s of %s is no event: %s", entry_id.decode(), stream, error)
            return None
        is_replay = stream == replay_key(self._group, partition.number)
        return Entry(event, partition, stream, entry_id.decode(), is_replay=is_replay)

    async def take_in(self, partition: Partition, stream: str, answers: Iterable[Sequence[Any]]) -> list[Entry]:
        """Put what a stream answered into lanes, acknowledge what is not for us, and return the rest from a gap on."""
        skipped: list[str] = []
        entries: list[Entry] = []
        for entry_id, fields in answers:
            entry = self.decode(partition, stream, entry_id, fields)
            if entry is None:
                skipped.append(entry_id.decode())
            else:
                entries.append(entry)
        self._window.take(len(entries))
        rest = self._add_until_gap(entries, skipped)
        if skipped:
            await self._commands.ack(partition, stream, skipped)
        return rest

    async def take_in_claimed(self, partition: Partition, stream: str, claimed: Iterable[Sequence[Any]]) -> None:
        """Put entries that were claimed from a silent member of an unordered group into lanes."""
        known = {entry.entry_id for entry in partition.entries() if entry.stream == stream}
        useless: list[str] = []
        for entry_id, deliveries, fields in claimed:
            entry = None if fields is None else self.decode(partition, stream, entry_id, fields)
            if entry is None:
                self._warn_of_missed(f"entry {entry_id.decode()} of {stream}")
                useless.append(entry_id.decode())
            elif entry.entry_id not in known:
                entry.deliveries = deliveries
                self._window.take(1)
                self._add_until_gap([entry], useless)
        if useless:
            await self._commands.ack(partition, stream, useless)

    async def read_gaps(self, rest: Sequence[Entry]) -> None:
        """Put entries into their lanes, and before them the events between them and those before, from the history."""
        waiting = list(rest)
        try:
            while waiting and await self._read_gap(first := waiting[0]):
                skipped: list[str] = []
                waiting = self._add_until_gap(waiting, skipped)
                if skipped and first.stream is not None:
                    await self._commands.ack(first.partition, first.stream, skipped)
        finally:
            self._window.give_back(len(waiting))

    def _add_until_gap(self, entries: Sequence[Entry], skipped: list[str]) -> list[Entry]:
        for place, entry in enumerate(entries):
            partition, event = entry.partition, entry.event
            is_checked = partition.is_ordered and not entry.is_replay and not entry.closes_gap
            seen = None if entry.is_replay else partition.seen(event)
            if seen is not None and event.version <= seen:
                skipped.append(entry.entry_id)
                self._window.give_back(1)
                continue
            last = partition.last(event)
            if is_checked and last is not None and (event.preceded_by or 0) > last:
                if self._history is not None:
                    return list(entries[place:])
                self._warn_of_missed(f"{event.entity} between versions {last} and {event.version}")
            if entry.is_replay or entry.closes_gap or self._subjects.matches(event.subject):
                self._deliveries.add(entry)
            else:
                partition.pass_over(event)
                skipped.append(entry.entry_id)
                self._window.give_back(1)
        return []

    async def _read_gap(self, entry: Entry) -> bool:
        """Hand over the events that are missing before this one, which is acknowledged behind them only.

        Returns whether the partition is still this member's.
        """
        partition, event, history = entry.partition, entry.event, self._history
        last = None if entry.is_replay else partition.last(event)
        if not partition.is_open or history is None or last is None or (event.preceded_by or 0) <= last:
            return partition.is_open
        await self._commands.note_gap(partition.number, event.entity, last)
        missing = await self._patience(lambda: history.versions(event.entity, last, event.version))
        if partition.is_open:
            for one in missing:
                await self._add_of_journal(partition, one, waits=False)
            entry.closes_gap = True
            entry.is_silent = not self._subjects.matches(event.subject)
        return partition.is_open

    async def _add_of_journal(self, partition: Partition, event: Event, *, waits: bool) -> None:
        seen = partition.seen(event)
        if seen is not None and event.version <= seen:
            return
        if not self._subjects.matches(event.subject):
            partition.pass_over(event)
            return
        if waits:
            await self._window.room()
        if partition.is_open:
            self._window.take(1)
            self._deliveries.add(Entry(event, partition))

    async def take_over(self, partition: Partition) -> bool:
        """Take in what is pending in a partition and not in memory; return False if the lease is lost.

        Raises GroupMissingError.
        """
        missed = await self._commands.missed(partition.number)
        known = {(entry.stream, entry.entry_id) for entry in partition.entries()}
        for stream in (stream_key(partition.number), replay_key(self._group, partition.number)):
            answer = await self._commands.take_over(partition, stream)
            if answer is None:
                return False
            if not partition.is_open:
                return True
            partition.epoch, last_id, pending = answer
            partition.last_ids[stream] = last_id
            rest: list[Entry] = []
            malformed: list[str] = []
            for entry_id, deliveries, fields in pending:
                name = entry_id.decode()
                if (stream, name) in known:
                    continue
                if fields is None:
                    partition.trimmed.append((stream, name))
                elif entry := self.decode(partition, stream, entry_id, fields):
                    entry.deliveries = deliveries
                    rest.append(entry)
                else:
                    malformed.append(name)
            if malformed:
                await self._commands.ack(partition, stream, malformed)
            self._note_handled(partition, missed, [*partition.entries(), *rest])
            if partition.trimmed:
                await self.read_missed(partition)  # what is still there comes after what was trimmed
            self._window.take(len(rest))
            await self.read_gaps(rest)
        last_id = partition.last_ids[stream_key(partition.number)]
        partition.covered_id = "" if last_id == BEGINNING else last_id
        return True

    @staticmethod
    def _note_handled(partition: Partition, missed: Mapping[str, int], pending: Sequence[Entry]) -> None:
        """Remember how far entities with gaps were handled: up to the gap, but for what is still pending before it.

        Of what was trimmed while it was pending nobody knows the entity: any may have to be handled from its beginning.
        """
        first: dict[str, int] = {}
        for entry in pending:
            if entry.stream is not None and not entry.is_replay:
                first[entry.event.entity] = min(entry.event.version, first.get(entry.event.entity, entry.event.version))
        for entity, version in missed.items():
            if entity != SINCE:
                handled = min(version, first.get(entity, version + 1) - 1)
                partition.marks.note(entity, 0 if partition.trimmed else handled)

    async def read_missed(self, partition: Partition) -> None:
        """Hand over what the streams do not have any more, before anything newer of the partition is read."""
        since = (await self._commands.missed(partition.number)).get(SINCE)
        trimmed = [int(entry_id.partition("-")[0]) - SLACK_MS for _, entry_id in partition.trimmed]
        start = min([*trimmed, *([] if since is None else [since])], default=None)
        if start is None:
            return
        start = max(0, start)
        if self._history is None:
            self._warn_of_missed(f"partition {partition.number} from {start} ms on")
        else:
            await self._commands.note_missed(partition.number, {SINCE: start})
            await self._patience(lambda: self._read_since(partition, start))
            # A reader that dies before these are handled leaves the note above to its successor.
            await partition.until(
                lambda: not partition.is_open or all(entry.stream is not None for entry in partition.entries())
            )
        if partition.is_open:
            for stream, entry_id in partition.trimmed:
                await self._commands.ack(partition, stream, [entry_id])
            partition.trimmed = []
            await self._commands.forget_missed(partition, SINCE)

    async def _read_since(self, partition: Partition, start: int) -> None:
        if self._history is not None:
            async for event in self._history.since(start, {partition.number}):
                if not partition.is_open:
                    return
                await self._add_of_journal(partition, event, waits=True)

    def _warn_of_missed(self, what: str) -> None:
        self.missed += 1
        logger.warning("events are gone from Redis, and there is no history to read them from: %s", what)
