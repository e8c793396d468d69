"""Identifiers shaped as Stripe's."""

import secrets
from collections.abc import Callable

IdFactory = Callable[[str], str]
"""Makes a new id from its prefix: `pi` gives `pi_…`."""


def random_id(prefix: str) -> str:
    """An id that nobody can guess: its 24 characters are 96 bits."""
    return f"{prefix}_{secrets.token_hex(12)}"
