"""Whether a history can be explained: each ticket by one order of its operations, lists by one's own writes."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.history import History


@dataclass(frozen=True, slots=True)
class Violation:
    """What cannot be explained. `lines` are the shortest prefix of the ticket's operations that has no explanation."""

    rule: str
    ticket: str | None
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"{self.rule} (ticket {self.ticket})", *(f"    {line}" for line in self.lines)))


def violations(history: History, progress: Callable[[int, int], None] = lambda _done, _all: None) -> list[Violation]:
    """Everything in the history that has no explanation, and what could not be decided with reasonable work.

    `progress` hears how many tickets of how many are done.
    """
    raise NotImplementedError
