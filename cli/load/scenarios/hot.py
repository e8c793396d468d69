"""One ticket that everybody wants: who gets it, and how soon the others are told."""

import asyncio
import random

from cli.load.generator.visit import Visit
from cli.load.scenarios.reserve import hold, let_go
from cli.load.scenarios.stock import Stock

HOLD_SECONDS = 1.0


async def want_the_one(visit: Visit, stock: Stock, chance: random.Random) -> None:
    """Ask for the ticket; who gets it keeps it for a moment, and lets go of it."""
    person = stock.buyer(chance)
    order = await hold(visit, stock, person, stock.tickets[0])
    if order is not None:
        await asyncio.sleep(HOLD_SECONDS)
        await let_go(visit, stock, person, order)
