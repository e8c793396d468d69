"""The outbox relay of users: sends the events of flagged users to the journal and the stream."""

from dataclasses import dataclass
from typing import Protocol

from actors.domain.account_events import UserCreated, UserUpdated
from actors.runtime.ports import (
    Commit,
    EventStream,
    FencedError,
    Instant,
    Journal,
    RecordedEvent,
    StoreUnavailableError,
)

PAGE = 100


@dataclass(frozen=True, slots=True)
class PendingUser:
    """A user with events to relay: those of the versions after `relayed`."""

    id: str
    created_at: Instant
    updated_at: Instant
    version: int = 1
    relayed: int = 0


class PendingUserEvents(Protocol):
    """The flags of users whose events are to be relayed. All methods raise StoreUnavailableError."""

    async def pending(self, most: int) -> list[PendingUser]:
        """Users that have the flag."""

    async def mark_relayed(self, user: PendingUser) -> None:
        """Takes the flag away unless the user changed since."""


class UserEventRelay:
    """Relays the events of flagged users. A round that stops half-way is done again: ids make repeats harmless."""

    def __init__(self, users: PendingUserEvents, journal: Journal, stream: EventStream, *, writer: str) -> None:
        self._users = users
        self._journal = journal
        self._stream = stream
        self._writer = writer
        self._seq = 0

    async def relay(self) -> None:
        """Relays the events of all flagged users. Raises StoreUnavailableError."""
        for user in await self._users.pending(PAGE):
            for version in range(user.relayed + 1, user.version + 1):
                event = UserCreated(user.id) if version == 1 else UserUpdated(user.id)
                record = RecordedEvent(
                    f"user:{user.id}", version, user.created_at if version == 1 else user.updated_at, event
                )
                await self._stream.publish([await self._recorded(record)])
            await self._users.mark_relayed(user)

    async def _recorded(self, record: RecordedEvent) -> RecordedEvent:
        """Return the event as it is in the journal, where an earlier round may have put it when the user was older."""
        commit = Commit(self._writer, self._seq + 1, record.at, (record.key,), (record,))
        self._seq += 1
        try:
            await self._journal.append(commit)
        except FencedError:
            earlier = await self._journal.commits_with_keys([record.key])
            if not earlier:  # an election may still take that commit back while no majority has it
                raise StoreUnavailableError("no majority has the commit of an earlier round yet") from None
            (record,) = earlier[0].records
        return record
