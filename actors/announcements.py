"""Signing up announces itself: users that carry the mark get their event into the journal and the stream."""

import contextlib

from actors.connections import UserMarks
from actors.domain.messages import UserCreated
from actors.runtime.ports import Commit, EventStream, FencedError, Journal, Recorded

PAGE = 100


class Announcements:
    """Sweeps the marks that signing up leaves. A sweep that stops half-way is done again: ids make repeats harmless."""

    def __init__(self, users: UserMarks, journal: Journal, stream: EventStream, *, writer: str) -> None:
        self._users = users
        self._journal = journal
        self._stream = stream
        self._writer = writer
        self._seq = 0

    async def sweep(self) -> None:
        """Announces who is marked. Raises StoreUnavailableError."""
        for user_id, created_at in await self._users.unannounced(PAGE):
            record = Recorded(f"user:{user_id}", 1, created_at, UserCreated(user_id))
            commit = Commit(self._writer, self._seq + 1, created_at, (record.key,), (record,))
            self._seq += 1
            with contextlib.suppress(FencedError):  # an earlier sweep came this far
                await self._journal.append(commit)
            await self._stream.publish([record])
            await self._users.announced(user_id)
