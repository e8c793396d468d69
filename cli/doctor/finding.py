"""What the doctor found about one thing."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is. With a problem the market does not start, or does not do what it promises."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` is one line; where something is wrong it says what to do. It never repeats a secret."""

    subject: str
    verdict: Verdict
    text: str
