"""Enumerations that may have more values than this release knows."""

from enum import StrEnum
from typing import Self


class OpenEnum(StrEnum):
    """Values that nothing is decided by: one that a newer release added is passed on as it is.

    Of every other enumeration an unknown value makes what has it unreadable.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        added = str.__new__(cls, value)
        added._name_ = added._value_ = value
        return added
