"""Identifiers shaped as Stripe's."""

import secrets
import string
from collections.abc import Callable

IdFactory = Callable[[str], str]
"""Makes a new id from its prefix: `pi` gives `pi_…`."""

ALPHABET = string.ascii_letters + string.digits
LENGTH = 24


def random_id(prefix: str) -> str:
    """An id that nobody can guess: 24 characters out of 62 are 142 bits."""
    return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(LENGTH))}"
