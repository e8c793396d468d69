"""Moments in time."""

from typing import TypeAlias

Instant: TypeAlias = int
