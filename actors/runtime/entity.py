"""What the runtime asks of a kind of entity: tickets and charges bring their rules, documents and keys."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from typing_extensions import TypeVar

from actors.domain.refusals import Refusal
from actors.runtime.ports import Answer_co, Command, DocumentUpdate, Instant, RecordedEvent, Reply, State

# What happens to this kind of entity. A host runs them all alike, and leaves it out.
EntityEvent = TypeVar("EntityEvent", default=Any)


@dataclass(slots=True)
class EntityDecision(Generic[State, EntityEvent]):
    """What a command led to: its events, or a refusal, and what it was decided on."""

    events: tuple[EntityEvent, ...]
    refusal: Refusal | None
    context: Any


class Entity(Protocol[State, Command, EntityEvent, Answer_co]):
    """What a kind of entity does with its messages; everything here but `load` and `prefetch` is pure.

    Implementations inherit from it: what has an answer here is optional.
    """

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
    ) -> Sequence[DocumentUpdate]:
        """Fetches what deciding these commands needs besides their entities, in one query per collection.

        `states` are those of the entities before the turn, by id.

        `after_conflict` when a key that one of them wants was taken: then also what is usually left to the fence.

        Returns documents that the replies will tell of and that turn out to be behind the journal: whoever is to write
        them may have died.
        """

    def decide(self, state: State | None, command: Command, now: Instant) -> EntityDecision[State, EntityEvent]:
        """The decision, with the context that `prefetch` fetched."""

    def expire_if_due(self, state: State | None, now: Instant) -> tuple[EntityEvent, ...]:
        """The events that time alone causes, in order, to be applied before any command."""
        return ()

    def evolve(self, state: State | None, recorded: RecordedEvent[EntityEvent], entity_id: str) -> State:
        """The state after the event."""

    def version(self, state: State | None) -> int:
        """The state's version, 0 for none."""

    def commit_of(self, state: State | None) -> str | None:
        """The id of the commit of the last event, None where there is none or it is not known."""
        return None

    def updated_at(self, state: State | None) -> Instant:
        """The instant of the last event: time never goes backwards for an entity."""

    def due_at(self, event: EntityEvent) -> Instant | None:
        """When an event was due that time alone causes, None for every other."""
        return None

    def unique_keys(self, event: EntityEvent) -> tuple[str, ...]:
        """Journal keys that the event owns besides its version."""
        return ()

    def unique_key_of(self, command: Command) -> str | None:
        """The journal key that is owned if this very command took effect before.

        Sent again, such a command is not refused.
        """
        return None

    def may_be_repeated(self, command: Command) -> bool:
        """Whether somebody may ask for the same once more, so that this may not be the first time."""
        return False

    def reply(self, state: State, command: Command, decided: EntityDecision[State, EntityEvent]) -> Answer_co:
        """The answer to an accepted command."""

    def on_decided(self, event: EntityEvent) -> None:
        """Told of every event as soon as it is decided, so that the rest of the turn is decided on it."""
        return

    def log_facts(self, event: EntityEvent) -> dict[str, str]:
        """What the log says of an event besides its type and its entity: ids and states, nothing that people wrote."""
        return {}

    def on_turn_end(self, *, committed: bool) -> None:
        """Told whether what was decided since the last time came to be; what did not is to be taken back."""
        return

    def on_shares_changed(self) -> None:
        """Told that entities came from other hosts, or went there; what was counted over several may be off."""
        return

    def timer(self, state: State) -> tuple[Instant, Command] | None:
        """When this entity wants to be woken, and by which command."""
        return None

    def documents_before_reply(self, command: Command, reply: Reply) -> Collection[tuple[str, str]]:
        """Collection and id of the documents that the caller may read after this reply: they are written before it."""
        return ()

    def document_updates(self, recorded: RecordedEvent[EntityEvent], state: State) -> list[DocumentUpdate]:
        """The documents that the event changes; `state` is that after the turn."""

    def related_updates(self, state: State) -> list[DocumentUpdate]:
        """Return updates of the other documents that its state tells of, such as the order that holds a ticket."""
        return []
