"""How far to look for a page of a sorted list.

A database that reads all that matches before it sorts and limits, as the embedded one does, needs a narrow range to be
quick (25 µs for each ticket of the range, measured); where an index ends early a range does no harm. So a page is
looked for in one window after the other, each wider than the one before, and where it was found is remembered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from actors.domain.instants import Instant
from actors.runtime.bounded_dict import BoundedDict

# A position is digits, cents or an instant, and an id of 24 hexadecimal digits: together one number.
_ID_DIGITS = 24
_ONE = 16**24
# From where a page was found each window is eight times as wide as the last. Without a previous hit windows grow by
# half, so the window that reaches a dense range is at most half as wide as its distance from the start.
_WIDER = 8.0
_SLOWLY_WIDER = 1.5
_MOST_WINDOWS = 72
# A window that holds too many is looked into again from its beginning, so much narrower, and grows slowly from there.
_NARROWER = 16
_REMEMBERED = 4_096

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class SkipRange:
    """Positions, both included, between which nothing was for sale a moment ago, and until when to go by that."""

    first: str
    last: str
    until: Instant


@dataclass(frozen=True, slots=True)
class ScanWindow:
    """Where the first window ends, how wide the next may be, and how many documents were looked at for the page.

    `seen_at` is when a page was found so. `begin` when there was little up to it, and very much after it. `whole` when
    the list had so little that it is read to its end at once.
    """

    end: int
    width: int
    documents: int = 0
    gap: SkipRange | None = None
    wider: float = _WIDER
    begin: int | None = None
    whole: bool = False
    seen_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class SortKey:
    """The positions of one order of the list: so many digits before the id, and up or down (1 or -1)."""

    digits: int
    direction: int

    def guess(self, value: int) -> ScanWindow:
        """Return where to look first when nothing is known: about one unit from this value on."""
        return ScanWindow(value * _ONE + self.direction * _ONE, _ONE, wider=_SLOWLY_WIDER)

    def guess_after(self, position: str) -> ScanWindow:
        """Return where to look first for what comes after a position of which nothing is known."""
        return ScanWindow(_number(position) + self.direction * _ONE, _ONE, wider=_SLOWLY_WIDER)

    def reach(self, first: str, last: str, documents: int) -> ScanWindow:
        """Return the reach of a page that begins and ends with these positions."""
        return ScanWindow(_number(last), abs(_number(last) - _number(first)) + 1, documents)

    def onward(self, last: str, reach: ScanWindow) -> ScanWindow:
        """Return where the page after this position may end, as that before it was as long as `reach` is wide."""
        return ScanWindow(_number(last) + self.direction * int(_WIDER) * reach.width, reach.width)

    def narrower(self, begin: int | str, end: str | None) -> ScanWindow:
        """Return where to look when there are too many up to this end.

        The begin is a position, or the value at which the list begins; the end None when there was none.
        """
        start = _number(begin) if isinstance(begin, str) else begin * _ONE
        width = _ONE if end is None else abs(_number(end) - start) // _NARROWER + 1
        return ScanWindow(start + self.direction * width, width, wider=_SLOWLY_WIDER, begin=start)

    def ends(self, reach: ScanWindow) -> Iterator[str]:
        """Yield the positions at which to stop looking, one after the other. After the last there is no end."""
        if reach.whole:
            return
        if reach.begin is not None:
            yield self._position(reach.begin)
        end, width = reach.end, float(reach.width)
        for _ in range(_MOST_WINDOWS):
            if not 0 <= end < 10**self.digits * _ONE:
                return
            yield self._position(end)
            width *= reach.wider
            end += self.direction * int(width)

    def _position(self, number: int) -> str:
        value, place = divmod(number, _ONE)
        return f"{value:0{self.digits}d}{place:0{_ID_DIGITS}x}"


WHOLE_LIST = ScanWindow(0, 0, whole=True)


class WindowCache(Generic[Key]):
    """Where pages were found last, the last few thousand."""

    def __init__(self) -> None:
        self._known: BoundedDict[Key, ScanWindow] = BoundedDict(_REMEMBERED)

    def of(self, key: Key) -> ScanWindow | None:
        """Return where this page was found last, if that is remembered."""
        return self._known.get(key)

    def remember(self, key: Key, reach: ScanWindow) -> None:
        """Look there first the next time."""
        self._known[key] = reach


def _number(position: str) -> int:
    return int(position[:-_ID_DIGITS]) * _ONE + int(position[-_ID_DIGITS:], 16)
