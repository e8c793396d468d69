"""Secrets that are made once and kept in a file of their own, for markets whose operator sets none."""

import os
import secrets
from pathlib import Path


def read_or_create(path: Path) -> str:
    """Return the secret kept in ``path``, making a random one of 256 bits, for its owner only, if absent.

    Raises OSError when the file cannot be read or made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, secrets.token_hex(32))
    # A hard link is made whole or not at all: of two processes that start at once, both end with the same secret.
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def write(path: Path, secret: str) -> None:
    """Keep ``secret`` in ``path``, for its owner only, in place of what was there. Raises OSError."""
    _draft(path, secret).replace(path)


def _draft(path: Path, secret: str) -> Path:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secret)
    return draft
