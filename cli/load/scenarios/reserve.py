"""Reservations of tickets that nobody else wants: what the market carries when nothing is contended for."""

import random

from cli.load.generator.visit import Person, Visit
from cli.load.scenarios.stock import Stock

CONFLICT = 409


async def reserve(visit: Visit, stock: Stock, chance: random.Random) -> None:
    """Hold the ticket that was not asked for the longest, and let go of it: the same ones do for any duration."""
    ticket = stock.free[0]
    stock.free.rotate(-1)
    person = stock.buyer(chance)
    order = await hold(visit, stock, person, ticket)
    if order is not None:
        await let_go(visit, stock, person, order)


async def hold(visit: Visit, stock: Stock, person: Person, ticket: str) -> dict[str, str] | None:
    """Ask for the ticket; return the order if it is held now."""
    return await visit.ask(
        "reserve",
        "POST",
        "/api/orders",
        person=person,
        body={"ticketId": ticket},
        refusals=(CONFLICT,),
        check=stock.check_hold(person, ticket),
    )


async def let_go(visit: Visit, stock: Stock, person: Person, order: dict[str, str]) -> None:
    """Cancel the order."""
    stock.let_go(order)
    await visit.ask("cancel", "DELETE", f"/api/orders/{order['id']}", person=person)
