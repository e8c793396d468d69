"""Supervisor: keeps the promises when something died or hangs. One, detached, watched by the API replicas."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors import names
from actors.announcements import Announcements
from actors.charges import ChargeBehaviour
from actors.cluster import Actors, host_names
from actors.connections import Connections, keep_running
from actors.domain.messages import Unavailable
from actors.host_actor import HostActor
from actors.notices import Notices
from actors.rescue import Rescue
from actors.resumption import Resumption
from actors.runtime.placement import SharedPlacement
from actors.runtime.ports import Instant, Reply, StoreUnavailableError
from actors.storage.users import UserMarks
from actors.storage.webhooks import WebhookInbox
from actors.tickets import TicketBehaviour
from actors.watch import EVERY_SECONDS, Watch

logger = structlog.get_logger(__name__)


class Supervisor(HostActor):
    """Every second: replaces silent actors, and rescues what dead ones left."""

    _watch: Watch
    _rescue: Rescue
    _resumption: Resumption
    _announcements: Announcements

    async def start(self, connections: Connections) -> None:
        self._watch = Watch()
        actors = Actors(self.settings, connections.clock)
        self._rescue = Rescue(
            {
                names.TICKETS: TicketBehaviour(connections.queries),
                names.PAYMENTS: ChargeBehaviour(connections.queries),
            },
            connections.journal,
            connections.documents,
            connections.stream,
            connections.marks,
            connections.queries,
            actors,
            connections.clock,
            asyncio.gather,
        )
        inbox = WebhookInbox(connections.database)
        notices = Notices(inbox, connections.queries, actors)
        self._resumption = Resumption(connections.queries, inbox, notices, actors, connections.clock, asyncio.gather)
        marks = UserMarks(connections.database)
        self._announcements = Announcements(marks, connections.journal, connections.stream, writer=self.writer)
        keep_running(self._watch_over(), self._rescue_those_in_need(), self._resume_purchases())

    async def handle(self, messages: Sequence[Any], _deadline: Instant) -> list[Reply]:
        """Nobody asks the Supervisor for anything."""
        return [Unavailable()] * len(messages)

    def _shared(self) -> set[str]:
        placement = SharedPlacement(host_names(self.settings))
        return {name for kind in host_names(self.settings) for name in placement.names(kind)}

    async def _watch_over(self) -> None:
        while True:
            await self._watch.look(self._shared() | await asyncio.to_thread(_dedicated_names))
            for name, pulse in self._watch.pulses.items():
                if pulse.idle:
                    await _retire(name)
            await asyncio.sleep(EVERY_SECONDS)

    async def _rescue_those_in_need(self) -> None:
        while True:
            live = {name: pulse.writer for name, pulse in self._watch.pulses.items()}
            awaited = self._shared() - live.keys()
            try:
                # An actor that has not answered yet will have nothing to wake; the next round finds it.
                if not awaited:
                    await self._rescue.round(live, awaited)
                    await self._announcements.sweep()
            except StoreUnavailableError as error:
                logger.warning("rescue_postponed", error=str(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def _resume_purchases(self) -> None:
        # Apart from the rest: a slow answer of Stripe must not hold up a hold that is due.
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self._resumption.round()
            except StoreUnavailableError as error:
                logger.warning("resumption_postponed", error=str(error))


def _dedicated_names() -> set[str]:
    listed = ray.util.list_named_actors(all_namespaces=True)
    return {
        actor["name"] for actor in listed if actor["namespace"] == names.NAMESPACE and names.is_dedicated(actor["name"])
    }


async def _retire(name: str) -> None:
    """An idle ticket's process ends; the call never returns when it does."""
    with contextlib.suppress(RayError, ValueError, TimeoutError):
        handle = await asyncio.to_thread(ray.get_actor, name, names.NAMESPACE)
        await asyncio.wait_for(handle.retire.remote(), EVERY_SECONDS)
