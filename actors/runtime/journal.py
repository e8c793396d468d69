"""Reading the journal back: an entity as it is now, and the commits that a dead writer did not carry on."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic

from actors.runtime.ports import (
    Behaviour,
    Command,
    Commit,
    DocumentStore,
    Journal,
    Marks,
    Projection,
    State,
    version_key,
)
from actors.runtime.publisher import Publisher

RECOVERY_BATCH = 100


@dataclass(frozen=True, slots=True)
class Loaded(Generic[State]):
    """The states, None where nothing exists, and the documents of what was found beyond the stored ones."""

    states: dict[str, State | None]
    projections: list[Projection]


def next_key(behaviour: Behaviour[State, Command], entity_id: str, state: State | None) -> str:
    """The journal key that the next event of this entity will own."""
    return version_key(f"{behaviour.kind}:{entity_id}", behaviour.version(state) + 1)


async def load(behaviour: Behaviour[State, Command], journal: Journal, ids: Collection[str]) -> Loaded[State]:
    """The entities: their documents, then the commits that own their next versions until there is none.

    So documents may lag without harm. What is found beyond a document is to be projected by the finder, since its
    writer may be dead. Raises StoreUnavailableError.
    """
    documents = await behaviour.load(ids)
    states: dict[str, State | None] = {entity_id: documents.get(entity_id) for entity_id in ids}
    projections: list[Projection] = []
    behind = set(ids)
    while behind:
        commits = await journal.owning([next_key(behaviour, entity_id, states[entity_id]) for entity_id in behind])
        behind = set()
        for record in sorted((record for commit in commits for record in commit.records), key=lambda r: r.version):
            kind, _, entity_id = record.entity.partition(":")
            if kind != behaviour.kind or entity_id not in states:
                continue
            state = states[entity_id]
            if record.version == behaviour.version(state) + 1:
                states[entity_id] = state = behaviour.evolve(state, record, entity_id)
                projections.extend(behaviour.projections(record, state))
                behind.add(entity_id)
    return Loaded(states, projections)


async def recover(
    behaviour: Behaviour[State, Command],
    journal: Journal,
    documents: DocumentStore,
    publisher: Publisher,
    marks: Marks,
) -> Marks:
    """Carries on what a writer committed and did not carry on itself, and returns its marks after that.

    Every document is written as its entity is now, so it does not matter who else applies the same commits, in which
    order or how often. Raises StoreUnavailableError; what was done until then may be done again.
    """
    applied = marks.applied
    while commits := await journal.after(marks.writer, applied, RECOVERY_BATCH):
        await _apply(behaviour, journal, documents, commits)
        applied = commits[-1].seq
    published = marks.published
    while commits := await journal.after(marks.writer, published, RECOVERY_BATCH):
        await publisher.publish(commits)
        published = commits[-1].seq
    return Marks(marks.writer, marks.host, applied, published, marks.at)


async def _apply(
    behaviour: Behaviour[State, Command], journal: Journal, documents: DocumentStore, commits: list[Commit]
) -> None:
    records = [record for commit in commits for record in commit.records]
    ids = {record.entity.partition(":")[2] for record in records}
    loaded = await load(behaviour, journal, ids)
    projections = list(loaded.projections)
    for record in records:
        state = loaded.states[record.entity.partition(":")[2]]
        if state is not None:
            projections.extend(behaviour.projections(record, state))
    await documents.write(newest(projections))


def newest(projections: Collection[Projection]) -> list[Projection]:
    """One projection for each document: that of the highest version."""
    best: dict[tuple[str, str], Projection] = {}
    for projection in projections:
        place = (projection.collection, projection.id)
        if place not in best or best[place].version < projection.version:
            best[place] = projection
    return list(best.values())
