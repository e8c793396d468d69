"""A part of a sorted list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order, and the position after which the next page begins if there may be one."""

    items: Sequence[T]
    next_position: str | None = None
