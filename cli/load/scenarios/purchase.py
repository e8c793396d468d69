"""Whole purchases, each of a ticket that is listed for it."""

import random

from cli.load.generator.visit import Person, Visit
from cli.load.scenarios.reserve import CONFLICT, hold
from cli.load.scenarios.stock import ARTISTS, PRICE, Stock, has

DECLINED = 402
_CARD = "pm_card_visa"


async def purchase(visit: Visit, stock: Stock, chance: random.Random) -> None:
    """List a ticket; somebody holds it, pays, and looks whether the order is complete."""
    listed = await list_ticket(visit, stock, chance.choice(ARTISTS))
    if listed is None:
        return
    person = stock.buyer(chance)
    order = await hold(visit, stock, person, listed)
    if order is not None:
        await pay(visit, stock, person, order)


async def list_ticket(visit: Visit, stock: Stock, artist: str) -> str | None:
    """List a ticket; return its id."""
    body = {"title": f"Load test, {artist}", "price": PRICE}
    ticket = await visit.ask(
        "list", "POST", "/api/tickets", person=stock.seller, body=body, check=has(status="available", price=PRICE)
    )
    return None if ticket is None else str(ticket["id"])


async def pay(visit: Visit, stock: Stock, person: Person, order: dict[str, str]) -> None:
    """Pay for the order, and read it: it is complete when the money was taken."""
    body = {"orderId": order["id"], "paymentMethod": _CARD}
    check = has(status="completed", orderId=order["id"])
    refusals = (CONFLICT, DECLINED)
    paid = await visit.ask("pay", "POST", "/api/payments", person=person, body=body, refusals=refusals, check=check)
    stock.let_go(order)
    if paid is not None:
        path = f"/api/orders/{order['id']}"
        await visit.ask("read order", "GET", path, person=person, check=has(status="complete", id=order["id"]))
