"""Passwords are kept as argon2id hashes and compared off the event loop."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from passlib.hash import argon2

from serve_app.errors import ServiceUnavailableError

T = TypeVar("T")

# OWASP, Password Storage Cheat Sheet: argon2id with 19 MiB, 2 iterations, 1 degree of parallelism. 40 ms here.
_argon2id = argon2.using(type="ID", memory_cost=19_456, time_cost=2, parallelism=1)

# One thread: hashing takes a whole core, and buying goes on meanwhile. 64 that wait are about 3 s of work.
_MOST_WAITING = 64


class Passwords:
    """Hashes and verifies passwords, one after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys: str = _argon2id.hash("the password of nobody")

    async def hash(self, password: str) -> str:
        """Return the hash to store. Raises ServiceUnavailableError when too many wait."""
        return await self._run(lambda: str(_argon2id.hash(_normal(password))))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is that of the hash; takes as long when there is no hash, and is False then.

        Raises ServiceUnavailableError when too many wait.
        """
        expected = password_hash or self._nobodys
        matches = await self._run(lambda: bool(_argon2id.verify(_normal(password), expected)))
        return matches and password_hash is not None

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise ServiceUnavailableError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    # NIST SP 800-63B-4: one password typed on different keyboards is one password.
    return unicodedata.normalize("NFKC", password)
