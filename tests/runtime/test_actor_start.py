"""An actor that cannot start, because the database is away, leaves nothing open for the next try."""

import asyncio

from actors.domain.refusals import Unavailable
from actors.domain.ticket_commands import ReadTicket
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.processes.servers import ProductionResources
from actors.runtime.ports import StoreUnavailableError
from config.settings import Settings
from tests.support.eventually import eventually
from tests.support.examples import TICKET


class System:
    """Connects to real servers, and counts how often."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.connected = 0

    def settings(self) -> Settings:
        return self._settings

    def new_id(self) -> str:
        return "1"

    def connect(self, settings: Settings) -> ProductionResources:
        self.connected += 1
        return ProductionResources(settings)


class Failing(HostActor):
    """Reaches the database, which is away again when something is read."""

    async def start(self, _connections: Resources) -> None:
        raise StoreUnavailableError("away again")


def open_clients() -> int:
    """How many clients of MongoDB are open: each runs this task in the background until it is closed."""
    return sum(task.get_name() == "pymongo_kill_cursors_thread" for task in asyncio.all_tasks())


async def test_failed_starts_leave_no_client_of_the_database_open(market_settings: Settings) -> None:
    before, system = open_clients(), System(market_settings)
    actor = Failing("tickets-0", system)  # type: ignore[arg-type]
    for _ in range(2):
        assert await actor.deliver([ReadTicket(TICKET)], 0) == [Unavailable()]
    await eventually(lambda: open_clients() == before)
    assert system.connected == 2


async def test_client_of_the_database_that_is_not_closed_is_counted(market_settings: Settings) -> None:
    before, resources = open_clients(), ProductionResources(market_settings)
    await resources.prepare()
    assert open_clients() == before + 1
    await resources.close()
    await eventually(lambda: open_clients() == before)
