"""People with replicas of this release: `python -m tests.upgrades.trader FOLDER`.

A line of JSON comes in: `{"list": 10}`, `{"hold": [ticket ids]}` or `{"finish": {ticket id: order id}}`. One goes out:
the ids of the tickets, those of the orders by ticket, or what was answered, counted by what was asked.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bson import ObjectId

from actors.cluster.market import MarketClient
from actors.cluster.membership import of_settings
from actors.domain.purchase_commands import Pay
from actors.domain.ticket_commands import CancelOrder, CreateTicket, ReadTicket, Reserve
from actors.domain.ticket_values import TicketDetails
from actors.runtime import trace
from actors.supervision.scaling import Scaling
from config.settings import Settings
from tests.upgrades.sockets import SocketSystem

CARDS = ("pm_card_visa", "pm_card_chargeDeclined")
WINDOW = 900_000
SIDE_BY_SIDE = 4


async def listed(market: MarketClient, how_many: int) -> list[str]:
    ids = [str(ObjectId()) for _ in range(how_many)]
    for ticket_id in ids:
        details = TicketDetails("Chamber music", 5_000, "usd", venue="Town hall")
        answer = await market.ask_ticket(CreateTicket(ticket_id, str(ObjectId()), details))
        assert type(answer).__name__ == "TicketAnswer", answer
    return ids


async def held(market: MarketClient, ticket_ids: Sequence[str]) -> dict[str, str]:
    orders = {ticket_id: str(ObjectId()) for ticket_id in ticket_ids}
    for ticket_id, order_id in orders.items():
        answer = await market.ask_ticket(Reserve(ticket_id, order_id, str(ObjectId()), WINDOW))
        assert told(answer) == "reserved", answer
    return orders


async def finished(market: MarketClient, orders: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Of each three one is paid, one declined, and one let go."""
    answers: Counter[tuple[str, str]] = Counter()
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def finish(number: int, ticket_id: str, order_id: str) -> None:
        async with turns:
            if number % 3 < len(CARDS):
                card = CARDS[number % 3]
                answers[card, told(await market.pay(Pay(order_id, card)))] += 1
            else:
                answers["cancel", told(await market.ask_ticket(CancelOrder(ticket_id, order_id)))] += 1
            answers["read", told(await market.ask_ticket(ReadTicket(ticket_id)))] += 1

    await asyncio.gather(*(finish(number, *order) for number, order in enumerate(orders.items())))
    counted: dict[str, dict[str, int]] = {}
    for (what, answer), times in answers.items():
        counted.setdefault(what, {})[answer] = times
    return counted


def told(answer: object) -> str:
    """What the answer says, in words that do not depend on a release's classes."""
    if (ticket := getattr(answer, "ticket", None)) is not None:
        return str(ticket.status.value)
    if (order := getattr(answer, "order", None)) is not None:
        return str(order.status.value)
    return type(answer).__name__


async def run(folder: Path) -> None:
    settings, system = Settings(), SocketSystem(folder)
    connections = system.connect(settings)
    await connections.clock.refresh()
    # As a replica does.
    await connections.prepare()
    members, journal, clock = connections.members, connections.journal, connections.clock
    await Scaling(members, journal, clock, system.new_id, by="trader").establish(of_settings(settings))
    market = system.actors(settings, connections)
    # Each message is part of a request, as those of an API replica are.
    trace.current.set(trace.new_traceparent())
    while line := await asyncio.to_thread(sys.stdin.readline):
        wanted = json.loads(line)
        ((what, of),) = wanted.items()
        result = await {"list": listed, "hold": held, "finish": finished}[what](market, of)  # type: ignore[operator]
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
