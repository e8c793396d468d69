"""Passwords are kept as argon2id hashes and compared off the event loop."""

import asyncio
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from passlib.hash import argon2

from serve_app.http.errors import TooManyRequestsError

T = TypeVar("T")

# One thread: hashing takes a whole core, and buying goes on meanwhile. Sixteen that wait are half a second of work.
_MOST_WAITING = 16
_RETRY_SECONDS = 2
# Linux gives niceness to threads: whoever buys comes before whoever signs in.
_NICENESS = 10


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """What a hash costs: memory in KiB, passes over it, lanes."""

    memory_kib: int = 19_456
    iterations: int = 2
    parallelism: int = 1


class Passwords:
    """Hashes and verifies passwords, one after the other."""

    def __init__(self, cost: Argon2Cost) -> None:
        self._argon2id = argon2.using(
            type="ID", memory_cost=cost.memory_kib, time_cost=cost.iterations, parallelism=cost.parallelism
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords", initializer=_be_nice)
        self._waiting = 0
        # Verified where there is no user. Making it also warms up what the first sign-in would wait for.
        self._nobodys: str = self._argon2id.hash("the password of nobody")

    async def hash(self, password: str) -> str:
        """Return the hash to store. Raises TooManyRequestsError when too many wait."""
        return await self._run(lambda: str(self._argon2id.hash(_normal(password))))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is that of the hash; takes as long when there is no hash, and is False then.

        Raises TooManyRequestsError when too many wait.
        """
        expected = password_hash or self._nobodys
        matches = await self._run(lambda: self._matches(_normal(password), expected))
        return matches and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made at another cost than new ones."""
        return bool(self._argon2id.needs_update(password_hash))

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return bool(self._argon2id.verify(password, password_hash))
        except ValueError:
            return False  # what is no hash is nobody's password

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise TooManyRequestsError("Too many people sign in at the moment.", retry_after_seconds=_RETRY_SECONDS)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _be_nice() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _normal(password: str) -> str:
    # NIST SP 800-63B-4: one password typed on different keyboards is one password.
    return unicodedata.normalize("NFKC", password)
