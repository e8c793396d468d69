"""One event on its way to one endpoint: its tries, and when the next one is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from actors.domain.ids import derived_id
from actors.domain.instants import Instant

_SECOND, _MINUTE, _HOUR = 1_000, 60_000, 3_600_000
# After each failed try (Standard Webhooks, "Retry schedule"); the first one is made at once.
RETRY_AFTER_MS = (
    5 * _SECOND, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
)  # fmt: skip
# So that many deliveries that failed together do not come back together.
JITTER = 0.1
# As long as an owner may want to look into what was missed; longer than the tries and than what is published again.
KEPT_MS = 30 * 86_400_000
MOST_ATTEMPTS_KEPT = 10
TEST_TYPE = "webhook.test"


class DeliveryState(StrEnum):
    """`failed` after the last try."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one try: the status and the beginning of the answer, or a word for why there was none."""

    at: Instant
    duration_ms: int
    status: int | None = None
    body: str = ""
    error: str | None = None
    retry_after_ms: int | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether the receiver has it: any answer but 2xx is a failure, also a redirect."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - the statuses of success


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint. `body` is the payload as it is signed; `due_at` is there while it is pending."""

    id: str
    endpoint_id: str
    event_id: str
    type: str
    created_at: Instant
    body: bytes
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    due_at: Instant | None = None
    attempts: tuple[Attempt, ...] = ()

    def after(self, attempt: Attempt, jitter: Callable[[], float]) -> "Delivery":
        """Return the delivery after one more try. `jitter` gives numbers from 0 to 1."""
        tried = replace(
            self, tries=self.tries + 1, attempts=(*self.attempts, attempt)[-MOST_ATTEMPTS_KEPT:], due_at=None
        )
        if attempt.has_succeeded:
            return replace(tried, state=DeliveryState.DELIVERED)
        if self.tries >= len(RETRY_AFTER_MS):
            return replace(tried, state=DeliveryState.FAILED)
        delay = RETRY_AFTER_MS[self.tries] * (1 + JITTER * jitter())
        return replace(tried, due_at=attempt.at + attempt.duration_ms + max(int(delay), attempt.retry_after_ms or 0))


def delivery_id(endpoint_id: str, event_id: str) -> str:
    """Return the id that follows from endpoint and event, so that an event that comes again adds nothing."""
    return derived_id("webhook", endpoint_id, event_id)


def new_delivery(endpoint_id: str, event_id: str, event_type: str, body: bytes, at: Instant) -> Delivery:
    """Return a delivery that is due at once."""
    return Delivery(delivery_id(endpoint_id, event_id), endpoint_id, event_id, event_type, at, body, due_at=at)
