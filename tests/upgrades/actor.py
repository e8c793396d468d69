"""An actor of this release in a process of its own: `python -m tests.upgrades.actor NAME FOLDER SOCKET`."""

import asyncio
import sys
from pathlib import Path

from actors.cluster import names
from actors.cluster.membership import of_settings
from actors.processes.base import HostActor
from actors.processes.order_actor import OrderActor
from actors.processes.payment_actor import PaymentActor
from actors.processes.ticket_actor import TicketActor
from actors.supervision.scaling import Scaling
from config.settings import Settings
from tests.upgrades.sockets import SocketSystem, serve

CLASSES: dict[str, type[HostActor]] = {
    names.TICKETS: TicketActor,
    names.PAYMENTS: PaymentActor,
    names.ORDERS: OrderActor,
}


async def run(name: str, folder: Path, socket: Path) -> None:
    system = SocketSystem(folder)
    own = system.connect(Settings())
    # There is no Supervisor that would do it.
    await own.prepare()
    await Scaling(own.members, own.journal, own.clock, system.new_id, by=name).establish(of_settings(Settings()))
    await own.close()
    await serve(CLASSES[names.kind_of(name)](name, system), socket)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
