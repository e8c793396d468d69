"""``python -m benchmarks.holding``: hold many tickets of the running market without HTTP, as an Api replica does.

In a process of its own, since Ray is global to a process. Reads from standard input how, and prints what came of it.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

from bson import ObjectId

from actors.cluster.market import MarketClient
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import Reserve
from actors.storage.database import connect, database_of
from cli.running_market import ADDRESS_FILE, with_database
from config import logs, ray_environment
from config.settings import Settings, load

AT_A_TIME = 1_000
_SHOWN = 5


async def hold(settings: Settings, tickets: list[str], until: int) -> dict[str, Any]:
    """Hold each of the tickets until that instant (ms), give or take the time of an answer."""
    from actors.processes import on_ray  # noqa: PLC0415 - Ray reads its settings when it is imported

    logs.configure()
    async with (
        connect(str(settings.mongodb_url)) as client,
        on_ray.connect(settings, database_of(client)) as actors,
    ):
        return await _hold(actors, tickets, until)


async def _hold(actors: MarketClient, tickets: list[str], until: int) -> dict[str, Any]:
    buyer = str(ObjectId())
    held: list[str] = []
    refused: list[str] = []

    async def reserve(waiting: Iterator[str]) -> None:
        for ticket_id in waiting:
            window = until - time.time_ns() // 1_000_000
            answer = await actors.ask_ticket(Reserve(ticket_id, str(ObjectId()), buyer, window, is_limited=False))
            if isinstance(answer, TicketAnswer) and answer.order is not None:
                held.append(answer.order.id)
            else:
                refused.append(f"{ticket_id}: {answer}")

    began = time.monotonic()
    waiting = iter(tickets)
    await asyncio.gather(*(reserve(waiting) for _ in range(AT_A_TIME)))
    return {"orders": held, "refused": refused[:_SHOWN], "seconds": time.monotonic() - began}


def main() -> None:
    """Connect, hold, and print."""
    asked = json.load(sys.stdin)
    settings = with_database(load())
    os.environ.update(ray_environment.client_environment(settings))
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported

    from actors.cluster import names  # noqa: PLC0415 - as above

    address = (settings.data_dir / ADDRESS_FILE).read_text().strip()
    ray.init(address=address, namespace=names.namespace(settings), log_to_driver=False, logging_level=logging.ERROR)
    try:
        said = asyncio.run(hold(settings, asked["tickets"], asked["until"]))
    finally:
        cast("Any", ray).shutdown()
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
