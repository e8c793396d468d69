"""Follow the orders of a market: what happens to them is printed once it is committed, until Ctrl-C.

Run it with the address of the market's Redis:

    .venv/bin/python examples/consume_events.py "$(cat .holdfast/redis.address)"
"""

import asyncio
import contextlib
import sys

from holdfast.events import connect


async def follow(redis_url: str) -> None:
    """Print what was published and is still there, and then what comes. The position is kept under `example`."""
    async with (
        connect(redis_url, client_id="example-1") as client,
        client.subscribe("order.*", durable="example", deliver="all") as subscription,
    ):
        async for message in subscription:
            order = message.data
            print(
                f"{message.subject:24}{order['title']}: {order['priceCents'] / 100:.2f} {order['currency']}", flush=True
            )
            await message.ack()


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the command and the address
        sys.exit("usage: consume_events.py REDIS_URL")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(follow(sys.argv[1]))
