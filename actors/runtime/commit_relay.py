"""What happens to a commit after it is in the journal: documents, event stream, and checkpoints of both."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import islice, repeat
from typing import Any

from actors.runtime.mailbox import Envelope
from actors.runtime.ports import (
    Checkpoint,
    CheckpointStore,
    Clock,
    Commit,
    DocumentStore,
    DocumentUpdate,
    EventStream,
    Journal,
    StoreUnavailableError,
)
from actors.runtime.publisher import Publisher
from actors.runtime.replay import latest_per_document
from actors.runtime.retry import retry
from actors.runtime.trace import log_context_of
from config import logs

# Documents that nobody waits for are left to quiet moments: a guarded replace costs the database 2 ms, ten times an
# insert (measured with `holdfast up`). While the host is busy only a fiftieth of what waits is written every half
# second, so that the backlog stays bounded by 25 s of writes.
QUIET_SECONDS = 0.1
QUIET_BATCH = 50
BUSY_SHARE = 100
BUSY_SECONDS = 0.5
# Beyond this many commits or bytes the publisher forgets, and reads back from the journal when Redis is there again.
BACKLOG = 2_000
BACKLOG_BYTES = 32 * 1024 * 1024
PUBLISH_BATCH = 50
CHECKPOINT_SECONDS = 1.0
# A writer says at least so often that it lives: what is known of writers that died is removed after a day.
CHECKPOINT_AT_LEAST_MS = 3_600_000
RETRY_SECONDS = 0.2
WRITE_TRIES = 25


class CommitRelay:
    """Relays one writer's commits. Runs beside its host; nothing it does late or twice does harm."""

    def __init__(  # noqa: PLR0913 - the seams of the design
        self,
        journal: Journal,
        documents: DocumentStore,
        stream: EventStream,
        checkpoints: CheckpointStore,
        clock: Clock,
        *,
        writer: str,
        host: str,
        report: Callable[[str, Any], None],
    ) -> None:
        self._journal = journal
        self._documents = documents
        self._publisher = Publisher(journal, stream, checkpoints)
        self._checkpoints = checkpoints
        self._clock = clock
        self._report = report
        self._saved = Checkpoint(writer, host, 0, 0, 0)
        self._committed = 0
        self._published = 0
        self._dirty: dict[tuple[str, str], tuple[int, DocumentUpdate]] = {}
        self._writing: set[tuple[str, str]] = set()
        self._backlog: deque[Commit] = deque()
        # Of those that were not read back: these are read a page at a time, and as soon as they are published.
        self._sizes: dict[int, int] = {}
        self._backlog_bytes = 0
        self._fill = asyncio.Event()
        self._noted = asyncio.Event()
        self._last_commit = 0.0

    async def run(self) -> None:
        """Publishes events, writes documents and saves checkpoints until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish(), name="publish")
            tasks.create_task(self._write_lazily(), name="write-lazily")
            tasks.create_task(self._save_checkpoints(), name="save-checkpoints")

    async def register(self) -> None:
        """Saves the first checkpoint. To be awaited before the first commit: nobody recovers a writer without one."""
        await self._save_checkpoint()

    @property
    def is_finished(self) -> bool:
        """Whether every commit is relayed, and the checkpoint says so."""
        return self._committed == self._saved.applied == self._saved.published

    @property
    def unapplied(self) -> int:
        """How many commits are not in the documents yet."""
        return self._committed - self.applied

    @property
    def unpublished(self) -> int:
        """How many commits are not in the event stream yet."""
        return self._committed - self._published

    async def leave(self) -> None:
        """Removes the checkpoint of a writer that is finished and commits no more. Raises StoreUnavailableError."""
        await self._checkpoints.remove(self._saved.writer)

    def on_committed(self, commit: Commit, size: int) -> None:
        """Takes note of a commit that is in the journal, where it has so many bytes."""
        self._committed = commit.seq
        self._last_commit = asyncio.get_running_loop().time()
        has_room = len(self._backlog) < BACKLOG and self._backlog_bytes + size <= BACKLOG_BYTES
        if has_room and self._next_to_publish() == commit.seq:
            self._backlog.append(commit)
            self._sizes[commit.seq] = size
            self._backlog_bytes += size
        self._fill.set()

    def on_failed(self, envelope: Envelope) -> None:
        """Takes note of a message whose handling raised; called from the except clause."""
        with logs.bound(**log_context_of(envelope.traceparent, envelope.command)):
            self._report("message_failed", type(envelope.command).__name__)

    def enqueue(self, updates: Sequence[DocumentUpdate]) -> list[DocumentUpdate]:
        """Takes note of documents to be written, and returns those that a reply waits for."""
        before_reply: list[DocumentUpdate] = []
        self._noted.set()
        for update in latest_per_document(updates):
            place = (update.collection, update.id)
            since, waiting = self._dirty.get(place, (self._committed, update))
            if waiting.version <= update.version:
                newest = replace(update, is_new=True) if waiting.is_new and not update.is_new else update
                self._dirty[place] = (since, newest)
            if update.before_reply:
                before_reply.append(self._dirty[place][1])
        return before_reply

    def pending(self, places: Collection[tuple[str, str]]) -> list[DocumentUpdate]:
        """The newest of these documents, by collection and id, that are noted and not known to be written."""
        return [self._dirty[place][1] for place in places if place in self._dirty]

    async def write(self, updates: Sequence[DocumentUpdate]) -> None:
        """Writes documents that somebody waits for; raises StoreUnavailableError after some seconds of trying.

        They stay noted until they are written.
        """
        pauses = repeat(RETRY_SECONDS, WRITE_TRIES - 1)
        await retry(lambda: self._write(updates), StoreUnavailableError, pauses)

    async def _write(self, updates: Sequence[DocumentUpdate]) -> None:
        places = {(update.collection, update.id) for update in updates}
        self._writing |= places
        try:
            await self._documents.write(updates)
        finally:
            self._writing -= places
        for update in updates:
            place = (update.collection, update.id)
            waiting = self._dirty.get(place)
            if waiting is not None and waiting[1].version <= update.version:
                del self._dirty[place]

    @property
    def applied(self) -> int:
        """All commits up to this one are in the documents. The notes are in the order of their first commit."""
        return next(iter(self._dirty.values()))[0] - 1 if self._dirty else self._committed

    async def _write_lazily(self) -> None:
        while True:
            if not self._dirty:
                self._noted.clear()
                await self._noted.wait()
                # What a reply waits for is written by whoever sends it.
                await asyncio.sleep(QUIET_SECONDS)
            quiet = asyncio.get_running_loop().time() - self._last_commit >= QUIET_SECONDS
            most = QUIET_BATCH if quiet else max(1, len(self._dirty) // BUSY_SHARE)
            waiting = (note[1] for place, note in self._dirty.items() if place not in self._writing)
            batch = list(islice(waiting, most))
            try:
                await self._write(batch) if batch else None
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(0 if quiet and batch else QUIET_SECONDS if quiet else BUSY_SECONDS)

    def _next_to_publish(self) -> int:
        return self._backlog[-1].seq + 1 if self._backlog else self._published + 1

    async def _publish(self) -> None:
        while True:
            await self._fill.wait()
            self._fill.clear()
            while self._published < self._committed:
                await retry(self._publish_some, StoreUnavailableError, repeat(RETRY_SECONDS))

    async def _publish_some(self) -> None:
        if not self._backlog:
            self._backlog.extend(await self._journal.after(self._saved.writer, self._published, PUBLISH_BATCH))
        batch = list(islice(self._backlog, PUBLISH_BATCH))
        await self._publisher.publish(batch)
        # Nothing else takes from the left, so what was published is what stands there now.
        for commit in batch:
            self._backlog.popleft()
            self._backlog_bytes -= self._sizes.pop(commit.seq, 0)
            self._published = commit.seq

    async def _save_checkpoints(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            is_old = self._clock.now() - self._saved.at >= CHECKPOINT_AT_LEAST_MS
            if is_old or (self.applied, self._published) != (self._saved.applied, self._saved.published):
                await self._save_checkpoint()

    async def _save_checkpoint(self) -> None:
        checkpoint = replace(self._saved, applied=self.applied, published=self._published, at=self._clock.now())
        await retry(lambda: self._checkpoints.save(checkpoint), StoreUnavailableError, repeat(RETRY_SECONDS))
        self._saved = checkpoint
