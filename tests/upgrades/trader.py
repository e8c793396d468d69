"""People with replicas of this release: `python -m tests.upgrades.trader FOLDER`.

A line of JSON comes in, `{"list": 10}` or `{"buy": [ticket ids]}`, and one goes out: the new tickets' ids, or what was
answered, counted by what was asked.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bson import ObjectId

from actors.domain.messages import CancelOrder, CreateTicket, Details, Pay, ReadTicket, Reserve
from actors.market import Market
from config.settings import Settings
from tests.upgrades.sockets import SocketSystem

CARDS = ("pm_card_visa", "pm_card_chargeDeclined")
WINDOW = 900_000
SIDE_BY_SIDE = 4


async def listed(market: Market, how_many: int) -> list[str]:
    ids = [str(ObjectId()) for _ in range(how_many)]
    for ticket_id in ids:
        details = Details("Chamber music", 5_000, "usd", venue="Town hall")
        answer = await market.ask_ticket(CreateTicket(ticket_id, str(ObjectId()), details))
        assert type(answer).__name__ == "TicketAnswer", answer
    return ids


async def bought(market: Market, ticket_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Of each three one is paid, one declined, and one held and let go."""
    answers: Counter[tuple[str, str]] = Counter()
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def buy(number: int, ticket_id: str) -> None:
        async with turns:
            order_id = str(ObjectId())
            asked: list[tuple[str, Any]] = [
                ("reserve", await market.ask_ticket(Reserve(ticket_id, order_id, str(ObjectId()), WINDOW)))
            ]
            if number % 3 < len(CARDS):
                asked.append((CARDS[number % 3], await market.pay(Pay(order_id, CARDS[number % 3]))))
            else:
                asked.append(("cancel", await market.ask_ticket(CancelOrder(ticket_id, order_id))))
            asked.append(("read", await market.ask_ticket(ReadTicket(ticket_id))))
            answers.update((what, told(answer)) for what, answer in asked)

    await asyncio.gather(*(buy(number, ticket_id) for number, ticket_id in enumerate(ticket_ids)))
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
    market = system.actors(settings, connections.clock)
    while line := await asyncio.to_thread(sys.stdin.readline):
        wanted = json.loads(line)
        result = await (listed(market, wanted["list"]) if "list" in wanted else bought(market, wanted["buy"]))
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
