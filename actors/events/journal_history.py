"""Published events as the journal has them: for consumers that missed some, and to fill a stream anew."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

import structlog

from actors.domain.codec import archive_of
from actors.events.published import was_published
from actors.events.redis_stream import PublishedEvents
from actors.runtime.ports import Commit, Instant, RecordedEvent, StoreUnavailableError, parse_commit_id
from holdfast.events.event import Event
from holdfast.events.partitions import partition_of

PAGE = 200
# A checkpoint is saved a second after a commit, and once an hour when there is none.
CHECKPOINT_LAG_MS = 3_600_000
VERSIONS_AT_ONCE = 100
# As much as the clocks of two nodes may differ.
MOST_SKEW_MS = 60_000

logger = structlog.get_logger(__name__)


class EventJournal(Protocol):
    """What is read of the journal. All raise StoreUnavailableError."""

    async def after(self, writer: str, seq: int, limit: int) -> list[Commit]:
        """The first of the writer's commits after `seq`, in order."""

    async def committed_at(self, writer: str, seq: int) -> Instant | None:
        """When the commit was made, None when there is none of this number."""

    async def history(self, entity: str, after: int = 0, limit: int = 200) -> list[RecordedEvent]:
        """The entity's events after that version, in order."""


class Writers(Protocol):
    """Who wrote to the journal. Raises StoreUnavailableError."""

    async def writers_since(self, at: Instant) -> dict[str, int]:
        """Those that may have committed at this instant or later, each with the number of a commit of theirs."""


class ChangedUsers(Protocol):
    """Users' events are no writer's; raises StoreUnavailableError."""

    def changed_since(self, at: Instant) -> AsyncIterator[str]:
        """Yield the ids of users who signed up or changed at this instant or later."""


@dataclass(slots=True)
class _Reader:
    """One writer's commits from a moment on, a page at a time."""

    writer: str
    first_seq: int
    seq: int
    page: list[Commit] = field(default_factory=list)


class JournalHistory:
    """Satisfies `holdfast.events.history.History` and `LastPublished`."""

    def __init__(self, journal: EventJournal, writers: Writers, users: ChangedUsers, source: str) -> None:
        self._journal = journal
        self._writers = writers
        self._users = users
        self._events = PublishedEvents(self, source)

    async def last_published(self, entity: str, before: int) -> int | None:
        """Return the last version before this one that was published, None for none. Raises StoreUnavailableError."""
        records = await self._records(entity, 0, before)
        return max((record.version for record in records if was_published(record)), default=None)

    async def versions(self, entity: str, after: int, before: int) -> Sequence[Event]:
        """Return the entity's published events with after < version < before, in order, but for archived ones.

        Raises ConnectionError.
        """
        try:
            records = await self._records(entity, after, before)
            if any(archive_of(record.event) for record in records):
                logger.warning("events_archived", entity=entity, after=after, before=before)
            return await self._events.of(records)
        except StoreUnavailableError as error:
            raise ConnectionError(str(error)) from error

    async def since(self, time_ms: int, partitions: Collection[int]) -> AsyncIterator[Event]:
        """Yield all published events of these partitions that were committed at `time_ms` or later.

        Each entity's are in the order of its versions. Ends at what was committed when it was begun, or a little later.
        Raises ConnectionError.
        """
        wanted = frozenset(partitions)
        try:
            async for record in self._records_since(time_ms):
                for event in await self._events.of([record]):
                    if partition_of(event.partition_key) in wanted:
                        yield event
        except StoreUnavailableError as error:
            raise ConnectionError(str(error)) from error

    async def _records(self, entity: str, after: int, before: int) -> list[RecordedEvent]:
        records: list[RecordedEvent] = []
        while after < before - 1:
            page = await self._journal.history(entity, after, min(VERSIONS_AT_ONCE, before - 1 - after))
            if not page:
                break
            records += page
            after = page[-1].version
        return records

    async def _records_since(self, at: Instant) -> AsyncIterator[RecordedEvent]:
        async for user_id in self._users.changed_since(at):
            for record in await self._journal.history(f"user:{user_id}"):
                if record.at >= at:
                    yield record
        readers = {}
        for writer, some_seq in (await self._writers.writers_since(at - CHECKPOINT_LAG_MS)).items():
            seq = await self._last_before(writer, some_seq, at)
            readers[writer] = _Reader(writer, seq + 1, seq)
        ordered = _VersionOrder({reader.writer: reader.first_seq for reader in readers.values()})
        async for commit in self._merged(list(readers.values())):
            for record in commit.records:
                for one in ordered.release(record, commit.at):
                    yield one
        for one in ordered.rest():
            yield one

    async def _merged(self, readers: Sequence[_Reader]) -> AsyncIterator[Commit]:
        """All writers' commits, the earliest first."""
        heads: list[tuple[Instant, str, int]] = []
        by_name = {reader.writer: reader for reader in readers}
        for reader in readers:
            await self._advance(reader, heads)
        while heads:
            _, writer, _ = heappop(heads)
            reader = by_name[writer]
            yield reader.page.pop(0)
            await self._advance(reader, heads)

    async def _advance(self, reader: _Reader, heads: list[tuple[Instant, str, int]]) -> None:
        if not reader.page:
            reader.page = await self._journal.after(reader.writer, reader.seq, PAGE)
        if reader.page:
            head = reader.page[0]
            reader.seq = head.seq
            heappush(heads, (head.at, reader.writer, head.seq))

    async def _last_before(self, writer: str, some_seq: int, at: Instant) -> int:
        """The number of the writer's last commit before this instant, 0 for none."""
        low, high = 0, some_seq
        while low < high:
            middle = (low + high + 1) // 2
            made = await self._journal.committed_at(writer, middle)
            if made is not None and made < at:
                low = middle
            else:
                high = middle - 1
        return low


class _VersionOrder:
    """Lets an entity's events pass in the order of its versions, though its writers' clocks differ."""

    def __init__(self, first_seqs: dict[str, int]) -> None:
        """`first_seqs` is where each writer's commits begin: what was committed before that is not waited for."""
        self._first_seqs = first_seqs
        self._passed: dict[str, int] = {}
        self._waiting: dict[str, dict[int, RecordedEvent]] = {}
        # Of entities that wait for a version of which nobody knows whether it comes: until when they do.
        self._until: dict[str, Instant] = {}

    def release(self, record: RecordedEvent, committed_at: Instant) -> list[RecordedEvent]:
        """Return what may pass now that this record of a commit came, which is the latest so far."""
        passing = self._overdue(committed_at)
        entity = record.entity
        if record.version > self._passed.get(entity, 0) + 1 and self._is_to_come(record):
            self._waiting.setdefault(entity, {})[record.version] = record
            if record.previous_commit is None:
                self._until.setdefault(entity, committed_at + MOST_SKEW_MS)
            return passing
        passing.append(record)
        waiting = self._waiting.get(entity, {})
        while (following := waiting.pop(passing[-1].version + 1, None)) is not None:
            passing.append(following)
        if not waiting:
            self._waiting.pop(entity, None)
            self._until.pop(entity, None)
        self._passed[entity] = passing[-1].version
        return passing

    def rest(self) -> list[RecordedEvent]:
        """Return what waited for a version that never came."""
        return [waiting[version] for waiting in self._waiting.values() for version in sorted(waiting)]

    def _overdue(self, now: Instant) -> list[RecordedEvent]:
        passing: list[RecordedEvent] = []
        # In the order of their ends: what is over stands first.
        while self._until and self._until[entity := next(iter(self._until))] < now:
            del self._until[entity]
            waiting = self._waiting.pop(entity)
            passing += [waiting[version] for version in sorted(waiting)]
            self._passed[entity] = max(waiting)
        return passing

    def _is_to_come(self, record: RecordedEvent) -> bool:
        """Whether the version before may still come: that of a charge names no commit, and may be of any writer."""
        if record.previous_commit is None:
            return True
        writer, seq = parse_commit_id(record.previous_commit)
        return writer in self._first_seqs and seq >= self._first_seqs[writer]
