"""Count each seller's sales, as a service beside the market: it prints a table when one changes, until Ctrl-C.

Run it with the address of the market's Redis, and a file in which it keeps what it counted:

    .venv/bin/python examples/sales_statistics.py "$(cat .holdfast/redis.address)" sales.db
"""

import asyncio
import contextlib
import sqlite3
import sys

from holdfast.events import Message, connect

TABLES = """
    CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS sales (order_id TEXT PRIMARY KEY, seller_id TEXT, cents INTEGER, currency TEXT);
"""
SUMS = "SELECT seller_id, COUNT(*), SUM(cents), currency FROM sales GROUP BY seller_id, currency ORDER BY seller_id"


def count(sales: sqlite3.Connection, message: Message) -> bool:
    """Count an event once, however often it comes: its id is kept in the transaction that counts it.

    Returns whether the statistics changed.
    """
    order = message.data
    with sales:
        if not sales.execute("INSERT OR IGNORE INTO handled VALUES (?)", (message.id,)).rowcount:
            return False
        if message.subject == "order.completed":
            sale = (order["orderId"], order["sellerId"], order["priceCents"] - order["feeCents"], order["currency"])
            return sales.execute("INSERT INTO sales VALUES (?, ?, ?, ?)", sale).rowcount > 0
        # A completed order is cancelled when its seller has refunded it.
        return sales.execute("DELETE FROM sales WHERE order_id = ?", (order["orderId"],)).rowcount > 0


def show(sales: sqlite3.Connection) -> None:
    """Print the statistics of all sellers."""
    print(f"{'seller':24}  sold  the seller gets")
    for seller, sold, cents, currency in sales.execute(SUMS):
        print(f"{seller:24}  {sold:4}  {cents / 100:.2f} {currency}")
    print(flush=True)


async def serve(redis_url: str, sales: sqlite3.Connection) -> None:
    """Count from the oldest event that is there. Several of these could share the work, each with its own client id."""
    async with (
        connect(redis_url, client_id="seller-stats-1") as client,
        client.subscribe(
            ("order.completed", "order.cancelled"),
            durable="seller-stats",
            queue_group="seller-stats",
            ordered=True,
            deliver="all",
        ) as subscription,
    ):
        async for message in subscription:
            if count(sales, message):
                show(sales)
            await message.ack()


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the command, the address and the file
        sys.exit("usage: sales_statistics.py REDIS_URL FILE")
    with contextlib.closing(sqlite3.connect(sys.argv[2])) as kept, contextlib.suppress(KeyboardInterrupt):
        kept.executescript(TABLES)
        asyncio.run(serve(sys.argv[1], kept))
