"""What people notice when the database or Redis is away: a clear answer, and nothing lost."""

import asyncio
import signal
import time
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from actors.event_stream import STREAM
from tests.cluster.conftest import People
from tests.support.client import Person, seconds_until
from tests.support.running_market import RunningMarket

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def _is_clear_refusal(answer: httpx.Response) -> bool:
    errors = answer.json()["errors"]
    return int(answer.headers["Retry-After"]) > 0 and bool(errors) and all(error["message"] for error in errors)


async def _buy_until(buyer: Person, tickets: list[dict[str, Any]], stop: asyncio.Event) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    for ticket in tickets:
        if stop.is_set():
            break
        answers.append(await buyer.reserves(ticket["id"]))
    return answers


@pytest.mark.parametrize("market", [{"max_holds_per_buyer": 1000}], indirect=True, scope="module")
class TestOutages:
    async def test_a_lost_database_means_503_and_service_resumes_with_every_acknowledged_order(
        self, market: RunningMarket, people: People
    ) -> None:
        seller, buyer = people(), people()
        tickets = [await seller.lists() for _ in range(300)]
        stop = asyncio.Event()
        buying = asyncio.create_task(_buy_until(buyer, tickets, stop))
        database = market.database
        await seconds_until(lambda: _some_are_reserved(seller, tickets), 10)
        database.send_signal(signal.SIGSTOP)
        refused = await people().reserves(tickets[-1]["id"])
        assert refused.status_code == 503
        assert _is_clear_refusal(refused)
        database.kill()  # and now it is gone, until `holdfast up` has started it again
        await seconds_until(lambda: _can_list(seller), 30)
        stop.set()
        answers = await buying
        assert {answer.status_code for answer in answers} <= {201, 200, 503}
        assert all(_is_clear_refusal(answer) for answer in answers if answer.status_code == 503)
        acknowledged = [answer.json() for answer in answers if answer.status_code in (200, 201)]
        assert acknowledged
        for order in acknowledged:
            assert (await buyer.reads_order(order["id"])).json()["status"] == "created"
            assert (await seller.reads_ticket(order["ticket"]["id"])).json()["orderId"] == order["id"]

    async def test_buying_goes_on_without_redis_and_the_events_follow_when_it_is_back(
        self, market: RunningMarket, people: People
    ) -> None:
        seller, buyer = people(), people()
        ticket = await seller.lists()
        redis = market.redis
        redis.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        reserved = await buyer.reserves(ticket["id"])
        assert reserved.status_code == 201
        assert time.monotonic() - began < 2, "nobody waits for Redis"
        order_id = reserved.json()["id"]
        assert (await buyer.pays(order_id)).status_code == 201
        redis.send_signal(signal.SIGCONT)
        async with Redis.from_url(market.redis_url) as client:

            async def all_are_published() -> bool:
                entries: Any = await client.xrevrange(STREAM, count=200)
                types = {entry[b"type"].decode() for _, entry in entries if order_id.encode() in entry[b"data"]}
                return {"OrderCreated", "OrderAwaitingPayment", "OrderCompleted", "ChargeCompleted"} <= types

            await seconds_until(all_are_published, 20)


async def _some_are_reserved(reader: Person, tickets: list[dict[str, Any]]) -> bool:
    return bool((await reader.reads_ticket(tickets[5]["id"])).json()["status"] == "reserved")


async def _can_list(seller: Person) -> bool:
    try:
        await seller.lists()
    except AssertionError:
        return False
    return True
