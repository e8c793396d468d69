"""A turn: messages of many entities that are decided on each other's outcomes, and committed as one.

A key exists once. Between commits the journal's unique index sees to that; it does not compare the keys of one commit,
so within a turn this does: a message that wants a key of its turn is decided in the next one.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Generic

from actors.domain.refusals import Unavailable
from actors.runtime.entity import Entity
from actors.runtime.mailbox import Envelope
from actors.runtime.ownership import Share
from actors.runtime.ports import Command, DocumentUpdate, Instant, RecordedEvent, Reply, State


@dataclass(slots=True)
class Turn(Generic[State]):
    """What is asked, the states before and after, and what is to be committed and answered.

    `share` is what the host owns, as it knew when the turn began.
    `unwritten` are the entities of messages that are answered from memory alone, `refused` the keys of commands that
    were refused though they may have taken effect when they were sent before. Messages for `closed` entities wait for
    the next turn. `found` are documents of what was in the journal only.
    """

    envelopes: list[Envelope]
    at: Instant
    share: Share
    states: dict[str, State | None] = field(default_factory=dict)
    records: list[RecordedEvent] = field(default_factory=list)
    keys: dict[str, None] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    unwritten: set[str] = field(default_factory=set)
    refused: dict[Envelope, str] = field(default_factory=dict)
    replies: list[tuple[Envelope, Reply]] = field(default_factory=list)
    deferred: list[Envelope] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    found: list[DocumentUpdate] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What is recorded with an event besides what happened."""

    at: Instant
    commit: str
    traceparent: str | None = None


class Decider(Generic[State, Command]):
    """Decides the messages of a turn in memory, in their order. It neither reads nor writes anything else."""

    def __init__(self, entity: Entity[State, Command], *, on_failed: Callable[[Envelope], None]) -> None:
        self._entity = entity
        self._on_failed = on_failed

    def decide_all(self, turn: Turn[State], commit: str) -> None:
        """Decide every message; what is to be written goes into the commit of this id."""
        for envelope in turn.envelopes:
            if turn.closed and self.is_for(envelope, turn.closed):
                self._defer(turn, envelope)
            else:
                self._decide(turn, envelope, commit)

    def is_for(self, envelope: Envelope, entity_ids: AbstractSet[str]) -> bool:
        """Whether the message is for one of the entities."""
        return self._entity.entity_id(envelope.command) in entity_ids

    def _decide(self, turn: Turn[State], envelope: Envelope, commit: str) -> None:
        """An exception fails its own message only: what it would have changed is not kept."""
        entity, command = self._entity, envelope.command
        entity_id = entity.entity_id(command)
        now = max(turn.at, entity.updated_at(turn.states[entity_id]))
        records: list[RecordedEvent] = []
        stamp = _Stamp(now, commit, envelope.traceparent)
        try:
            self._apply_due(turn, entity_id, now, commit)
            state = turn.states[entity_id]
            decided = entity.decide(state, command, now)
            for event in decided.events:
                state = self._record(records, state, entity_id, event, stamp)
            reply = decided.refusal or entity.reply(existing(state), command, decided)
            keys = self._keys(records)
        except Exception:  # noqa: BLE001 - the rule: one message's bug must not take the turn down
            self._on_failed(envelope)
            envelope.answer(Unavailable())
            return
        if self._has_any(turn, keys):
            self._defer(turn, envelope)
            return
        self._accept(turn, entity_id, state, records, keys)
        turn.replies.append((envelope, reply))
        if envelope.span is not None:
            envelope.span.set_attribute("holdfast.events", [type(record.event).__name__ for record in records])
        if not records and not (entity.is_read(command) and turn.share.is_exclusive(entity_id)):
            turn.unwritten.add(entity_id)
        if decided.refusal is not None and not envelope.conflicts:
            may_be_again = envelope.redelivered or entity.may_be_repeated(command)
            if may_be_again and (key := entity.unique_key_of(command)) is not None:
                turn.refused[envelope] = key

    def _apply_due(self, turn: Turn[State], entity_id: str, now: Instant, commit: str) -> None:
        """Record what is true by the time alone, whatever comes of the command."""
        state = turn.states[entity_id]
        records: list[RecordedEvent] = []
        for event in self._entity.expire_if_due(state, now):
            state = self._record(records, state, entity_id, event, _Stamp(now, commit))
        if records:
            self._accept(turn, entity_id, state, records, self._keys(records))

    def _accept(
        self,
        turn: Turn[State],
        entity_id: str,
        state: State | None,
        records: Sequence[RecordedEvent],
        keys: Sequence[str],
    ) -> None:
        """Makes the events part of the next commit, so that the rest of the turn is decided on them."""
        turn.states[entity_id] = state
        turn.keys.update(dict.fromkeys(keys))
        for record in records:
            turn.records.append(record)
            turn.changed.add(entity_id)
            self._entity.on_decided(record.event)

    def _record(
        self, records: list[RecordedEvent], state: State | None, entity_id: str, event: object, stamp: "_Stamp"
    ) -> State:
        """Adds the event to those of the next commit, and returns the state after it."""
        entity = self._entity
        key, version = f"{entity.kind}:{entity_id}", entity.version(state) + 1
        previous = entity.commit_of(state)
        records.append(RecordedEvent(key, version, stamp.at, event, previous, stamp.commit, stamp.traceparent))
        return entity.evolve(state, records[-1], entity_id)

    def _keys(self, records: Sequence[RecordedEvent]) -> list[str]:
        """Return the journal keys of one message's events. Raise ValueError for one that is there twice."""
        keys = [key for record in records for key in (record.key, *self._entity.unique_keys(record.event))]
        if len(set(keys)) < len(keys):
            raise ValueError("the events of one message have a key twice")
        return keys

    def _has_any(self, turn: Turn[State], keys: Sequence[str]) -> bool:
        return not turn.keys.keys().isdisjoint(keys)

    def _defer(self, turn: Turn[State], envelope: Envelope) -> None:
        """Leave the message to the next turn, and with it what comes after it for the same entity.

        By then the key is in the journal, where it is found. A message is deferred only by messages ahead of it, of
        which each such turn decides at least one, so its turn comes.
        """
        envelope.is_deferred = True
        turn.deferred.append(envelope)
        turn.closed.add(self._entity.entity_id(envelope.command))


def existing(state: State | None) -> State:
    """Return the state. Raises LookupError where there is none: an accepted command leaves an entity."""
    if state is None:
        raise LookupError("an accepted command leaves an entity")
    return state
