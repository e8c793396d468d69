"""An address that somebody registered, and what is sent there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from actors.domain.instants import Instant
from holdfast.events.subjects import Subjects

# Receivers have this long to take over a new secret: until then both sign.
ROTATION_MS = 86_400_000
# One that only failed for this long is disabled (Standard Webhooks, "Disabling endpoints").
LONGEST_FAILING_MS = 5 * 86_400_000
# An outage of half an hour at ten events a second; 14 MB of usual deliveries, at most 400 MB. The slowest database that
# was tried counts so many in a second (measured on a busy machine).
MOST_WAITING = 20_000
MOST_OF_USER = 10
LONGEST_URL = 2_048


class Audience(StrEnum):
    """Whose events: the owner's own as a seller, or those of the whole market, for administrators."""

    SELLER = "seller"
    MARKET = "market"


class DisabledReason(StrEnum):
    """Why nothing is sent: the owner said so, it answered 410, it only failed for days, or too much waited for it."""

    OWNER = "owner"
    GONE = "gone"
    FAILING = "failing"
    BACKLOG = "backlog"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address with its subscriptions.

    Only events since `since` are sent: what is published again from the journal is nothing new. `old_secret` signs too
    until `old_secret_until`. `failing_since` is the first failure after the last success. `paused_until` is what the
    receiver asked for. `waited_when_enabled` is how many deliveries waited when it was last enabled again: they do not
    count against MOST_WAITING. `due_at` is when there is something to send, and `claim` names the dispatcher that has
    the lane until `claimed_until`.
    """

    id: str
    owner_id: str
    url: str
    events: tuple[str, ...]
    audience: Audience
    secret: str
    created_at: Instant
    since: Instant
    description: str | None = None
    old_secret: str | None = None
    old_secret_until: Instant | None = None
    disabled: DisabledReason | None = None
    disabled_at: Instant | None = None
    failing_since: Instant | None = None
    paused_until: Instant | None = None
    waited_when_enabled: int | None = None
    request: str | None = None
    due_at: Instant | None = None
    claim: str | None = None
    claimed_until: Instant | None = None

    def secrets_at(self, now: Instant) -> tuple[str, ...]:
        """Return the secrets that sign, the newest first."""
        if self.old_secret is None or self.old_secret_until is None or self.old_secret_until <= now:
            return (self.secret,)
        return self.secret, self.old_secret

    def wants(self, subject: str) -> bool:
        """Whether events of the subject, such as `order.created`, are subscribed to."""
        return self.disabled is None and _subjects(self.events).matches(subject)


# Tells whom it concerns that an endpoint was disabled. Raises StoreUnavailableError.
OnDisabled = Callable[[Endpoint, DisabledReason, Instant], Awaitable[None]]


@lru_cache(maxsize=4_096)
def _subjects(patterns: tuple[str, ...]) -> Subjects:
    return Subjects(patterns)
