"""What happens on the market becomes deliveries, one for each endpoint that subscribed to it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import orjson

from actors.domain.instants import Instant
from actors.runtime.bounded_dict import BoundedDict
from actors.webhooks.backlog import Backlog
from actors.webhooks.delivery import Delivery, new_delivery
from actors.webhooks.endpoint import Audience, Endpoint
from actors.webhooks.payloads import is_for_sellers, payload_of
from holdfast.events.deliver import Since
from holdfast.events.event import Event

# How long a registration may take until events are sent there. A thousand endpoints are read in some milliseconds.
REFRESH_MS = 2_000
KNOWN_TICKETS = 100_000
_TICKET = "ticket:"


class FeedReads(Protocol):
    """What the feed asks of the database. All methods raise StoreUnavailableError."""

    async def active(self) -> Sequence[Endpoint]:
        """Return all endpoints that something may be sent to."""

    async def sellers(self, ticket_ids: Collection[str]) -> Mapping[str, str]:
        """Return who sells these tickets, by ticket."""

    async def wake(self, endpoint_ids: Collection[str], now: Instant) -> None:
        """Note that there is something to send to these at once."""


class DeliveryInserts(Protocol):
    """Where deliveries are put. Raises StoreUnavailableError."""

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store these; those that are there already stay as they are."""


class WebhookFeed:
    """Handles batches of the event bus. An event that comes again adds nothing: a delivery's id follows from it."""

    def __init__(
        self, endpoints: FeedReads, deliveries: DeliveryInserts, backlog: Backlog, now: Callable[[], Instant]
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._backlog = backlog
        self._now = now
        self._read_at: Instant | None = None
        self._of_market: list[Endpoint] = []
        self._of_seller: Mapping[str, list[Endpoint]] = {}
        self._sellers: BoundedDict[str, str] = BoundedDict(KNOWN_TICKETS)

    async def has_endpoints(self) -> bool:
        """Whether anybody is registered. Raises StoreUnavailableError."""
        await self._refresh()
        return bool(self._of_market or self._of_seller)

    def begins_at(self) -> Since:
        """Return where a subscription begins that nothing was read by yet: at the oldest registration of now.

        Not at the time of the subscription: what was committed between the two is for the endpoint.
        """
        known = [*self._of_market, *(each for of_one in self._of_seller.values() for each in of_one)]
        return Since(min((endpoint.since for endpoint in known), default=self._now()))

    async def handle(self, events: Sequence[Event]) -> None:
        """Store what is to be sent of these events, and wake its lanes. Raises StoreUnavailableError."""
        await self._refresh()
        if self._of_seller:
            await self._learn_sellers(events)
        found = [
            (event, endpoint)
            for event in events
            for endpoint in self._interested(event)
            if endpoint.since <= event.time_ms and endpoint.wants(event.subject)
        ]
        found = await self._admitted(found)
        now = self._now()
        await self._deliveries.add(
            [
                new_delivery(endpoint.id, event.id, event.subject, payload_of(event, endpoint.audience), now)
                for event, endpoint in found
            ]
        )
        # After them: who is woken finds them, and who dies in between handles these events again.
        if found:
            await self._endpoints.wake({endpoint.id for _, endpoint in found}, now)

    def _interested(self, event: Event) -> Sequence[Endpoint]:
        seller = self._sellers.get(_ticket_of(event)) if is_for_sellers(event.subject) else None
        return [*self._of_market, *self._of_seller.get(seller or "", ())]

    async def _admitted(self, found: Sequence[tuple[Event, Endpoint]]) -> list[tuple[Event, Endpoint]]:
        """Return what is for endpoints that have room for it; the others are disabled."""
        numbers = Counter(endpoint.id for _, endpoint in found)
        endpoints = {endpoint.id: endpoint for _, endpoint in found}
        full = {key for key, number in numbers.items() if not await self._backlog.admits(endpoints[key], number)}
        if full:
            self._read_at = None
        return [(event, endpoint) for event, endpoint in found if endpoint.id not in full]

    async def _refresh(self) -> None:
        now = self._now()
        if self._read_at is not None and now - self._read_at < REFRESH_MS:
            return
        of_seller: dict[str, list[Endpoint]] = defaultdict(list)
        self._of_market = []
        for endpoint in await self._endpoints.active():
            (self._of_market if endpoint.audience is Audience.MARKET else of_seller[endpoint.owner_id]).append(endpoint)
        self._of_seller = of_seller
        self._read_at = now

    async def _learn_sellers(self, events: Sequence[Event]) -> None:
        """Note who sells the tickets of these events: most events say it, others are looked up."""
        unknown: set[str] = set()
        for event in events:
            ticket_id = _ticket_of(event)
            if not is_for_sellers(event.subject) or ticket_id in self._sellers:
                continue
            seller = orjson.loads(event.data).get("sellerId")
            if seller is None:
                unknown.add(ticket_id)
            else:
                self._sellers[ticket_id] = seller
                unknown.discard(ticket_id)
        if unknown:
            self._sellers.update(await self._endpoints.sellers(unknown))


def _ticket_of(event: Event) -> str:
    return event.entity.removeprefix(_TICKET)
