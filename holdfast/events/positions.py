"""Where durables stand, kept outside Redis, so that they are known after Redis lost its groups."""

from collections.abc import Mapping
from typing import Protocol


class Positions(Protocol):
    """A store of positions. Both raise ConnectionError when it does not answer."""

    async def load(self, durable: str) -> Mapping[int, int] | None:
        """Return, by partition, the commit time up to which all is handled, in ms; None if nobody saved the durable."""

    async def save(self, durable: str, times: Mapping[int, int]) -> None:
        """Remember that the durable exists, and the times of these partitions beside those of the others."""


class InMemoryPositions:
    """Positions that are forgotten with the process: after Redis was lost, a new process takes a durable for new."""

    def __init__(self) -> None:
        self._times: dict[str, dict[int, int]] = {}

    async def load(self, durable: str) -> Mapping[int, int] | None:
        """Return what this process saved."""
        return self._times.get(durable)

    async def save(self, durable: str, times: Mapping[int, int]) -> None:
        """Remember it as long as this process lives."""
        self._times.setdefault(durable, {}).update(times)
