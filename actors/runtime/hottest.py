"""Which entities most messages of a host are for.

Space-saving counters (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data
Streams", 2005): an entity that is not counted takes the place of the one with the fewest messages. Any that gets more
than one message of `SLOTS` has a place in the end, whatever the others are.
"""

from collections.abc import Mapping

SLOTS = 16
# Each so long something is counted anew, so that what was hot an hour ago takes no place from what is hot now.
WINDOW_SECONDS = 2.0


class Hottest:
    """Counts messages by entity, in windows of two seconds. `add` takes microseconds, whatever there are."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0
        self._counts: dict[str, int] = {}
        # What each took over from the one whose place it has, so that it is not credited with it.
        self._inherited: dict[str, int] = {}
        self._total = 0
        self._rates: Mapping[str, float] = {}
        self._rate = 0.0

    def add(self, now: float, messages: Mapping[str, int]) -> None:
        """Count the messages of a turn that begins now, a number for each entity."""
        if now - self._began >= WINDOW_SECONDS:
            self._begin_window(now)
        counts = self._counts
        for entity_id, count in messages.items():
            self._total += count
            if entity_id in counts:
                counts[entity_id] += count
            elif len(counts) < SLOTS:
                counts[entity_id] = count
            else:
                fewest = min(counts, key=counts.__getitem__)
                self._inherited.pop(fewest, None)
                self._inherited[entity_id] = inherited = counts.pop(fewest)
                counts[entity_id] = inherited + count

    def rates(self, now: float) -> tuple[float, Mapping[str, float]]:
        """Return messages a second of the last full window: of all, and at least of each that has a place, by id."""
        if now - self._began < WINDOW_SECONDS:
            return self._rate, self._rates
        if now - self._began < 2 * WINDOW_SECONDS:
            return self._rates_until(now)
        return 0.0, {}

    def _begin_window(self, now: float) -> None:
        self._rate, self._rates = self._rates_until(now)
        self._began, self._total = now, 0
        self._counts, self._inherited = {}, {}

    def _rates_until(self, now: float) -> tuple[float, Mapping[str, float]]:
        seconds = now - self._began
        if not self._began:
            return 0.0, {}
        rates = {one: (count - self._inherited.get(one, 0)) / seconds for one, count in self._counts.items()}
        return self._total / seconds, rates
