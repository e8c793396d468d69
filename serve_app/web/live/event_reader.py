"""Reads the event stream for the live feed: which tickets changed, what is new, and whom a bank asks."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.domain.charge_events import ChargeActionRequired
from actors.domain.codec import UnreadableError, decode
from actors.domain.stored_events import NAMES
from actors.domain.ticket_events import TicketCreated
from actors.domain.ticket_values import TicketDetails
from actors.events.redis_stream import STREAM
from serve_app.search.matching import Listed

logger = structlog.get_logger(__name__)
_NEWEST = "$"
_MOST_AT_A_TIME = 1_000
_WAIT_MS = 1_000
_RETRY_SECONDS = 1.0
# Hundreds of events come a second at an on-sale: they are read together.
_REST_SECONDS = 0.05
_TICKET = "ticket:"
_LISTED, _BANK_ASKS = NAMES[TicketCreated].encode(), NAMES[ChargeActionRequired].encode()


class Changes(Protocol):
    """Who is told of what happens."""

    def on_changed(self, ticket_id: str) -> None:
        """A ticket changed, or the order that holds it."""

    def on_listed(self, listed: Listed) -> None:
        """A ticket is new."""

    def on_order_changed(self, order_id: str) -> None:
        """The payment of an order changed, and its ticket did not."""

    def on_gap(self) -> None:
        """Anything may have happened: Redis was away."""


class EventReader:
    """One for each replica. Events of tickets also tell of their orders."""

    def __init__(self, redis: Redis, changes: Changes) -> None:
        self._redis = redis
        self._changes = changes
        self._position = _NEWEST

    async def run(self) -> None:
        """Tell of every ticket that changed, until cancelled; after Redis was away, that any may have."""
        while True:
            try:
                await self._read()
            except (RedisError, OSError, TimeoutError) as error:
                logger.warning("live_events_unavailable", error=type(error).__name__)
                # Redis may come back emptied: what was missed is asked of the actors instead.
                self._position = _NEWEST
                await asyncio.sleep(_RETRY_SECONDS)
                self._changes.on_gap()

    async def _read(self) -> None:
        answer: Any = await self._redis.xread({STREAM: self._position}, count=_MOST_AT_A_TIME, block=_WAIT_MS)
        entries = answer[0][1] if answer else ()
        for entry_id, fields in entries:
            self._position = entry_id.decode()
            entity = fields.get(b"entity", b"").decode(errors="replace")
            ticket_id = entity.removeprefix(_TICKET)
            if entity.startswith(_TICKET):
                self._changes.on_changed(ticket_id)
            try:
                self._read_whole(ticket_id, fields)
            except (UnreadableError, LookupError, ValueError) as error:
                # A newer release may write what this one cannot read: its pages miss a notice.
                logger.warning("live_event_unreadable", error=type(error).__name__)
        if entries:
            await asyncio.sleep(_REST_SECONDS)

    def _read_whole(self, ticket_id: str, fields: Mapping[bytes, bytes]) -> None:
        if fields.get(b"type") == _LISTED:
            details = decode(TicketDetails, orjson.loads(fields[b"data"])["details"])
            self._changes.on_listed(Listed.of(ticket_id, details, int(fields[b"at"])))
        elif fields.get(b"type") == _BANK_ASKS:
            self._changes.on_order_changed(orjson.loads(fields[b"data"])["charge"]["order_id"])
