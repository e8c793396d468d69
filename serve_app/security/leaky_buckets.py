"""A limit in the memory of one replica, for what is asked so often that no question to Redis may stand before it."""

import math
from dataclasses import dataclass

from actors.runtime.bounded_dict import BoundedDict

_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds, evenly; before that all of them at once, or only so many."""

    count: int
    seconds: float
    at_once: int | None = None


class LeakyBuckets:
    """One bucket for each name: what is put in leaks out evenly (the leaky bucket as a meter, GCRA of ITU-T I.371).

    One number a name is kept, for the 50,000 names that were met last.
    """

    def __init__(self, rate: Rate) -> None:
        self._drop = rate.seconds / rate.count
        self._depth = self._drop * (rate.at_once or rate.count)
        self._empty_at: BoundedDict[str, float] = BoundedDict(_REMEMBERED)

    def wait(self, name: str, now: float) -> int:
        """Return 0 when there is room for one more, else the seconds until there is."""
        over = self._empty_at.get(name, now) + self._drop - now - self._depth
        # Seconds are added up, and their sums are off by less than this.
        return 0 if over <= self._drop / 1_000 else math.ceil(over)

    def add(self, name: str, now: float) -> None:
        """Put one more in, whether there is room or not."""
        self._empty_at[name] = max(self._empty_at.get(name, now), now) + self._drop
