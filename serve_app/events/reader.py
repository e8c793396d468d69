"""The one reader of the event stream in a replica: for the programs that listen, and for the pages that are open."""

from typing import Protocol

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis

from actors.domain.instants import Instant
from actors.domain.ticket_values import TicketDetails
from holdfast.events import Event, Gap, Message, StreamPosition, connect
from holdfast.events.catalogue import CATALOGUE, ChargeData, NewListing
from serve_app.search.matching import Listed

logger = structlog.get_logger(__name__)
_TICKET = "ticket:"
_LISTED, _BANK_ASKS = CATALOGUE["TicketCreated"].subject, CATALOGUE["ChargeActionRequired"].subject


class Changes(Protocol):
    """Who is told of what happened to what pages show."""

    def on_changed(self, ticket_id: str) -> None:
        """A ticket changed, or the order that holds it."""

    def on_listed(self, listed: Listed) -> None:
        """A ticket is new."""

    def on_order_changed(self, order_id: str) -> None:
        """The payment of an order changed, and its ticket did not."""

    def on_gap(self) -> None:
        """Anything may have happened: Redis was away."""


class Hearer(Protocol):
    """Who is handed the events themselves, with the positions behind them."""

    def on_start(self, position: StreamPosition | None) -> None:
        """The reader begins here; None when that is not known."""

    def on_message(self, message: Message) -> None:
        """An event was published."""

    def on_gap(self, position: StreamPosition | None) -> None:
        """Anything may have happened, and the reader goes on from here."""


class EventReader:
    """Events of tickets also tell of their orders."""

    def __init__(self, redis: Redis, changes: Changes, hearer: Hearer) -> None:
        self._redis = redis
        self._changes = changes
        self._hearer = hearer

    async def run(self) -> None:
        """Tell of every event and every ticket that changed, until cancelled; after a loss, that any may have."""
        subjects = ("ticket.*", "order.*", "waiting_list.*", _BANK_ASKS)
        async with (
            connect(redis=self._redis, client_id="replica") as client,
            client.subscribe(subjects) as subscription,
        ):
            self._hearer.on_start(subscription.position)
            async for message in subscription:
                if isinstance(message, Gap):
                    self._changes.on_gap()
                    self._hearer.on_gap(subscription.position)
                else:
                    self._tell(message.event)
                    self._hearer.on_message(message)

    def _tell(self, event: Event) -> None:
        if event.entity.startswith(_TICKET):
            self._changes.on_changed(event.entity.removeprefix(_TICKET))
        try:
            if event.subject == _LISTED:
                self._changes.on_listed(_listed(NewListing.model_validate_json(event.data), event.time_ms))
            elif event.subject == _BANK_ASKS:
                self._changes.on_order_changed(ChargeData.model_validate_json(event.data).order_id)
        except ValidationError as error:
            # A newer release may write what this one cannot read: its pages miss a notice.
            logger.warning("live_event_unreadable", error=type(error).__name__)


def _listed(new: NewListing, at: Instant) -> Listed:
    details = TicketDetails(
        new.title, new.price_cents, new.currency, new.description, new.category, new.venue, new.city
    )
    return Listed.of(new.ticket_id, details, at)
