"""A whole market behind real HTTP in this process, without Ray, so that a test can take one of its protections away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import uvicorn

from actors.tickets.entity import TicketEntity
from cli.history.operations import History, read_history
from cli.load.contention import contend
from config.ports import free_port
from config.settings import Settings
from serve_app.api import create_api
from serve_app.bootstrap import open_services
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket, local_market

SECONDS = 4.0
TICKETS = 4
BUYERS = 6


@asynccontextmanager
async def served(settings: Settings, behaviour: type[TicketEntity]) -> AsyncIterator[LocalMarket]:
    """A market whose tickets behave like this, at the port of the settings."""
    async with local_market(settings) as market:
        market.tickets = market._start(
            behaviour(market.connections.queries, offer_window_ms=settings.offer_window_ms), "tickets-0"
        )
        await market.connections.clock.refresh()
        async with open_services(settings, market.connections.database, market) as services:
            server = uvicorn.Server(uvicorn.Config(create_api(services), port=settings.http_port, log_level="warning"))
            serving = asyncio.create_task(server.serve())
            await eventually(lambda: server.started)
            try:
                yield market
            finally:
                server.should_exit = True
                await serving


async def contended(settings: Settings, behaviour: type[TicketEntity], file: Path, tickets: int = TICKETS) -> History:
    """The history of some seconds of contention in such a market. With more tickets each is in use for longer."""
    short = {"reservation_seconds": 1, "offer_seconds": 1}
    settings = settings.model_copy(update={"http_port": free_port(), "rate_limits": False} | short)
    async with served(settings, behaviour):
        plan = contend.Plan(file, SECONDS, tickets, BUYERS, faults=0.0, seed=1)
        await contend.run(settings, plan, is_interrupted=Event())
    return read_history(file)
