"""How much may wait for one endpoint. A receiver that is away for long must not fill the database until it is given up.

At the limit the endpoint is disabled, which its owner hears of. What waits stays, and is sent once it is enabled again.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from actors.domain.instants import Instant
from actors.runtime.bounded_dict import BoundedDict
from actors.webhooks.endpoint import MOST_WAITING, DisabledReason, Endpoint, OnDisabled

_KNOWN = 100_000


class Waiting(Protocol):
    """What waits. Raises StoreUnavailableError."""

    async def waiting(self, endpoint_id: str) -> int:
        """Return how many of the endpoint's deliveries are pending."""


class Disabling(Protocol):
    """Endpoints as the backlog changes them. Raises StoreUnavailableError."""

    async def change(self, endpoint_id: str, values: Mapping[str, Any]) -> bool:
        """Set these fields."""


class Backlog:
    """Counts what waits for an endpoint only when as many were added as there was room for at the last count.

    So one whose receiver answers is counted once in 20,000 deliveries.
    """

    def __init__(
        self,
        endpoints: Disabling,
        deliveries: Waiting,
        now: Callable[[], Instant],
        on_disabled: OnDisabled,
        *,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._now = now
        self._on_disabled = on_disabled
        self._most_waiting = most_waiting
        self._room: BoundedDict[str, int] = BoundedDict(_KNOWN)

    async def admits(self, endpoint: Endpoint, number: int) -> bool:
        """Return whether so many deliveries more may wait for the endpoint; if not, disable it.

        Raises StoreUnavailableError.
        """
        room = self._room.get(endpoint.id, 0)
        if room < number:
            most = self._most_waiting + (endpoint.waited_when_enabled or 0)
            room = most - await self._deliveries.waiting(endpoint.id)
        self._room[endpoint.id] = room - number
        if room >= number:
            return True
        now = self._now()
        await self._endpoints.change(endpoint.id, {"disabled": DisabledReason.BACKLOG, "disabled_at": now})
        await self._on_disabled(endpoint, DisabledReason.BACKLOG, now)
        return False
