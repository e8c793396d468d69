"""A probe without HTTP: reserves tickets of one host through the gateway, as an Api replica does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from bson import ObjectId

from actors.cluster.client import ActorClient
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CreateTicket, Reserve
from actors.domain.ticket_values import Order
from actors.runtime.placement import host_of
from tests.chaos.judgement import is_trouble
from tests.chaos.records import Answer, Verb
from tests.support.examples import DETAILS, WINDOW

EVERY_SECONDS = 0.05
STEADY_SECONDS = 2.0


HOSTS = ("tickets-0", "tickets-1")


class StoredOrders(Protocol):
    async def orders(self, order_ids: list[str]) -> dict[str, Order]: ...


class DirectProbe:
    """Lists and reserves on time, whatever became of earlier questions. Two hosts share the tickets."""

    def __init__(self, actors: ActorClient, host: str) -> None:
        self.answers: list[Answer] = []
        # What was acknowledged: the reservation of each order.
        self.orders: dict[str, Reserve] = {}
        self._pending: set[float] = set()
        self._actors = actors
        self._host = host

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Asks until the context ends, and then waits for the last answers."""
        job = asyncio.create_task(self._ask_on_time())
        try:
            yield
        finally:
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)

    def is_steady_since(self, since: float) -> bool:
        """Whether everybody was served for two seconds, which began after `since`."""
        now = time.monotonic()
        recent = [answer for answer in self.answers if answer.heard > now - STEADY_SECONDS]
        is_served = recent and not any(map(is_trouble, recent)) and not self._pending_since(now - STEADY_SECONDS / 2)
        return bool(is_served) and now - since > STEADY_SECONDS

    def _pending_since(self, moment: float) -> bool:
        return any(asked < moment for asked in self._pending)

    async def lost(self, stored: StoredOrders) -> list[str]:
        """The orders that are not as they were acknowledged."""
        found = await stored.orders(list(self.orders))
        return [order_id for order_id, asked in self.orders.items() if not _is_as_told(found.get(order_id), asked)]

    async def _ask_on_time(self) -> None:
        async with asyncio.TaskGroup() as asked:
            try:
                while True:
                    asked.create_task(self._buy())
                    await asyncio.sleep(EVERY_SECONDS)
            except asyncio.CancelledError:
                return  # the group waits for those who were asked

    async def _buy(self) -> None:
        began = time.monotonic()
        self._pending.add(began)
        try:
            await self._reserve(self._new_ticket())
        finally:
            self._pending.discard(began)

    async def _reserve(self, ticket_id: str) -> None:
        sent = time.monotonic()
        listed = await self._actors.ask_ticket(CreateTicket(ticket_id, str(ObjectId()), DETAILS))
        if not isinstance(listed, TicketAnswer):
            # Nobody could reserve what nobody could list.
            self.answers.append(Answer(Verb.RESERVE, sent, time.monotonic(), 503))
            return
        reserve = Reserve(ticket_id, str(ObjectId()), str(ObjectId()), WINDOW, is_limited=False)
        sent = time.monotonic()
        answer: Any = await self._actors.ask_ticket(reserve)
        is_held = isinstance(answer, TicketAnswer)
        self.answers.append(Answer(Verb.RESERVE, sent, time.monotonic(), 201 if is_held else 503))
        if is_held:
            self.orders[reserve.order_id] = reserve

    def _new_ticket(self) -> str:
        while host_of(HOSTS, ticket_id := str(ObjectId())) != self._host:
            pass
        return ticket_id


def _is_as_told(order: Order | None, asked: Reserve) -> bool:
    return order is not None and (order.ticket_id, order.buyer_id, order.price, order.is_open) == (
        asked.ticket_id,
        asked.buyer_id,
        DETAILS.price,
        True,
    )
