"""What came of a nemesis."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Hit:
    """One strike. Seconds from it until everybody was served again, and until another process stood in."""

    served_after: float
    replaced_after: float | None
    gap: float
    slowest: float
    # From the moment at which what was away had come back.
    served_after_return: float | None = None


@dataclass(slots=True)
class Outcome:
    """All strikes of one nemesis, and what was found afterwards."""

    nemesis: str
    hits: list[Hit] = field(default_factory=list)
    reservations: int = 0
    refused: int = 0
    broken: int = 0
    wrong: list[str] = field(default_factory=list)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    violations: list[Any] = field(default_factory=list)
    in_progress: int = 0
