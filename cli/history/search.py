"""The search for one order of calls that explains all of their answers.

After Wing and Gong (1993), with Lowe's memory of what was tried (2017): a depth-first search over the sets of calls
that have taken effect and the state that they left. A call may take effect next when no other call was answered before
it was invoked. One whose outcome is unknown may take effect at any later time, or never. Versions of a state only
grow, so nothing goes beyond the version that a call is still to see. Of calls that are alike the one that was invoked
first takes effect first, since any other order would explain as much.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, Protocol, TypeVar


class Versioned(Protocol):
    """Something that changes from version to version, each higher than the one before."""

    @property
    def version(self) -> int:
        """Return the number."""


State = TypeVar("State", bound=Versioned)


@dataclass(frozen=True, slots=True)
class Call(Generic[State]):
    """`step` says which states it may leave, none where it cannot have been answered so.

    One that is not `required` may be left out. One that `only_looks` leaves every state as it is. No state of a version
    higher than `last_version` can have answered it so. Those that may be left out for ever and take the same step have
    the same `alike`.
    """

    invoked: float
    answered: float
    step: Callable[[State], Iterable[State]]
    label: str = ""
    required: bool = True
    only_looks: bool = False
    last_version: float = math.inf
    alike: Hashable = None


class Verdict(Enum):
    """What the search came to; UNDECIDED when it gave up."""

    EXPLAINED = "explained"
    IMPOSSIBLE = "impossible"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Found(Generic[State]):
    """The verdict, how many situations were looked at, and the state after the longest explanation that was found."""

    verdict: Verdict
    work: int
    furthest: State


def search(calls: Iterable[Call[State]], initial: State, most_work: int) -> Found[State]:
    """Return whether some order explains every required call. `most_work` bounds the situations looked at."""
    return _Search(calls, initial).run(initial, most_work)


class _Search(Generic[State]):
    """Calls have a place each, the required ones first; what is done is a set of places, as the bits of a number."""

    def __init__(self, calls: Iterable[Call[State]], initial: State) -> None:
        self._calls = sorted(calls, key=lambda call: (not call.required, call.answered, call.invoked))
        self._required = sum(call.required for call in self._calls)
        self._in_time = [self._invoked_by(call.answered) for call in self._calls[: self._required]]
        self._looking = sum(1 << place for place, call in enumerate(self._calls) if call.only_looks)
        ends = ((call.last_version, place) for place, call in enumerate(self._calls[: self._required]))
        self._last_versions = sorted((last, 1 << place) for last, place in ends if last != math.inf)
        self._before = self._ones_before()
        self._furthest = (0, initial)

    def run(self, initial: State, most_work: int) -> Found[State]:
        seen: set[tuple[int, State]] = {(0, initial)}
        waiting = [(0, initial)]
        while waiting:
            done, state = waiting.pop()
            done = self._look(done, state)
            first = _lowest_zero(done)
            if first >= self._required:
                return Found(Verdict.EXPLAINED, len(seen), state)
            if len(seen) > most_work:
                return Found(Verdict.UNDECIDED, len(seen), self._furthest[1])
            last_version = self._last_version(done)
            # The last one pushed is tried first: the call that was answered first, and last what may never have been.
            for place in _places(self._in_time[first] & ~done & ~self._looking):
                if self._before[place] & ~done:
                    continue
                for after in self._calls[place].step(state):
                    situation = (done | 1 << place, after)
                    if after.version <= last_version and situation not in seen:
                        seen.add(situation)
                        waiting.append(situation)
        return Found(Verdict.IMPOSSIBLE, len(seen), self._furthest[1])

    def _ones_before(self) -> list[int]:
        """For each call the one before it, of those that are alike, as a bit; 0 where there is none."""
        before = [0] * len(self._calls)
        latest: dict[Hashable, int] = {}
        for place in sorted(range(len(self._calls)), key=lambda place: self._calls[place].invoked):
            if (alike := self._calls[place].alike) is not None:
                before[place] = latest.get(alike, 0)
                latest[alike] = 1 << place
        return before

    def _last_version(self, done: int) -> float:
        """The highest version that leaves every call that is not done a state to see."""
        return next((last for last, bit in self._last_versions if not done & bit), math.inf)

    def _look(self, done: int, state: State) -> int:
        """What is done after everything that only looks and sees this state: later is never better for it."""
        looked = True
        while looked and (first := _lowest_zero(done)) < self._required:
            looked = False
            for place in _places(self._in_time[first] & ~done & self._looking):
                if next(iter(self._calls[place].step(state)), None) is not None:
                    done |= 1 << place
                    looked = True
        count = (done & ((1 << self._required) - 1)).bit_count()
        if count > self._furthest[0]:
            self._furthest = (count, state)
        return done

    def _invoked_by(self, instant: float) -> int:
        return sum(1 << place for place, call in enumerate(self._calls) if call.invoked <= instant)


def shortest_unexplained(calls: Sequence[Call[State]], initial: State, most_work: int) -> tuple[float, Found[State]]:
    """Return until when the calls have no explanation, of calls that have none altogether.

    Up to an instant before, those that were answered by then are explained, and those under way may be left out.
    """
    instants = sorted({call.answered for call in calls if call.required})
    low, high = 0, len(instants) - 1
    found = search(calls, initial, most_work)
    while low < high:
        middle = (low + high) // 2
        earlier = search(until(calls, instants[middle]), initial, most_work)
        if earlier.verdict is Verdict.EXPLAINED:
            low = middle + 1
        else:
            high, found = middle, earlier
    return instants[high], found


def until(calls: Iterable[Call[State]], instant: float) -> list[Call[State]]:
    """Return what had begun at the instant; what was not answered yet may be left out."""
    return [
        call if call.answered <= instant or not call.required else replace(call, required=False)
        for call in calls
        if call.invoked <= instant
    ]


def _lowest_zero(number: int) -> int:
    return (~number & (number + 1)).bit_length() - 1


def _places(bits: int) -> Iterator[int]:
    """The highest first."""
    while bits:
        place = bits.bit_length() - 1
        yield place
        bits ^= 1 << place
