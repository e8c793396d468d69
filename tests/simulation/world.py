"""What everything in a simulation shares: the loop, the dice, the faults of now, the trace, and how processes die."""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.faults import CALM, Faults
from tests.simulation.loop import Process, VirtualLoop, current_process

# The instant at which every simulation begins, in seconds since 1970.
EPOCH = 1_800_000_000.0

Line = tuple[float, str, str, object]


class BrokenError(Exception):
    """Something that must never be was found. The message says what."""


class World:
    """One simulation's surroundings. `faults` are those of now: calm when the nemesis is done."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self.random = Random(seed)  # noqa: S311 - to have the same again, no secret
        self.loop = VirtualLoop(  # type: ignore[abstract]  # what it lacks is I/O
            Random(seed + 1),  # noqa: S311 - as above
            self._went_wrong,
        )
        self.faults = faults
        self.counts: dict[str, int] = {}
        self.trace: list[Line] = []
        self.broken: BrokenError | None = None
        # Set by whoever runs the actors: told of every process that died.
        self.when_died: Callable[[Process], None] = lambda _: None
        self.calm_since = 0.0
        self._ids = 0

    @property
    def now(self) -> float:
        """The true time, in seconds since 1970."""
        return EPOCH + self.loop.time()

    @property
    def is_calm(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self.faults is CALM

    def calm_down(self) -> None:
        """From now on nothing goes wrong."""
        self.faults = CALM
        self.calm_since = self.loop.time()
        self.note("everything calms down")

    def new_id(self) -> str:
        """An id that nobody else has, 24 hexadecimal digits."""
        self._ids += 1
        return f"{self._ids:024x}"

    def note(self, what: str, about: object = "") -> None:
        """Adds a line to the trace."""
        self.trace.append((self.loop.time(), current_process().name, what, about))

    def strikes(self, kind: str) -> bool:
        """Whether the fault of this kind happens now."""
        probability: float = getattr(self.faults, kind)
        if not probability or probability <= self.random.random():
            return False
        self.count(kind)
        return True

    def count(self, kind: str) -> None:
        """Counts a fault that happened."""
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def seconds(self, low: float, high: float) -> float:
        """A time between the two, short ones more often than long ones."""
        between: float = low * (high / low) ** self.random.random()
        return between

    async def die(self) -> None:
        """Ends the process that runs this; never returns."""
        self.kill(current_process())
        await self.loop.create_future()

    def kill(self, process: Process) -> None:
        """As kill -9."""
        if process.is_alive:
            self.note("dies", process.name)
            process.die()
            self.when_died(process)

    def breaks(self, what: str) -> None:
        """Somebody found what must never be; the simulation ends at its next step."""
        if self.broken is None:
            self.note("BROKEN", what)
            self.broken = BrokenError(what)

    def _went_wrong(self, process: Process, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.breaks(f"{process.name}: {context.get('message')}: {error!r}")


def lines(trace: list[Line]) -> list[str]:
    """The trace as people read it."""
    return [f"{at:10.4f}  {who:<16} {what} {about}" for at, who, what, about in trace]
