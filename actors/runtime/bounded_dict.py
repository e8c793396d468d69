"""The one way in which this project bounds what it remembers by key, as an LRU in which writing counts as use."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedDict(OrderedDict[Key, Value]):
    """A dict of at most so many entries: the one that was written longest ago goes first.

    Reading an entry does not keep it: most readers write back what they read. `on_evict` is called with the key of an
    entry that had to go, not of one that was deleted.
    """

    def __init__(self, most: int, on_evict: Callable[[Key], object] | None = None) -> None:
        super().__init__()
        self._most = most
        self._on_evict = on_evict

    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            evicted, _ = self.popitem(last=False)
            if self._on_evict is not None:
                self._on_evict(evicted)
