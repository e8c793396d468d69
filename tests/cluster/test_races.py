"""The two races of the mission, on the running market, wherever its tickets live."""

import asyncio
import random
from collections import Counter

import pytest
from redis.asyncio import Redis

from benchmarks.support.running_market import RunningMarket
from tests.cluster.conftest import People
from tests.support.client import seconds_until
from tests.support.event_streams import published_events

PLACEMENTS = pytest.mark.parametrize(
    "market",
    [
        pytest.param({"ticket_placement": "shared", "ticket_actors": 2}, id="shared"),
        pytest.param({"ticket_placement": "dedicated"}, id="dedicated", marks=pytest.mark.long),
    ],
    indirect=True,
    scope="module",
)
pytestmark = [pytest.mark.cluster, pytest.mark.slow, PLACEMENTS]

BUYERS = 200
ROUNDS = 50
# Its own process starts behind the answer.
STARTED_SECONDS = 60.0
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_exactly_one_of_two_hundred_simultaneous_buyers_gets_the_ticket(people: People) -> None:
    seller = people()
    ticket = await seller.lists()
    answers = await asyncio.gather(*(people().reserves(ticket["id"]) for _ in range(BUYERS)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: BUYERS - 1}
    (won,) = [answer.json() for answer in answers if answer.status_code == 201]
    now = (await seller.reads_ticket(ticket["id"])).json()
    assert (now["status"], now["orderId"]) == ("reserved", won["id"])


async def test_a_held_price_never_changes_while_prices_are_edited(people: People) -> None:
    seller, buyer = people(), people()
    ticket = await seller.lists(price=20)
    seen: Counter[str] = Counter()
    for round_number in range(ROUNDS):
        assert (await seller.edits(ticket["id"], price=20)).status_code == 200
        expects = {"expectedPrice": 20} if round_number % 2 else {}
        edit, reserve = seller.edits(ticket["id"], price=30), buyer.reserves(ticket["id"], **expects)
        # Both orders of sending, so that either side gets the chance to be first.
        both = (edit, reserve) if random.random() < 0.5 else (reserve, edit)  # noqa: S311 - no secret
        answers = {answer.request.method: answer for answer in await asyncio.gather(*both)}
        edited, reserved = answers["PUT"], answers["POST"]
        now = (await seller.reads_ticket(ticket["id"])).json()
        outcome = (edited.status_code, reserved.status_code, now["price"], now["status"])
        if reserved.status_code == 201:
            assert reserved.json()["price"] == now["price"], "the price changed under a hold"
        allowed = {
            (409, 201, 20, "reserved"): "the buyer was first",
            (200, 201, 30, "reserved"): "the seller was first, and the buyer had named no price",
            (200, 409, 30, "available"): "the seller was first, and the buyer had named the old price",
        }
        assert outcome in allowed, outcome
        if expects:
            assert outcome != (200, 201, 30, "reserved"), "the buyer had named the old price"
        seen[allowed[outcome]] += 1
        if reserved.status_code == 201:
            assert (await buyer.cancels(reserved.json()["id"])).status_code == 204
    assert sum(seen.values()) == ROUNDS


async def test_trace_context_of_a_payment_is_on_its_events_of_every_actor(
    market: RunningMarket, people: People
) -> None:
    seller, buyer = people(), people()
    order_id = (await buyer.reserves((await seller.lists())["id"])).json()["id"]
    assert (await buyer.pays(order_id, headers={"traceparent": TRACEPARENT})).status_code == 201
    traces: dict[str, str | None] = {}
    async with Redis.from_url(market.redis_url) as redis:

        async def all_are_published() -> bool:
            events = [event for event in await published_events(redis) if order_id.encode() in event.data]
            traces.update({event.subject: event.traceparent for event in events})
            return {"order.completed", "charge.completed"} <= traces.keys()

        await seconds_until(all_are_published, 20)
    # The hold was another request, which began a trace of its own.
    assert traces.pop("order.created") not in {None, TRACEPARENT}
    assert set(traces.values()) == {TRACEPARENT}, traces


async def test_an_operator_can_tell_the_actors_apart(market: RunningMarket, people: People) -> None:
    ticket = await people().lists()
    assert (await people().reserves(ticket["id"])).status_code == 201
    names: set[str] = set()

    async def has_its_own() -> bool:
        names.clear()
        names.update(heartbeat["name"] for heartbeat in await asyncio.to_thread(market.status))
        return f"ticket-{ticket['id']}" in names

    if market.environment["TICKET_PLACEMENT"] == "dedicated":
        await seconds_until(has_its_own, STARTED_SECONDS)
    else:
        assert not await has_its_own()
    assert {"tickets-0", "orders-0", "payments-0", "supervisor"} <= names
