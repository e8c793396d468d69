"""The people of a simulation as the database knows them: `users`, with the flags of those who may not sell."""

from dataclasses import dataclass, field, replace

from actors.domain.instants import Instant
from actors.supervision.user_events import PendingUser


@dataclass
class Accounts:
    """Each method is one command of a client, and atomic; see storage.users."""

    users: dict[str, PendingUser] = field(default_factory=dict)
    pending: dict[str, None] = field(default_factory=dict)
    # Users who may not buy, as those without a verified address where one is asked for.
    barred: set[str] = field(default_factory=set)
    banned: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    unlisted_since: dict[str, Instant] = field(default_factory=dict)
    relisted_since: dict[str, Instant] = field(default_factory=dict)

    def add(self, user_id: str, at: Instant) -> None:
        self.users[user_id] = PendingUser(user_id, at, at)
        self.pending[user_id] = None

    def change(self, user_id: str, at: Instant) -> None:
        user = self.users[user_id]
        self.users[user_id] = replace(user, version=user.version + 1, updated_at=at)
        self.pending[user_id] = None

    def ban(self, user_id: str, at: Instant) -> bool:
        """False when that is so."""
        if user_id in self.banned | self.closed:
            return False
        self.banned.add(user_id)
        self._unlist(user_id, at)
        return True

    def unban(self, user_id: str, at: Instant) -> bool:
        """False when they were not banned."""
        if user_id not in self.banned - self.closed:
            return False
        self.banned.remove(user_id)
        self.unlisted_since.pop(user_id, None)
        self.relisted_since[user_id] = at
        self.change(user_id, at)
        return True

    def close(self, user_id: str, at: Instant) -> bool:
        """False on a repeat."""
        if user_id in self.closed:
            return False
        self.closed.add(user_id)
        self._unlist(user_id, at)
        return True

    def may_buy(self, user_id: str) -> bool:
        return user_id not in self.barred | self.banned | self.closed

    def changed_since(self, at: Instant) -> list[str]:
        return [user.id for user in self.users.values() if user.updated_at >= at]

    def to_relay(self, most: int) -> list[PendingUser]:
        return [self.users[user_id] for user_id in self.pending][:most]

    def mark_relayed(self, relayed: PendingUser) -> None:
        user = self.users.get(relayed.id)
        if user is not None and user.version == relayed.version:
            self.users[user.id] = replace(user, relayed=user.version)
            self.pending.pop(user.id, None)

    def _unlist(self, user_id: str, at: Instant) -> None:
        self.unlisted_since[user_id] = at
        self.relisted_since.pop(user_id, None)
        self.change(user_id, at)


def clear(flags: dict[str, Instant], user_id: str, since: Instant) -> None:
    """Takes a flag away if it is still the same."""
    if flags.get(user_id) == since:
        del flags[user_id]
