"""What visitors of a load test do. To add a scenario, write a visit, and name it here and in cli/load/summaries.py."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from cli.load.generator.visit import Visit
from cli.load.scenarios.browse import browse
from cli.load.scenarios.flash_sale import take_one
from cli.load.scenarios.hot import want_the_one
from cli.load.scenarios.mixed import do_as_people_do
from cli.load.scenarios.purchase import purchase
from cli.load.scenarios.reserve import reserve
from cli.load.scenarios.stock import Stock


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a visit does, and what it needs: people who are signed in, and how many tickets unless told otherwise.

    With `shares_tickets` all generators want the same tickets, otherwise each has some of its own.
    """

    visit: Callable[[Visit, Stock, random.Random], Awaitable[None]]
    tickets: int
    needs_buyers: bool = True
    shares_tickets: bool = False


SCENARIOS: Mapping[str, Scenario] = {
    "reserve": Scenario(reserve, 500),
    "purchase": Scenario(purchase, 0),
    "hot": Scenario(want_the_one, 1, shares_tickets=True),
    "flash-sale": Scenario(take_one, 500, shares_tickets=True),
    "browse": Scenario(browse, 100, needs_buyers=False, shares_tickets=True),
    "mixed": Scenario(do_as_people_do, 500),
}
