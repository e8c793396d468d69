"""How messages reach actors on Ray."""

from collections.abc import Sequence
from typing import Any

import structlog

from actors.cluster import names
from actors.cluster.serialization import NotUnderstood, pack, unpack
from actors.domain.refusals import Unavailable
from actors.processes.base import HostActor
from actors.processes.handles import Handles
from actors.runtime.ports import HostUnreachableError, Instant
from actors.runtime.trace import requests_of
from config.settings import Settings

# A call carries up to 500 messages; with so many named the line says enough.
MOST_NAMED = 20

logger = structlog.get_logger(__name__)


class RayTransport:
    """Carries batches to actors by name."""

    def __init__(self, settings: Settings) -> None:
        self._handles = Handles(names.namespace(settings))

    async def call(self, host: str, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> Sequence[Any]:
        """One reply for each message, in order. Raises HostUnreachableError."""
        try:
            packed: bytes = await self._handles.call(
                host, HostActor.deliver_packed, pack(messages), deadline, again=redelivered
            )
        except HostUnreachableError as error:
            cause = type(error.__cause__).__name__
            requests = requests_of(messages)[:MOST_NAMED]
            logger.warning("host_unreachable", host=host, error=cause, requests=requests)
            raise
        # The host is of a newer release: what it did is not known to us.
        return [Unavailable() if isinstance(reply, NotUnderstood) else reply for reply in unpack(packed)]
