"""The seams of the runtime: what a host reaches outside of itself, so that it runs on Ray and in a simulation alike."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias

from typing_extensions import TypeVar  # with defaults, which the standard library has from Python 3.13 on

SEQ_DIGITS = 12

Instant = int
State = TypeVar("State")
Command = TypeVar("Command")
# What happened to an entity. A reader of events of every kind gets objects, and has to say which ones it takes.
Event_co = TypeVar("Event_co", default=object, covariant=True)
# What is answered to messages that are not refused.
Answer_co = TypeVar("Answer_co", default=Any, covariant=True)
# An answer or a refusal, which the runtime passes on.
Reply: TypeAlias = object


@dataclass(frozen=True, slots=True)
class RecordedEvent(Generic[Event_co]):
    """One event of one entity, such as `ticket:5f…`; versions of an entity have no gaps and start at 1.

    `commit` is the id of its commit, and `previous_commit` that of the commit with the version before: None for the
    first version, and where it is not known. `traceparent` is the W3C trace context of the request that caused it.
    """

    entity: str
    version: int
    at: Instant
    event: Event_co
    previous_commit: str | None = None
    commit: str | None = field(default=None, compare=False)
    traceparent: str | None = None

    @property
    def key(self) -> str:
        """The journal key that only one commit can ever own."""
        return version_key(self.entity, self.version)

    @property
    def kind(self) -> str:
        """What kind of entity it is about, such as `ticket`."""
        return self.entity.partition(":")[0]

    @property
    def entity_id(self) -> str:
        """Which one of its kind."""
        return self.entity.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Commit:
    """One turn of one writer. `seq` counts a writer's commits from 1, and `at` is when it was written.

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

    `is_new` when its entity came into being in the same commit; `before_reply` when the reply waits for it.
    """

    collection: str
    id: str
    version: int
    document: Callable[[], dict[str, Any]]
    is_new: bool = False
    before_reply: bool = True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a writer's commits are relayed: `applied` to the documents, and `published` to the event stream."""

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

    async def write(self, updates: Sequence[DocumentUpdate]) -> None:
        """Writes each document unless one of a newer version, or of this one in as new a projection, is there.

        Raises StoreUnavailableError.
        """


class CheckpointStore(Protocol):
    """Where writers' checkpoints are kept."""

    async def save(self, checkpoint: Checkpoint) -> None:
        """Keeps a writer's checkpoint; it never goes back. Raises StoreUnavailableError."""

    async def remove(self, writer: str) -> None:
        """Forgets a writer that ended, when all of its commits are relayed. Raises StoreUnavailableError."""

    async def published(self, writers: Collection[str]) -> dict[str, int]:
        """Up to which commit each writer's events are in the stream. Raises StoreUnavailableError.

        Writers without a checkpoint are left out: their events all are in the stream, because a writer has one from
        before its first commit until all of its commits are relayed.
        """


class EventStream(Protocol):
    """Where events go for whoever wants to know."""

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        """Appends the events in order. Raises StoreUnavailableError; repeats carry the same event ids."""


class Transport(Protocol):
    """The way to the hosts."""

    async def call(self, host: str, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> Sequence[Any]:
        """One reply for each message, in order, as the other process sent it. Raises HostUnreachableError.

        `redelivered` when they were sent before.
        """


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
