"""A member of a group as a process of its own, which writes down what it handles, as one line for each event.

`python -m tests.events.support.member URL CLIENT_ID FILE ACK_WAIT [PROTECTION]` runs it without that protection.
"""

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from holdfast.events import Subscription, connect
from holdfast.events.intake import Intake
from holdfast.events.partition import Entry, Partition

DURABLE = "d"
WORKERS = 4
FAILING = "ticket:failing"


async def without_take_over(self: Intake, partition: Partition) -> bool:
    """Leave what a dead member had where it is."""
    for stream in ("events", "replay"):
        key = f"holdfast:{'events:' if stream == 'events' else f'group:{DURABLE}:replay:'}{{{partition.number:02d}}}"
        partition.last_ids[key] = await self._commands.last_delivered(key)
    partition.epoch = (await self._commands.epochs([partition.number]))[0]
    return True


def without_lanes(self: Partition, entry: Entry) -> str:  # noqa: ARG001
    """Hand all of an entity's events over at once."""
    return f"{entry.stream} {entry.entry_id}"


SABOTAGE: dict[str, Any] = {
    "take_over": (Intake, "take_over", without_take_over),
    "lanes": (Partition, "_lane_of", without_lanes),
}


async def work(subscription: Subscription, client_id: str, file: int) -> None:
    """Handle messages; one entity fails always."""
    async for message in subscription:
        await asyncio.sleep(random.random() / 2000)  # noqa: S311 - another order each time
        if message.entity == FAILING and message.version == 1:
            await message.nak(0.1, error=RuntimeError())
            continue
        os.write(file, f"{message.entity} {message.version} {message.id} {client_id}\n".encode())
        await message.ack()


async def main(url: str, client_id: str, path: str, ack_wait: str, *sabotage: str) -> None:
    """Be a member until the process ends."""
    for name in sabotage:
        owner, attribute, replacement = SABOTAGE[name]
        setattr(owner, attribute, replacement)
    # Lines of several processes are in one order.
    file = os.open(Path(path), os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    async with Redis.from_url(url) as redis, connect(redis=redis, client_id=client_id) as client:
        subscription = await client.subscribe(
            ["ticket.*", "order.*"],
            durable=DURABLE,
            queue_group=DURABLE,
            deliver="all",
            ack_wait=float(ack_wait),
            max_deliver=20,
        )
        await asyncio.gather(*(work(subscription, client_id, file) for _ in range(WORKERS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
