"""Events become deliveries for those who subscribed and may have them, each once."""

from typing import Any

import orjson

from actors.webhooks.endpoint import Audience, DisabledReason
from actors.webhooks.feed import REFRESH_MS
from actors.webhooks.payloads import LARGEST_PAYLOAD, payload_of
from holdfast.events.event import Event
from tests.webhooks.conftest import Webhooks

URL = "https://example.com/hook"
ORDER: dict[str, Any] = {
    "ticketId": "t1", "orderId": "o1", "sellerId": "s1", "buyerId": "b1", "title": "Hamlet", "priceCents": 4_250,
    "feeCents": 0, "currency": "usd", "status": "created", "attempt": 2, "createdAt": "2030-01-01T00:00:00.000Z",
    "expiresAt": "2030-01-01T00:15:00.000Z",
}  # fmt: skip


def event(subject: str, at: int, version: int = 1, entity: str = "ticket:t1", **data: Any) -> Event:  # noqa: ANN401
    return Event(
        f"{entity}:{version}", "urn:test", f"com.holdfast.{subject}.v1", entity, version, at, "t1", orjson.dumps(data)
    )


async def bodies(webhooks: Webhooks, endpoint_id: str) -> list[dict[str, Any]]:
    page = await webhooks.deliveries.of_endpoint(endpoint_id, 100)
    return [orjson.loads(delivery.body) for delivery in page.items]


async def test_seller_gets_events_of_their_own_tickets_and_of_the_buyer_the_id_only(webhooks: Webhooks) -> None:
    seller = await webhooks.owner()
    own = await webhooks.endpoint(URL, seller, "order.*")
    other = await webhooks.endpoint(URL, await webhooks.owner(), ">")
    order: dict[str, Any] = {**ORDER, "sellerId": seller, "maxPriceCents": 9_900, "stripeId": "pi_1"}
    await webhooks.feed().handle([event("order.created", webhooks.now, **order)])
    (body,) = await bodies(webhooks, own.id)
    assert body["type"] == "order.created"
    assert body["timestamp"].startswith("2030-")
    assert body["data"] == {name: value for name, value in order.items() if name in ORDER and name != "attempt"}
    assert await bodies(webhooks, other.id) == []
    assert (await webhooks.again(own)).due_at == webhooks.now
    assert (await webhooks.again(other)).due_at is None


async def test_seller_gets_no_charges_no_users_and_nothing_of_who_waits(webhooks: Webhooks) -> None:
    seller = await webhooks.owner()
    own = await webhooks.endpoint(URL, seller, ">")
    data = {"ticketId": "t1", "sellerId": seller, "userId": "u1"}
    events = [
        event("ticket.created", webhooks.now, 1, **data),
        event("waiting_list.joined", webhooks.now, 2, **data),
        event("charge.completed", webhooks.now, 1, "charge:c1", **data),
        event("user.created", webhooks.now, 1, "user:u1", **data),
    ]
    await webhooks.feed().handle(events)
    assert [body["type"] for body in await bodies(webhooks, own.id)] == ["ticket.created"]


async def test_market_endpoint_gets_every_event(webhooks: Webhooks) -> None:
    market = await webhooks.endpoint(URL, market=True)
    subjects = ["charge.completed", "order.created", "ticket.created", "user.created", "waiting_list.joined"]
    events = [event(subject, webhooks.now, place) for place, subject in enumerate(subjects, 1)]
    await webhooks.feed().handle(events)
    assert sorted(body["type"] for body in await bodies(webhooks, market.id)) == subjects


async def test_seller_of_an_event_that_does_not_say_it_is_looked_up(webhooks: Webhooks) -> None:
    seller = await webhooks.owner()
    own = await webhooks.endpoint(URL, seller, "ticket.*")
    await webhooks.database["tickets"].insert_one({"_id": "t1", "seller_id": seller})
    await webhooks.feed().handle([event("ticket.withdrawn", webhooks.now, 5, ticketId="t1")])
    assert [body["type"] for body in await bodies(webhooks, own.id)] == ["ticket.withdrawn"]


async def test_event_that_comes_twice_is_delivered_once(webhooks: Webhooks) -> None:
    market = await webhooks.endpoint(URL, market=True)
    made = event("order.created", webhooks.now, **ORDER)
    feed = webhooks.feed()
    await feed.handle([made, made])
    await feed.handle([made.in_epoch("another")])
    assert len(await bodies(webhooks, market.id)) == 1


async def test_event_from_before_the_registration_is_not_sent(webhooks: Webhooks) -> None:
    market = await webhooks.endpoint(URL, market=True)
    await webhooks.feed().handle([event("order.created", webhooks.now - 1), event("order.expired", webhooks.now, 2)])
    assert [body["type"] for body in await bodies(webhooks, market.id)] == ["order.expired"]


async def test_feed_learns_of_new_and_disabled_endpoints_within_two_seconds(webhooks: Webhooks) -> None:
    feed = webhooks.feed()
    await feed.handle([])
    market = await webhooks.endpoint(URL, market=True)
    webhooks.now += REFRESH_MS
    await feed.handle([event("order.created", webhooks.now)])
    await webhooks.endpoints.change(market.id, {"disabled": DisabledReason.OWNER})
    webhooks.now += REFRESH_MS
    await feed.handle([event("order.expired", webhooks.now, 2)])
    assert [body["type"] for body in await bodies(webhooks, market.id)] == ["order.created"]


def test_large_payload_has_ids_only_and_says_so() -> None:
    data: dict[str, Any] = {"ticketId": "t1", "sellerId": "s1", "description": "x" * LARGEST_PAYLOAD}
    body = payload_of(event("ticket.created", 0, **data), Audience.SELLER)
    assert len(body) < LARGEST_PAYLOAD
    found = orjson.loads(body)
    assert found["truncated"] is True
    assert found["data"] == {"ticketId": "t1", "sellerId": "s1"}
