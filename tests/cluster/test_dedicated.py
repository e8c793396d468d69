"""Tickets with actors of their own on a running market: everybody is answered right, however many are new at once."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from benchmarks.support.running_market import RunningMarket
from tests.cluster.conftest import People
from tests.support.client import Person, seconds_until

MOST = 4
SETTINGS = {"ticket_placement": "dedicated", "dedicated_actors": MOST, "max_holds_per_buyer": 1000}
pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TICKETS, BUYERS, AT_ONCE = 200, 50, 20
# On a machine that is busy a process takes seconds to start.
STARTED_SECONDS = 90.0


async def listed(seller: Person, how_many: int) -> list[str]:
    few = asyncio.Semaphore(AT_ONCE)

    async def lists() -> str:
        async with few:
            return str((await seller.lists())["id"])

    return list(await asyncio.gather(*(lists() for _ in range(how_many))))


async def own_actors(market: RunningMarket) -> dict[str, dict[str, Any]]:
    """The heartbeat of each ticket's own actor, as an operator sees it."""
    found = await asyncio.to_thread(market.status)
    return {
        heartbeat["name"].removeprefix("ticket-"): heartbeat
        for heartbeat in found
        if heartbeat["name"].startswith("ticket-")
    }


async def seconds_until_there_are(market: RunningMarket, how_many: int) -> float:
    async def are_there() -> bool:
        return len(await own_actors(market)) == how_many

    return await seconds_until(are_there, STARTED_SECONDS)


async def test_two_hundred_new_tickets_that_fifty_buyers_reserve_at_once_are_all_reserved_for_them(
    market: RunningMarket, people: People
) -> None:
    seller, buyers = people(), [people() for _ in range(BUYERS)]
    tickets = await listed(seller, TICKETS)
    assert await own_actors(market) == {}
    answers = await asyncio.gather(
        *(buyers[place % BUYERS].reserves(ticket_id) for place, ticket_id in enumerate(tickets))
    )
    assert Counter(answer.status_code for answer in answers) == {201: TICKETS}
    assert [answer.json()["ticket"]["id"] for answer in answers] == tickets
    await seconds_until_there_are(market, MOST)
    reads = [await seller.reads_ticket(ticket_id) for ticket_id in tickets]
    assert [read.json()["orderId"] for read in reads] == [answer.json()["id"] for answer in answers]
    # Whoever comes second hears so, wherever the ticket lives by now.
    seconds = [await buyers[0].reserves(ticket_id) for ticket_id in tickets[1:BUYERS]]
    assert {answer.status_code for answer in seconds} == {409}
    own = await own_actors(market)
    assert own.keys() <= set(tickets)
    assert sum(heartbeat["counters"]["messages"] for heartbeat in own.values()) > MOST
    cancelled = [await buyers[place % BUYERS].cancels(answer.json()["id"]) for place, answer in enumerate(answers)]
    assert {answer.status_code for answer in cancelled} == {204}


async def test_when_a_tickets_own_process_is_killed_nobody_is_told_that_the_outcome_is_not_known(
    market: RunningMarket, people: People
) -> None:
    own = await own_actors(market)
    assert len(own) == MOST, "the test before has left them"
    for ticket_id in own:
        buyer, other = people(), people()
        first = await buyer.reserves(ticket_id)
        assert first.status_code == 201
        for process in market.actors("TicketActor"):
            if process.pid == own[ticket_id]["pid"]:
                process.kill()
        answers = [await other.reserves(ticket_id), await other.reads_ticket(ticket_id)]
        assert [answer.status_code for answer in answers] == [409, 200]
        assert answers[1].json()["orderId"] == first.json()["id"]
        assert (await buyer.cancels(first.json()["id"])).status_code == 204


async def test_refused_reservations_start_no_actor(market: RunningMarket, people: People) -> None:
    seller, buyer = people(), people()
    tickets = await listed(seller, MOST)
    refused = [await buyer.reserves(ticket_id, expectedPrice=1) for ticket_id in tickets]
    refused += [await seller.reserves(ticket_id) for ticket_id in tickets]
    unknown = [await buyer.reserves(f"{number:024x}") for number in range(MOST)]
    assert {answer.status_code for answer in refused} <= {403, 409, 400}
    assert {answer.status_code for answer in unknown} == {404}
    assert not (await own_actors(market)).keys() & set(tickets)
