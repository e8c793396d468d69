"""What is noted about a change before it is saved, so that a crash between the two loses nothing.

A note may be of a change that was never saved, or that lost its race. It counts when the intent says so: a refund or
dispute when the intent holds it, an event when the intent's `changes` name its change.
"""

from dataclasses import dataclass
from typing import Literal

PartKind = Literal["refund", "dispute"]


@dataclass(frozen=True, slots=True)
class PartNote:
    """Where to look for a refund or a dispute. `created` in seconds since 1970."""

    id: str
    kind: PartKind
    intent_id: str
    created: int


@dataclass(frozen=True, slots=True)
class EventNote:
    """An announcement to deliver, and which write of which intent it announces; times in seconds since 1970.

    `attempts` counts the deliveries that failed; the next is due at `due_at`.
    """

    id: str
    type: str
    intent_id: str
    version: int
    change_id: str
    body: str
    noted_at: float
    due_at: float
    attempts: int = 0
