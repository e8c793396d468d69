"""Publishing in order: of each entity the first occurrences of its events are in the order of its versions.

A writer's own events are, by themselves. But an entity may have changed hands, and whoever committed its earlier
versions may have died, or hang, before publishing them: then they are published here first. They may come again.
"""

from collections.abc import Iterable, Sequence

from actors.runtime.bounded_dict import BoundedDict
from actors.runtime.ports import (
    CheckpointStore,
    Commit,
    EventStream,
    Journal,
    RecordedEvent,
    parse_commit_id,
    version_key,
)

KNOWN_ENTITIES = 100_000
KNOWN_WRITERS = 1_000
# The number of no commit: a writer whose checkpoint was removed has published all.
EVERYTHING = 2**62


class Publisher:
    """One for each writer. All methods raise StoreUnavailableError; what was done until then may be done again."""

    def __init__(self, journal: Journal, stream: EventStream, checkpoints: CheckpointStore) -> None:
        self._journal = journal
        self._stream = stream
        self._checkpoints = checkpoints
        # Up to which version an entity's events are in the stream, where they do not name the commit before them (those
        # of charges), and up to which of its commits a writer's are.
        self._entities: BoundedDict[str, int] = BoundedDict(KNOWN_ENTITIES)
        self._writers: BoundedDict[str, int] = BoundedDict(KNOWN_WRITERS)

    async def publish(self, commits: Sequence[Commit]) -> None:
        """Appends the commits' events, and before each the earlier ones of its entity that a dead writer left.

        A writer's commits are to come in their order.
        """
        records = [record for commit in commits for record in commit.records]
        gaps = self._gaps(records)
        if gaps:
            await self._fill(gaps)
            missing = {id(gap.before): gap.missing[::-1] for gap in gaps}
            records = [one for record in records for one in (*missing.get(id(record), ()), record)]
        await self._stream.publish(records)
        self._note(records, commits)

    def _note(self, records: Sequence[RecordedEvent], commits: Sequence[Commit]) -> None:
        """What is in the stream now."""
        for commit in commits:
            self._writers[commit.writer] = max(commit.seq, self._writers.get(commit.writer, 0))
        for record in records:
            if record.previous_commit is None:
                self._entities[record.entity] = max(record.version, self._entities.get(record.entity, 0))
            else:
                self._entities.pop(record.entity, None)

    def _gaps(self, records: Sequence[RecordedEvent]) -> list["_Gap"]:
        """Where an earlier version is neither among these nor known to be in the stream."""
        reached: dict[str, int] = {}
        gaps: list[_Gap] = []
        for record in records:
            last = reached.get(record.entity, self._entities.get(record.entity, 0))
            if record.version > last + 1 and not self._is_published(record.previous_commit):
                gaps.append(_Gap(record, last))
            reached[record.entity] = max(last, record.version)
        return gaps

    async def _fill(self, gaps: Sequence["_Gap"]) -> None:
        """Reads each entity's history backwards, all in one query a step, down to a version that a checkpoint covers.

        Everything older is published.
        """
        open_gaps = list(gaps)
        while open_gaps:
            await self._learn([gap.commit for gap in open_gaps])
            open_gaps = [gap for gap in open_gaps if not self._is_published(gap.commit)]
            if not open_gaps:
                return  # mostly: only a writer that died leaves events unpublished
            commits = await self._journal.commits_with_keys([gap.key for gap in open_gaps])
            await self._learn([commit.id for commit in commits])
            unpublished = {
                one.key: one for commit in commits if not self._is_published(commit.id) for one in commit.records
            }
            # What the journal does not have any more was published long ago.
            open_gaps = [gap for gap in open_gaps if gap.key in unpublished]
            for gap in open_gaps:
                gap.missing.append(unpublished[gap.key])
            open_gaps = [gap for gap in open_gaps if gap.version > gap.last]

    def _is_published(self, commit: str | None) -> bool:
        if commit is None:
            return False
        writer, seq = parse_commit_id(commit)
        return seq <= self._writers.get(writer, 0)

    async def _learn(self, commits: Iterable[str | None]) -> None:
        """Asks how far their writers are, unless they are known to have got as far as this."""
        unknown = {parse_commit_id(commit)[0] for commit in commits if commit and not self._is_published(commit)}
        if unknown:
            self._writers.update(dict.fromkeys(unknown, EVERYTHING) | await self._checkpoints.published(unknown))


class _Gap:
    """Versions between `last`, which is in the stream, and a record; the `missing` ones are found backwards."""

    __slots__ = ("before", "last", "missing")

    def __init__(self, before: RecordedEvent, last: int) -> None:
        self.before = before
        self.last = last
        self.missing: list[RecordedEvent] = []

    @property
    def _earliest(self) -> RecordedEvent:
        return self.missing[-1] if self.missing else self.before

    @property
    def version(self) -> int:
        """The one to look at next."""
        return self._earliest.version - 1

    @property
    def commit(self) -> str | None:
        """The id of the commit that has it, if that is known."""
        return self._earliest.previous_commit

    @property
    def key(self) -> str:
        return version_key(self.before.entity, self.version)
