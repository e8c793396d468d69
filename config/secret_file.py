"""Secrets that are made once and kept in a file of their own, for markets whose operator sets none."""

import os
import secrets
from pathlib import Path


def read_or_create(path: Path) -> str:
    """Return the secret kept in ``path``, making a random one of 256 bits, for its owner only, if absent.

    Raises OSError when the file cannot be read or made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    # A hard link is made whole or not at all: of two processes that start at once, both end with the same secret.
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_hex(32))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
