"""Instants are milliseconds inside and ISO 8601 outside."""

from datetime import UTC, datetime, timedelta

from actors.domain.instants import Instant

_EPOCH = datetime.fromtimestamp(0, UTC)
_LONGEST_TEXT = 40


def iso(instant: Instant) -> str:
    """Return the instant as people and programs read it: 2030-05-01T19:30:00.000Z."""
    seconds, milliseconds = divmod(instant, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix('+00:00')}.{milliseconds:03d}Z"


def instant_of(text: str) -> Instant:
    """Return the instant of an ISO 8601 date and time with a zone. Raises ValueError for everything else."""
    if len(text) > _LONGEST_TEXT or not text.isascii():
        raise ValueError("is not ISO 8601")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no zone")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
