"""Reading the journal back: an entity as it is now, and the commits that a dead writer did not relay."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Generic

import structlog

from actors.domain.codec import UnreadableEvent
from actors.runtime.commit_log import log_commit
from actors.runtime.entity import Entity
from actors.runtime.ports import (
    Checkpoint,
    Command,
    Commit,
    DocumentStore,
    DocumentUpdate,
    Journal,
    RecordedEvent,
    State,
    version_key,
)
from actors.runtime.publisher import Publisher

RECOVERY_BATCH = 100
# Versions asked for at once: with the one after the next a missing one shows, and whoever lags is read in fewer steps.
LOOK_AHEAD = 2

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[State]):
    """The states, None where nothing exists, and the documents of what was found beyond the stored ones.

    `unreadable` are those with an event that this release does not understand, or without one that has to be there;
    they have no state.
    """

    states: dict[str, State | None]
    updates: list[DocumentUpdate]
    unreadable: AbstractSet[str] = field(default_factory=set)


def next_key(entity: Entity[State, Command], entity_id: str, state: State | None) -> str:
    """The journal key that the next event of this entity will own."""
    return version_key(f"{entity.kind}:{entity_id}", entity.version(state) + 1)


def _next_keys(entity: Entity[State, Command], entity_id: str, state: State | None) -> list[str]:
    key, version = f"{entity.kind}:{entity_id}", entity.version(state)
    return [version_key(key, version + step) for step in range(1, LOOK_AHEAD + 1)]


async def load(entity: Entity[State, Command], journal: Journal, ids: Collection[str]) -> Loaded[State]:
    """The entities: their documents, then the commits that own their next versions until there is none.

    So documents may lag without harm. What is found beyond a document is to be projected by the finder, since its
    writer may be dead. A version without the one before was lost by the database: nothing is put in its place. Raises
    StoreUnavailableError.
    """
    documents = await entity.load(ids)
    # The keys are those of the documents, so that an id is in memory once, and not as its message had it as well.
    states: dict[str, State | None] = {**documents, **{one: None for one in ids if one not in documents}}
    updates: list[DocumentUpdate] = []
    behind = set(ids)
    unreadable: set[str] = set()
    ahead: set[str] = set()
    while behind:
        asked = [key for entity_id in behind for key in _next_keys(entity, entity_id, states[entity_id])]
        commits = await journal.commits_with_keys(asked)
        behind, expected, ahead = set(), ahead, set()
        for record in sorted((record for commit in commits for record in commit.records), key=lambda r: r.version):
            entity_id = record.entity_id
            if record.kind != entity.kind or entity_id not in states or entity_id in unreadable:
                continue
            state = states[entity_id]
            if record.version > entity.version(state) + 1:
                ahead.add(entity_id)
            if record.version != entity.version(state) + 1:
                continue
            if isinstance(record.event, UnreadableEvent):
                logger.error("entity_unreadable", entity=record.entity, version=record.version, why=record.event.why)
                unreadable.add(entity_id)
                continue
            states[entity_id] = state = entity.evolve(state, record, entity_id)
            updates.extend(entity.document_updates(record, state))
            behind.add(entity_id)
        # A later version may have come while the index was read. Asked once more, the one before it has to be there.
        for entity_id in expected - behind - unreadable:
            logger.error("entity_unreadable", entity=f"{entity.kind}:{entity_id}", why="a version is missing")
            unreadable.add(entity_id)
        behind = (behind | ahead) - unreadable
    for entity_id in unreadable:
        states[entity_id] = None
    return Loaded(states, updates, unreadable)


async def recover(
    entity: Entity[State, Command],
    journal: Journal,
    documents: DocumentStore,
    publisher: Publisher,
    checkpoint: Checkpoint,
) -> Checkpoint:
    """Relay what a writer committed and did not relay itself, and return its checkpoint after that.

    Every document is written as its entity is now, so it does not matter who else applies the same commits, in which
    order or how often. `applied` stays before a commit with an event that this release does not understand,
    for a newer one to apply. Raises StoreUnavailableError; what was done until then may be done again.
    """
    done = applied = checkpoint.applied
    while commits := await journal.after(checkpoint.writer, done, RECOVERY_BATCH):
        understood = await _apply(entity, journal, documents, commits)
        if applied == done:
            applied = understood
            for commit in commits:
                # It may have died before it logged them.
                if commit.seq <= applied:
                    log_commit(entity, commit, recovered=True)
        done = commits[-1].seq
    published = checkpoint.published
    while commits := await journal.after(checkpoint.writer, published, RECOVERY_BATCH):
        await publisher.publish(commits)
        published = commits[-1].seq
    return Checkpoint(checkpoint.writer, checkpoint.host, applied, published, checkpoint.at)


async def _apply(
    entity: Entity[State, Command], journal: Journal, documents: DocumentStore, commits: list[Commit]
) -> int:
    """Return the number of the commit up to which all entities could be read."""
    records = [record for commit in commits for record in commit.records]
    ids = {record.entity_id for record in records}
    loaded = await load(entity, journal, ids)
    updates = list(loaded.updates)
    for record in records:
        state = loaded.states[record.entity_id]
        if state is not None and not isinstance(record.event, UnreadableEvent):
            updates.extend(entity.document_updates(record, state))
    await documents.write(latest_per_document(updates))
    strange = (commit for commit in commits if any(_is_strange(record, loaded) for record in commit.records))
    return next((commit.seq - 1 for commit in strange), commits[-1].seq)


def _is_strange(record: RecordedEvent, loaded: Loaded[State]) -> bool:
    """Whether a newer release has to write the documents of this event."""
    return isinstance(record.event, UnreadableEvent) or record.entity_id in loaded.unreadable


def latest_per_document(updates: Collection[DocumentUpdate]) -> list[DocumentUpdate]:
    """One update for each document: that of the highest version."""
    best: dict[tuple[str, str], DocumentUpdate] = {}
    for update in updates:
        place = (update.collection, update.id)
        if place not in best or best[place].version < update.version:
            best[place] = update
    return list(best.values())
