"""Ids are 24 hexadecimal digits, the text form of a MongoDB ObjectId."""

import re
from hashlib import sha256

_ID = re.compile(r"[0-9a-f]{24}")


def is_id(text: object) -> bool:
    """Whether this is an id; upper case is not, so that one thing never has two names."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def derived_id(*parts: str) -> str:
    """The id that always follows from these parts, so that a repeat names the same thing and stores nothing."""
    return fingerprint(*parts)[:24]


def fingerprint(*parts: object) -> str:
    """A digest of the parts; lengths are in it, so that no two lists of parts run together."""
    digest = sha256()
    for part in map(str, parts):
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:32]
