"""Users announce their changes: those that carry the mark get their events into the journal and the stream."""

import contextlib

from actors.domain.account_events import UserCreated, UserUpdated
from actors.processes.resources import UserMarks
from actors.runtime.ports import Commit, EventStream, FencedError, Journal, Recorded

PAGE = 100


class Announcements:
    """Sweeps the marks that users leave. A sweep that stops half-way is done again: ids make repeats harmless."""

    def __init__(self, users: UserMarks, journal: Journal, stream: EventStream, *, writer: str) -> None:
        self._users = users
        self._journal = journal
        self._stream = stream
        self._writer = writer
        self._seq = 0

    async def sweep(self) -> None:
        """Announces who is marked. Raises StoreUnavailableError."""
        for user in await self._users.unannounced(PAGE):
            for version in range(user.announced + 1, user.version + 1):
                event = UserCreated(user.id) if version == 1 else UserUpdated(user.id)
                record = Recorded(
                    f"user:{user.id}", version, user.created_at if version == 1 else user.updated_at, event
                )
                commit = Commit(self._writer, self._seq + 1, record.at, (record.key,), (record,))
                self._seq += 1
                with contextlib.suppress(FencedError):  # an earlier sweep came this far
                    await self._journal.append(commit)
                await self._stream.publish([record])
            await self._users.announced(user)
