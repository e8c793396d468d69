"""The entities that a host has in memory, the one that was used longest ago first, and when each is to be woken."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic

from actors.runtime.bounded_dict import BoundedDict
from actors.runtime.entity import Entity
from actors.runtime.ports import Command, State
from actors.runtime.timers import Timers


class EntityCache(Generic[State, Command]):
    """At most so many entities. One that is dropped keeps its timer, which loads it again."""

    def __init__(self, entity: Entity[State, Command], timers: Timers, most: int) -> None:
        self._entity = entity
        self._timers = timers
        # Read from their documents, which may tell of others that their writer did not come to write.
        self._inherited: set[str] = set()
        self._states: BoundedDict[str, State] = BoundedDict(most, self._inherited.discard)
        # What was in memory when entities moved last, and was not asked for since.
        self._doubted: set[str] = set()
        self._has_moved: Callable[[str], bool] = lambda _: False

    def __len__(self) -> int:
        return len(self._states)

    def get(self, entity_id: str) -> State | None:
        """Return the entity as it is in memory, None when it is not."""
        if entity_id in self._doubted:
            self._doubted.discard(entity_id)
            if self._has_moved(entity_id):
                self.evict([entity_id])
        return self._states.get(entity_id)

    def doubt(self, has_moved: Callable[[str], bool]) -> None:
        """Drop what has moved, each when it is asked for: to ask of all at once would hold up every message."""
        self.evict(self._doubted)
        self._doubted, self._has_moved = set(self._states), has_moved

    def inherit(self, loaded: Mapping[str, State | None]) -> None:
        """Remember which of the entities tell of other documents, which a writer that died may not have written."""
        self._inherited.update(
            entity_id for entity_id, state in loaded.items() if state and self._entity.related_updates(state)
        )

    def take_inherited(self, entity_id: str) -> State | None:
        """Return the entity the first time that it is asked for after it was inherited, and None after that."""
        if entity_id not in self._inherited or entity_id not in self._states:
            return None
        self._inherited.discard(entity_id)
        return self._states[entity_id]

    def keep(self, states: Mapping[str, State | None]) -> None:
        """Keep the entities as they are after a turn, and arm their timers."""
        for entity_id, state in states.items():
            if state is None:
                continue
            before = self._states.get(entity_id)
            self._states[entity_id] = state
            self._doubted.discard(entity_id)
            self._set_timer(before, state)

    def evict(self, entity_ids: Iterable[str]) -> None:
        """Drop entities that may be stale: they are loaded again when they are asked for."""
        for entity_id in entity_ids:
            self._states.pop(entity_id, None)
            self._inherited.discard(entity_id)

    def release(self, entity_id: str) -> None:
        """Drop an entity that lives in another host from now on, and its timer."""
        state = self._states.pop(entity_id, None)
        self._inherited.discard(entity_id)
        timer = self._entity.timer(state) if state is not None else None
        if timer is not None:
            self._timers.disarm(timer[1])

    def _set_timer(self, before: State | None, state: State) -> None:
        """Arm what the state waits for, and take back what it waited for before: a hold that ended leaves nothing."""
        old = None if before is None or before is state else self._entity.timer(before)
        new = self._entity.timer(state)
        if old is not None and (new is None or new[1] != old[1]):
            self._timers.disarm(old[1])
        if new is not None:
            self._timers.arm(*new)
