"""What a host knows of who owns which entities: which messages it takes, and which reads it answers from memory.

Nothing of this is about what is committed: the journal judges that. It is about answers that nothing is written for.
"""

from collections.abc import Callable
from typing import Protocol


class Share(Protocol):
    """What one host owns, as it was known at one moment. A turn is decided on one of them.

    Another `generation` says that entities may have come or gone. `has_moved` then tells of an entity whether another
    host may have changed it without being noticed here; it is None when none was.
    """

    @property
    def generation(self) -> int:
        """Return the number."""

    @property
    def has_moved(self) -> Callable[[str], bool] | None:
        """Return what tells it."""

    def accepts(self, entity_id: str) -> bool:
        """Whether this host decides messages for the entity."""

    def is_exclusive(self, entity_id: str) -> bool:
        """Whether no other host commits anything for the entity now, so that what is in memory is true."""


class Ownership(Protocol):
    """Asked before every turn."""

    async def confirm(self) -> Share:
        """Return what this host owns now. Raises StoreUnavailableError when that cannot be found out."""


class Everything:
    """Of a host that takes all messages, `exclusive` where there is no other one. Is a share and its ownership."""

    generation = 0
    has_moved = None

    def __init__(self, *, exclusive: bool = True) -> None:
        self._exclusive = exclusive

    async def confirm(self) -> Share:
        """Return itself: nothing changes."""
        return self

    def accepts(self, entity_id: str) -> bool:  # noqa: ARG002 - as all shares
        """Return True."""
        return True

    def is_exclusive(self, entity_id: str) -> bool:  # noqa: ARG002 - as all shares
        """Return whether there is no other host."""
        return self._exclusive
