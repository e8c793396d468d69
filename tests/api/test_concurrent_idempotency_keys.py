"""One Idempotency-Key for many tickets at once, through the routes, a gateway, a host and the database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from actors.domain.refusals import Refusal
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import TicketCommand
from actors.runtime.gateway import Gateway
from actors.runtime.ports import Instant, Reply
from config.settings import Settings
from tests.api.world import World
from tests.support.local_market import LocalMarket, local_market

AT_ONCE = 25
KEY = {"Idempotency-Key": "the same for all"}


@dataclass
class ThroughAGateway:
    """A market's tickets, asked as a replica asks them: what arrives while a call is under way travels together."""

    market: LocalMarket

    def __post_init__(self) -> None:
        self._gateway: Gateway[TicketAnswer] = Gateway(self, self.market.connections.clock)

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        return await self._gateway.ask("tickets-0", command, 20_000)

    async def call(self, _host: str, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> list[Reply]:
        return await self.market.tickets.host.deliver(messages, deadline, redelivered=redelivered)


@pytest.fixture
async def traded(world: World, settings: Settings) -> AsyncIterator[World]:
    """The world, with real tickets."""
    async with local_market(settings) as market:
        yield world.serving(market=ThroughAGateway(market))  # tickets only


async def test_one_idempotency_key_for_many_tickets_at_once_holds_one(traded: World) -> None:
    seller, buyer = await traded.someone(), await traded.someone()
    tickets = [await seller.lists() for _ in range(AT_ONCE)]
    wanted = [buyer.http.post("/api/orders", json={"ticketId": one["id"]}, headers=KEY) for one in tickets]
    answers = await asyncio.gather(*wanted)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: AT_ONCE - 1}
    looks = await asyncio.gather(*(buyer.http.get(f"/api/tickets/{one['id']}") for one in tickets))
    assert Counter(look.json()["status"] for look in looks) == {"reserved": 1, "available": AT_ONCE - 1}
    assert len((await buyer.http.get("/api/orders")).json()) == 1
    # That hold counts as one: of three that are allowed two more are free.
    more = [await buyer.http.post("/api/orders", json={"ticketId": one["id"]}) for one in tickets]
    assert [answer.status_code for answer in more].count(201) == 2
