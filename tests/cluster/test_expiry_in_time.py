"""Holds end in time, whatever happens to the actor that keeps it."""

import asyncio
import signal
import time
from datetime import datetime
from typing import Any

import pytest

from benchmarks.support.running_market import RunningMarket
from tests.cluster.conftest import People
from tests.support.client import Person, seconds_until

SETTINGS = {"reservation_seconds": 4}
pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TICKETS = 5


async def _held(seller: Person, buyer: Person) -> list[dict[str, Any]]:
    tickets = [await seller.lists() for _ in range(TICKETS)]
    answers = [await buyer.reserves(ticket["id"]) for ticket in tickets]
    assert {answer.status_code for answer in answers} == {201}
    return [dict(answer.json()) for answer in answers]


# As long as a slow machine may take before a test gives up: what is promised is asserted.
GIVE_UP_SECONDS = 60


async def _seconds_late(reader: Person, orders: list[dict[str, Any]]) -> float:
    """The seconds between the end of the holds and the last ticket being for sale again."""
    end = _end_of(orders)

    async def all_available() -> bool:
        answers = await asyncio.gather(*(reader.reads_ticket(order["ticket"]["id"]) for order in orders))
        return all(answer.status_code == 200 and answer.json()["status"] == "available" for answer in answers)

    await seconds_until(all_available, GIVE_UP_SECONDS)
    return time.time() - end


async def _all_say_expired(buyer: Person, orders: list[dict[str, Any]]) -> bool:
    answers = [(await buyer.reads_order(order["id"])).json() for order in orders]
    return all((order["status"], order.get("cancelReason")) == ("cancelled", "expired") for order in answers)


async def test_a_hold_expires_by_itself_and_its_ticket_is_for_sale_again(people: People) -> None:
    seller, buyer = people(), people()
    orders = await _held(seller, buyer)
    assert 0 <= await _seconds_late(seller, orders) <= 1
    await seconds_until(lambda: _all_say_expired(buyer, orders), 5)
    assert (await buyer.pays(orders[0]["id"])).status_code == 409


async def test_holds_of_a_killed_actor_expire_at_most_three_seconds_late(market: RunningMarket, people: People) -> None:
    seller, buyer = people(), people()
    orders = await _held(seller, buyer)
    for process in market.processes("ray::TicketActor"):
        process.kill()
    assert 0 <= await _seconds_late(seller, orders) <= 3


async def test_holds_of_a_stopped_actor_expire_at_most_fifteen_seconds_late(
    market: RunningMarket, people: People
) -> None:
    seller, buyer = people(), people()
    orders = await _held(seller, buyer)
    stopped = market.processes("ray::TicketActor")
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    assert 0 <= await _seconds_late(seller, orders) <= 15
    assert not any(process.is_running() for process in stopped), "it was to be replaced"


async def test_holds_that_expired_while_the_market_was_stopped_end_within_two_seconds_of_its_start(
    market: RunningMarket, people: People
) -> None:
    seller, buyer = people(), people()
    orders = await _held(seller, buyer)
    market.stop()
    market.start()
    seconds_after_the_end = time.time() - _end_of(orders)
    assert seconds_after_the_end > 0, "the market started before the holds ended"
    assert await _seconds_late(seller, orders) - seconds_after_the_end <= 2
    await seconds_until(lambda: _all_say_expired(buyer, orders), 5)


def _end_of(orders: list[dict[str, Any]]) -> float:
    return max(datetime.fromisoformat(order["expiresAt"]).timestamp() for order in orders)
