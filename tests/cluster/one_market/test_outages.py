"""What people notice when Redis is away: nothing. (Without the database: test_chaos.py.)"""

import signal
import time

import pytest
from redis.asyncio import Redis

from benchmarks.support.running_market import RunningMarket
from tests.cluster.conftest import People
from tests.support.client import seconds_until
from tests.support.event_streams import published_events

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


async def test_buying_goes_on_without_redis_and_the_events_follow_when_it_is_back(
    market: RunningMarket, people: People
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
            events = await published_events(client)
            subjects = {event.subject for event in events if order_id.encode() in event.data}
            return {"order.created", "order.awaiting_payment", "order.completed", "charge.completed"} <= subjects

        await seconds_until(all_are_published, 20)
