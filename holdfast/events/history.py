"""The seam behind the stream: what the journal still knows when Redis does not."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

from holdfast.events.event import Event


class History(Protocol):
    """Published events as the journal has them. Both raise ConnectionError when it does not answer."""

    async def versions(self, entity: str, after: int, before: int) -> Sequence[Event]:
        """Return the entity's published events with after < version < before, in order."""

    def since(self, time_ms: int, partitions: Collection[int]) -> AsyncIterator[Event]:
        """Yield all published events of these partitions that were committed at `time_ms` or later.

        Each entity's are in the order of its versions, and it ends at what was committed when it was begun.
        """
