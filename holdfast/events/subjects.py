"""Subjects as in NATS: tokens between dots, `*` for one token, and `>` at the end for one or more."""

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_WILDCARDS = {"*": r"[^.]+", ">": r".+"}


class Subjects:
    """One or several subjects that are subscribed to. Raises ValueError if one is malformed."""

    def __init__(self, subjects: str | Sequence[str]) -> None:
        patterns = (subjects,) if isinstance(subjects, str) else tuple(subjects)
        if not patterns:
            raise ValueError("a subscription names at least one subject")
        self._pattern = re.compile("|".join(_regular_expression(pattern) for pattern in patterns))

    def matches(self, subject: str) -> bool:
        """Return whether an event with this subject is subscribed to."""
        return self._pattern.fullmatch(subject) is not None


def _regular_expression(subject: str) -> str:
    parts = subject.split(".")
    for place, part in enumerate(parts, 1):
        if not (_TOKEN.fullmatch(part) or part == "*" or (part == ">" and place == len(parts))):
            raise ValueError(f"a subject is tokens between dots, such as order.* or order.>, not {subject!r}")
    return r"\.".join(_WILDCARDS.get(part) or re.escape(part) for part in parts)
