"""Users announce their changes: those that carry the mark get their events into the journal and the stream."""

import contextlib
from dataclasses import dataclass
from typing import Protocol

from actors.domain.account_events import UserCreated, UserUpdated
from actors.runtime.ports import Commit, EventStream, FencedError, Instant, Journal, RecordedEvent

PAGE = 100


@dataclass(frozen=True, slots=True)
class PendingUser:
    """What is to be announced of a user: the versions after the one that was announced last."""

    id: str
    created_at: Instant
    updated_at: Instant
    version: int = 1
    relayed: int = 0


class PendingUserEvents(Protocol):
    """The marks that say which users are still to be announced. All methods raise StoreUnavailableError."""

    async def pending(self, most: int) -> list[PendingUser]:
        """Users that carry the mark."""

    async def mark_relayed(self, user: PendingUser) -> None:
        """Takes the mark away unless the user changed since."""


class UserEventRelay:
    """Sweeps the marks that users leave. A sweep that stops half-way is done again: ids make repeats harmless."""

    def __init__(self, users: PendingUserEvents, journal: Journal, stream: EventStream, *, writer: str) -> None:
        self._users = users
        self._journal = journal
        self._stream = stream
        self._writer = writer
        self._seq = 0

    async def relay(self) -> None:
        """Announces who is marked. Raises StoreUnavailableError."""
        for user in await self._users.pending(PAGE):
            for version in range(user.relayed + 1, user.version + 1):
                event = UserCreated(user.id) if version == 1 else UserUpdated(user.id)
                record = RecordedEvent(
                    f"user:{user.id}", version, user.created_at if version == 1 else user.updated_at, event
                )
                commit = Commit(self._writer, self._seq + 1, record.at, (record.key,), (record,))
                self._seq += 1
                with contextlib.suppress(FencedError):  # an earlier sweep came this far
                    await self._journal.append(commit)
                await self._stream.publish([record])
            await self._users.mark_relayed(user)
