"""The journal folded in memory from its first commit: what each document has to be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from actors.domain.codec import UnreadableEvent
from actors.runtime.entity import Entity
from actors.runtime.ports import DocumentUpdate, RecordedEvent

# Every entity has a place below this one, the same in every process.
PLACES = 2**32


@dataclass(frozen=True, slots=True)
class FoldedDocument:
    """A document as the journal says it is, and the entity whose events it is made of."""

    entity: str
    update: DocumentUpdate


class Fold:
    """The entities of the places from `first` on, as many as there is room for: those before `end`.

    `documents` are written by the same rule as in a host. `left_out` are entities with an event that this release does
    not understand, or without one that has to be there: they have no documents here.
    """

    def __init__(self, kinds: Mapping[str, Entity[Any, Any]], first: int, room: int) -> None:
        self.end = PLACES
        self.documents: dict[tuple[str, str], FoldedDocument] = {}
        self.left_out: set[str] = set()
        self._kinds = kinds
        self._first = first
        self._room = room
        self._states: dict[str, Any] = {}
        # Events that came before the one of the version before theirs.
        self._waiting: dict[str, dict[int, RecordedEvent]] = {}

    def takes(self, entity: str) -> bool:
        """Whether this fold has room for the entity."""
        return entity.partition(":")[0] in self._kinds and self._first <= _place(entity) < self.end

    def add(self, records: Sequence[RecordedEvent]) -> None:
        """Fold the events of one commit. A document has the state after its commit, as in a host."""
        folded = [done for record in records for done in self._fold(record)]
        for record in folded:
            state = self._states.get(record.entity)
            for update in self._kinds[record.kind].document_updates(record, state) if state is not None else ():
                place = (update.collection, update.id)
                known = self.documents.get(place)
                if known is None or known.update.version < update.version:
                    self.documents[place] = FoldedDocument(record.entity, update)
        if len(self.documents) > self._room:
            self._make_room()

    def finish(self) -> None:
        """Leave out what still waits for a version, and every document of what is left out."""
        self.left_out |= self._waiting.keys()
        self._keep(lambda entity: entity not in self.left_out)

    def states_of(self, kind: str) -> dict[str, Any]:
        """Return the entities of this kind that have documents here, as they were folded, by id."""
        return {name.partition(":")[2]: state for name, state in self._states.items() if name.startswith(f"{kind}:")}

    def _fold(self, record: RecordedEvent) -> list[RecordedEvent]:
        """Return the events that could be folded: this one, and those that waited for it."""
        entity, kind = record.entity, self._kinds[record.kind]
        if entity in self.left_out or record.version <= kind.version(self._states.get(entity)):
            return []  # in the journal still, and in an archive: a run was killed in between
        waiting = self._waiting.setdefault(entity, {})
        waiting[record.version] = record
        folded = []
        while (following := waiting.pop(kind.version(self._states.get(entity)) + 1, None)) is not None:
            if isinstance(following.event, UnreadableEvent):
                self.left_out.add(entity)
                break
            self._states[entity] = kind.evolve(self._states.get(entity), following, following.entity_id)
            folded.append(following)
        if not waiting:
            del self._waiting[entity]
        return folded

    def _make_room(self) -> None:
        """Give up the later half of the entities, for another fold to take."""
        places = sorted(_place(entity) for entity in self._states)
        self.end = max(places[len(places) // 2], self._first + 1)
        self._keep(self.takes)

    def _keep(self, is_kept: Callable[[str], bool]) -> None:
        self._states = {entity: state for entity, state in self._states.items() if is_kept(entity)}
        self._waiting = {entity: waiting for entity, waiting in self._waiting.items() if is_kept(entity)}
        self.documents = {place: one for place, one in self.documents.items() if is_kept(one.entity)}


def _place(entity: str) -> int:
    return crc32(entity.encode())
