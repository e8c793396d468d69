"""Which passwords are too easy to guess (NIST SP 800-63B-4, section 3.1.1.2). There are no rules of composition."""

import unicodedata
from functools import cache

from zxcvbn.frequency_lists import FREQUENCY_LISTS

_PRODUCT = "holdfast"
# A shorter local part is in too many words to say anything.
_SHORTEST_NAME = 4


def weakness_of(password: str, email: str) -> str | None:
    """Return what is wrong with a new password of the person with this address, None when nothing is."""
    plain = unicodedata.normalize("NFKC", password).casefold()
    name = unicodedata.normalize("NFKC", email).casefold().rpartition("@")[0]
    if plain in _common() or _is_repetition(plain):
        return "is among those that are guessed first"
    if len(name) >= _SHORTEST_NAME and name in plain:
        return "must not contain your email address"
    if _PRODUCT in plain:
        return f"must not contain the name {_PRODUCT}"
    return None


def _is_repetition(plain: str) -> bool:
    """Whether it is one of the common ones again and again, as `passwordpassword`, or one character."""
    # A text is made of repeated parts exactly when it is found inside of itself doubled (all rotations of itself).
    period = (plain * 2).find(plain, 1)
    return period < len(plain) and (period == 1 or plain[:period] in _common())


@cache
def _common() -> frozenset[str]:
    """The common passwords that zxcvbn ships, tens of thousands."""
    return frozenset(word.casefold() for word in FREQUENCY_LISTS["passwords"])
