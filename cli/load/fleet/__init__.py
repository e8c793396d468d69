"""Where generators run: in processes of this machine, or as actors on a Ray cluster."""

from collections.abc import Sequence
from typing import Protocol

from cli.load.generator.tally import Snapshot


class Fleet(Protocol):
    """The generators of one load."""

    @property
    def place(self) -> str:
        """Where they run, for the report; known once they have begun."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether all have ended and told everything."""
        ...

    def begin(self) -> float:
        """Have all begin at one moment, and return it (wall clock). Raises LoadError when one does not answer."""
        ...

    def take(self, seconds: float) -> Sequence[Snapshot]:
        """Return what was told since the last call; wait for it for so long at most. Raises LoadError when one died."""
        ...

    def stop(self) -> None:
        """Have no visit begin any more; visits that are under way end."""
        ...

    def close(self) -> None:
        """End all that is left of them."""
        ...
