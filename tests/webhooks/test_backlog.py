"""An endpoint that too much waits for is disabled, nobody else is delayed, and its owner can enable it again."""

from actors.webhooks.endpoint import DisabledReason, Endpoint
from actors.webhooks.feed import WebhookFeed
from tests.webhooks.conftest import Webhooks, says
from tests.webhooks.test_feed import event

MOST = 3


async def happens(webhooks: Webhooks, feed: WebhookFeed, first: int, last: int) -> None:
    """Handle an event for each of these versions, one after the other."""
    for version in range(first, last + 1):
        await feed.handle([event("order.created", webhooks.now, version)])


async def versions(webhooks: Webhooks, endpoint: Endpoint) -> list[int]:
    page = await webhooks.deliveries.of_endpoint(endpoint.id, 100)
    return sorted(int(delivery.event_id.rpartition(":")[2]) for delivery in page.items)


async def enabled_again(webhooks: Webhooks, endpoint: Endpoint) -> None:
    """What `serve_app.selling.webhook_endpoints.change` writes."""
    waited = await webhooks.deliveries.waiting(endpoint.id)
    change = {"disabled": None, "disabled_at": None, "failing_since": None, "waited_when_enabled": waited}
    await webhooks.endpoints.change(endpoint.id, change)
    await webhooks.endpoints.wake([endpoint.id], webhooks.now)


async def test_endpoint_at_the_limit_of_waiting_deliveries_is_disabled(webhooks: Webhooks) -> None:
    dead = await webhooks.endpoint("https://example.com", market=True)
    feed = webhooks.feed(most_waiting=MOST)
    await happens(webhooks, feed, 1, MOST)
    assert (await webhooks.again(dead)).disabled is None
    await happens(webhooks, feed, MOST + 1, MOST + 3)
    found = await webhooks.again(dead)
    assert (found.disabled, found.disabled_at) == (DisabledReason.BACKLOG, webhooks.now)
    assert await versions(webhooks, dead) == [1, 2, 3]
    assert webhooks.disabled == [(dead.id, DisabledReason.BACKLOG)]


async def test_limit_holds_for_what_waits_since_before_a_restart(webhooks: Webhooks) -> None:
    dead = await webhooks.endpoint("https://example.com", market=True)
    for version in range(1, MOST + 2):
        await happens(webhooks, webhooks.feed(most_waiting=MOST), version, version)
    assert (await webhooks.again(dead)).disabled is DisabledReason.BACKLOG


async def test_other_endpoints_get_what_one_at_the_limit_does_not(webhooks: Webhooks) -> None:
    dead, other = [await webhooks.endpoint("https://example.com", market=True) for _ in range(2)]
    for name in ("a", "b", "c"):
        await webhooks.deliver(dead, f"ticket:{name}:0")
    await happens(webhooks, webhooks.feed(most_waiting=MOST), 1, 2)
    assert (await webhooks.again(dead)).disabled is DisabledReason.BACKLOG
    assert await versions(webhooks, other) == [1, 2]


async def test_deliveries_that_were_made_do_not_count(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(204))
    endpoint = await webhooks.endpoint(receiver.url, market=True)
    feed = webhooks.feed(most_waiting=MOST)
    for first in (1, 4, 7):
        await happens(webhooks, feed, first, first + 2)
        await webhooks.sweep()
    assert (await webhooks.again(endpoint)).disabled is None
    assert len(receiver.got) == 9


async def test_endpoint_that_is_enabled_again_gets_what_waited_and_has_room_for_more(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(500))
    endpoint = await webhooks.endpoint(receiver.url, market=True)
    feed = webhooks.feed(most_waiting=MOST)
    await happens(webhooks, feed, 1, MOST + 1)
    await enabled_again(webhooks, endpoint)
    await happens(webhooks, feed, 11, 10 + MOST)
    assert (await webhooks.again(endpoint)).disabled is None
    receiver.answer = says(204)
    await webhooks.sweep()
    assert sorted(receiver.ids) == sorted(f"ticket:t1:{version}" for version in (1, 2, 3, 11, 12, 13))


async def test_endpoint_that_still_does_not_answer_is_disabled_again(webhooks: Webhooks) -> None:
    endpoint = await webhooks.endpoint("https://example.com", market=True)
    feed = webhooks.feed(most_waiting=MOST)
    await happens(webhooks, feed, 1, MOST + 1)
    await enabled_again(webhooks, endpoint)
    await happens(webhooks, feed, 11, 11 + MOST)
    assert (await webhooks.again(endpoint)).disabled is DisabledReason.BACKLOG
    assert await versions(webhooks, endpoint) == [1, 2, 3, 11, 12, 13]
