"""What a consumer is handed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import orjson

from holdfast.events.event import Event
from holdfast.events.stream_position import EntryId

Source = Literal["stream", "journal"]


class Settlement(Protocol):
    """What becomes of a message that was handed over; each returns whether the delivery was still the consumer's."""

    async def ack(self) -> bool:
        """Do not deliver it again."""

    async def nak(self, delay_seconds: float | None, error: BaseException | None) -> bool:
        """Deliver it again."""

    async def term(self, reason: str, error: BaseException | None) -> bool:
        """Make it a dead letter."""

    def in_progress(self) -> bool:
        """Wait longer for it."""


class _Settled:
    """An ephemeral subscription keeps no account."""

    async def ack(self) -> bool:
        return True

    async def nak(self, delay_seconds: float | None, error: BaseException | None) -> bool:  # noqa: ARG002
        return True

    async def term(self, reason: str, error: BaseException | None) -> bool:  # noqa: ARG002
        return True

    def in_progress(self) -> bool:
        return True


_SETTLED = _Settled()


@dataclass(frozen=True, slots=True)
class Gap:
    """Between the messages before and after this one anything may have happened: read anew what is shown."""


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of an event.

    `deliveries` counts this one. `source` says whether it comes from Redis, or from the journal because Redis did not
    have it any more. `partition` and `entry_id` say where in the streams it lies, if an ephemeral subscription read it
    there. `ack`, `nak`, `term` and `in_progress` return False if this delivery had ended before, by
    `ack_wait` or by the loss of a lease: then the event is delivered again, perhaps to another member.
    """

    event: Event
    deliveries: int = 1
    source: Source = "stream"
    settlement: Settlement = _SETTLED
    partition: int | None = None
    entry_id: EntryId | None = None

    @property
    def subject(self) -> str:
        """Return what happened, such as `order.created`."""
        return self.event.subject

    @property
    def id(self) -> str:
        """Return the event's id: the same in every delivery."""
        return self.event.id

    @property
    def entity(self) -> str:
        """Return what it happened to, such as `ticket:<id>`."""
        return self.event.entity

    @property
    def version(self) -> int:
        """Return the event's number among those of its entity."""
        return self.event.version

    @property
    def epoch(self) -> str | None:
        """Return the life of the stream in which it was published, or None if it comes from the journal."""
        return self.event.epoch

    @property
    def time(self) -> datetime:
        """Return when it was committed."""
        return datetime.fromtimestamp(self.event.time_ms / 1000, UTC)

    @property
    def data(self) -> dict[str, Any]:
        """Return the event's data."""
        data: dict[str, Any] = orjson.loads(self.event.data)
        return data

    async def ack(self) -> bool:
        """Say that it is handled: it is not delivered again."""
        return await self.settlement.ack()

    async def nak(self, delay: float | None = None, *, error: BaseException | None = None) -> bool:
        """Have it delivered again after `delay` seconds, by default those of `backoff`.

        After `max_deliver` deliveries it becomes a dead letter, in which the type of `error` is named.
        """
        return await self.settlement.nak(delay, error)

    async def term(self, reason: str, *, error: BaseException | None = None) -> bool:
        """Make it a dead letter at once."""
        return await self.settlement.term(reason, error)

    async def in_progress(self) -> bool:
        """Begin `ack_wait` anew."""
        return self.settlement.in_progress()
