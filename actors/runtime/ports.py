"""The seams of the runtime: what a host reaches outside of itself, so that it runs on Ray and in a simulation alike."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

SEQ_DIGITS = 12

Instant = int
State = TypeVar("State")
Command = TypeVar("Command")
Event = Any
Reply = Any


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event of one entity, such as `ticket:5f…`; versions of an entity have no gaps and start at 1.

    `after` is the id of the commit that has the version before, None for the first one and where it is not known, and
    `commit` that of its own.
    """

    entity: str
    version: int
    at: Instant
    event: Event
    after: str | None = None
    commit: str | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The journal key that only one commit can ever own."""
        return version_key(self.entity, self.version)


@dataclass(frozen=True, slots=True)
class Commit:
    """One turn of one writer. `seq` counts a writer's commits from 1.

    `keys` are sorted, so that two inserts that share some never wait for each other.
    """

    writer: str
    seq: int
    at: Instant
    keys: tuple[str, ...]
    records: tuple[RecordedEvent, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(sorted(self.keys)))

    @property
    def id(self) -> str:
        """What this commit is called in the journal."""
        return commit_id(self.writer, self.seq)

    def check_keys(self) -> None:
        """Raise ValueError for a key that is there twice: an index compares the keys of different documents only."""
        if len(set(self.keys)) < len(self.keys):
            raise ValueError("a commit has a key twice")


@dataclass(frozen=True, slots=True)
class DocumentUpdate:
    """One whole document as the journal says it is, made when it is written: many are overtaken before that.

    `is_new` when its entity came into being in the same commit; `urgent` when the reply waits for it.
    """

    collection: str
    id: str
    version: int
    document: Callable[[], dict[str, Any]]
    is_new: bool = False
    before_reply: bool = True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a writer's commits were carried on: into the documents, and into the event stream."""

    writer: str
    host: str
    applied: int
    published: int
    at: Instant


class StoreUnavailableError(Exception):
    """The database did not answer. Whether a write happened is not known."""


class FencedError(Exception):
    """Another writer owns a key of this commit: what this host remembers is stale. Nothing was written."""


class CommitTooLargeError(Exception):
    """The commit is larger than a document may be. Nothing was written."""


class HostUnreachableError(Exception):
    """The host died or was replaced. Whether it handled the messages is not known."""


class Clock(Protocol):
    """The one clock that decisions are made by."""

    def now(self) -> Instant:
        """Milliseconds since the epoch on the database's clock."""


class Journal(Protocol):
    """The judge: an append-only list of commits in which a key exists once."""

    async def append(self, commit: Commit) -> int:
        """Durable when it returns, also when the same commit was there already. Returns its size in bytes.

        Raises FencedError, CommitTooLargeError or StoreUnavailableError, and ValueError for one that has a key twice.
        """

    async def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        """The commits that own any of the keys. Raises StoreUnavailableError."""

    async def existing_keys(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that some commit owns. Raises StoreUnavailableError."""

    async def after(self, writer: str, seq: int, limit: int) -> list[Commit]:
        """The first of the writer's commits numbered `seq` + 1 to `seq` + `limit`, in order.

        Not all of them when they are many megabytes, but one if there is any. Raises StoreUnavailableError.

        A writer numbers its commits from 1 without gaps: where there is none, there is none after it.
        """


class DocumentStore(Protocol):
    """Where documents are kept; any applier may write any of them, twice and in any order."""

    async def write(self, projections: Sequence[DocumentUpdate]) -> None:
        """Writes each document unless one of a newer version, or of this one in as new a projection, is there.

        Raises StoreUnavailableError.
        """


class CheckpointStore(Protocol):
    """Where writers' marks are kept."""

    async def save(self, marks: Checkpoint) -> None:
        """Keeps a writer's marks; they never go back. Raises StoreUnavailableError."""

    async def remove(self, writer: str) -> None:
        """Forgets a writer that ended, when all of its commits are carried on. Raises StoreUnavailableError."""

    async def published(self, writers: Collection[str]) -> dict[str, int]:
        """Up to which commit each writer's events are in the stream. Raises StoreUnavailableError.

        Writers without marks are left out: their events all are, as a writer has marks from before its first commit
        until it ended and all were carried on.
        """


class EventStream(Protocol):
    """Where events go for whoever wants to know."""

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        """Appends the events in order. Raises StoreUnavailableError; repeats carry the same event ids."""


class Transport(Protocol):
    """The way to the hosts."""

    async def call(self, host: str, messages: Sequence[Any], deadline: Instant, *, again: bool) -> list[Reply]:
        """One reply for each message, in order; `again` when they were sent before. Raises HostUnreachableError."""


@dataclass(slots=True)
class EntityDecision(Generic[State]):
    """What a command led to: its events, or a refusal, and what it was decided on."""

    events: tuple[Event, ...]
    refusal: Any
    surroundings: Any


class Entity(Protocol[State, Command]):
    """What a kind of entity does with its messages; everything here but `load` and `gather` is pure."""

    kind: str

    def entity_id(self, command: Command) -> str:
        """The id of the entity that the command is for."""

    def is_creation(self, command: Command) -> bool:
        """Whether the entity probably does not exist yet, so that loading it can be left to the fence."""

    def is_read(self, command: Command) -> bool:
        """Whether the command can never change anything."""

    async def load(self, ids: Collection[str]) -> dict[str, State]:
        """The documents that exist, in one query. Raises StoreUnavailableError."""

    async def prefetch(
        self, commands: Sequence[Command], states: Mapping[str, State | None], now: Instant, *, after_conflict: bool
    ) -> None:
        """Fetches what deciding these commands needs besides their entities, in one query per collection.

        `states` are those of the entities before the turn, by id.

        `careful` when a key that one of them wants was taken: then also what is usually left to the fence.
        """

    def decide(self, state: State | None, command: Command, now: Instant) -> EntityDecision[State]:
        """The decision, with the surroundings that `gather` fetched."""

    def expire_if_due(self, state: State | None, now: Instant) -> tuple[Event, ...]:
        """The events that time alone causes, in order, to be applied before any command."""

    def evolve(self, state: State | None, recorded: RecordedEvent, entity_id: str) -> State:
        """The state after the event."""

    def version(self, state: State | None) -> int:
        """The state's version, 0 for none."""

    def commit_of(self, state: State | None) -> str | None:
        """The id of the commit of the last event, None where there is none or it is not known."""

    def updated_at(self, state: State | None) -> Instant:
        """The instant of the last event: time never goes backwards for an entity."""

    def unique_keys(self, event: Event) -> tuple[str, ...]:
        """Journal keys that the event owns besides its version."""

    def unique_key_of(self, command: Command) -> str | None:
        """The journal key that is owned if this very command took effect before.

        Sent again, such a command is not refused.
        """

    def reply(self, state: State, command: Command, decided: EntityDecision[State]) -> Reply:
        """The answer to an accepted command."""

    def on_decided(self, event: Event) -> None:
        """Told of every event as soon as it is decided, so that the rest of the turn is decided on it."""

    def on_turn_end(self, *, committed: bool) -> None:
        """Told whether what was noticed since the last time came to be; what did not is to be taken back."""

    def timer(self, state: State) -> tuple[Instant, Command] | None:
        """When this entity wants to be woken, and by which command."""

    def documents_before_reply(self, command: Command, reply: Reply) -> Collection[tuple[str, str]]:
        """Collection and id of the documents that the caller may read after this reply: they are written before it."""

    def projections(self, recorded: RecordedEvent, state: State) -> list[DocumentUpdate]:
        """The documents that the event changes; `state` is that after the turn."""

    def told(self, state: State) -> list[DocumentUpdate]:
        """Return the documents of others that the entity's own one tells of, as an order that has a ticket."""


def version_key(entity: str, version: int) -> str:
    """The journal key of one version of one entity."""
    return f"{entity}:{version}"


def commit_id(writer: str, seq: int) -> str:
    """The id of one commit of one writer."""
    return f"{writer}:{seq:0{SEQ_DIGITS}d}"


def parse_commit_id(commit: str) -> tuple[str, int]:
    """Writer and number of a commit's id."""
    writer, _, seq = commit.rpartition(":")
    return writer, int(seq)
