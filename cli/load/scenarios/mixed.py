"""A day at the market: most people look, some hold a ticket, a few buy, and one ticket is wanted by many."""

import random

from cli.load.generator.visit import Visit
from cli.load.scenarios.browse import browse
from cli.load.scenarios.hot import want_the_one
from cli.load.scenarios.purchase import purchase
from cli.load.scenarios.reserve import reserve
from cli.load.scenarios.stock import Stock

VISITS = (browse, reserve, purchase, want_the_one)
SHARES = (80, 12, 5, 3)


async def do_as_people_do(visit: Visit, stock: Stock, chance: random.Random) -> None:
    """Do one of these, as often as their shares say."""
    (does,) = chance.choices(VISITS, SHARES)
    await does(visit, stock, chance)
