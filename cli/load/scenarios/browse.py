"""People who look around: they read, and need not be signed in."""

import random
from typing import Any

from cli.load.generator.visit import Visit
from cli.load.scenarios.stock import ARTISTS, Stock, has

PAGE_LENGTH = 20
# How often people look at the first page, search, and look at one ticket.
SHARES = (60, 20, 20)


async def browse(visit: Visit, stock: Stock, chance: random.Random) -> None:
    """Read one thing."""
    (what,) = chance.choices(("page", "search", "ticket"), SHARES)
    if what == "page":
        await visit.ask("page", "GET", "/api/tickets", check=_is_page)
    elif what == "search":
        await visit.ask("search", "GET", f"/api/tickets?q={chance.choice(ARTISTS)}", check=_is_page)
    else:
        ticket = chance.choice(stock.tickets)
        await visit.ask("ticket", "GET", f"/api/tickets/{ticket}", check=has(id=ticket))


def _is_page(_: int, found: Any) -> str | None:  # noqa: ANN401 - JSON
    ids = [ticket["id"] for ticket in found]
    is_right = len(set(ids)) == len(ids) <= PAGE_LENGTH
    return None if is_right else f"a page of {len(ids)} tickets, of which {len(set(ids))} differ"
