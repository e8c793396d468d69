"""A sale that is over in a moment: people come by the timetable and take what is left, the best tickets first."""

import random
from itertools import islice

from cli.load.generator.visit import Visit
from cli.load.scenarios.purchase import pay
from cli.load.scenarios.reserve import hold
from cli.load.scenarios.stock import Stock

FRONT_ROWS = 100
TRIES = 5


async def take_one(visit: Visit, stock: Stock, chance: random.Random) -> None:
    """Try some tickets of the front rows, and pay for the first that is to be had.

    `free` are those that nobody was told to be taken. When none is left people ask for any, to hear it said.
    """
    person = stock.buyer(chance)
    for _ in range(TRIES):
        is_sold_out = not stock.free
        ticket = chance.choice(stock.tickets if is_sold_out else list(islice(stock.free, FRONT_ROWS)))
        order = await hold(visit, stock, person, ticket)
        if ticket in stock.free:
            stock.free.remove(ticket)
        if order is not None:
            await pay(visit, stock, person, order)
        if order is not None or is_sold_out:
            return
