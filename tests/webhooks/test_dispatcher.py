"""Deliveries reach their receivers, are tried again as the standard says, and no receiver waits for another."""

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from actors.domain.account_events import WebhookEndpointDisabled
from actors.domain.codec import event_name
from actors.processes.webhooks import DisabledNotices
from actors.storage.users import Users
from actors.webhooks.delivery import RETRY_AFTER_MS, DeliveryState
from actors.webhooks.dispatcher import CLAIM_MS, SLOW_LANES
from actors.webhooks.endpoint import LONGEST_FAILING_MS, ROTATION_MS, DisabledReason
from actors.webhooks.signing import new_secret
from tests.support.eventually import eventually
from tests.webhooks.conftest import Gate, Webhooks, says

DAY_MS = 86_400_000


def verified(secret: str, got: tuple[dict[str, str], bytes]) -> bool:
    headers, body = got
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


async def test_delivery_is_signed_as_the_standard_says(webhooks: Webhooks) -> None:
    webhooks.now = int(time.time() * 1_000)
    receiver = await webhooks.receiver(says(200, "thanks"))
    endpoint = await webhooks.endpoint(receiver.url)
    (delivery,) = await webhooks.deliver(endpoint, "ticket:1:1")
    await webhooks.sweep()
    assert receiver.ids == ["ticket:1:1"]
    assert verified(endpoint.secret, receiver.got[0])
    assert not verified(new_secret(), receiver.got[0])
    headers, body = receiver.got[0]
    assert not verified(endpoint.secret, (headers, body + b" "))
    stored = await webhooks.one(delivery)
    assert (stored.state, stored.tries, stored.due_at) == (DeliveryState.DELIVERED, 1, None)
    assert (stored.attempts[0].status, stored.attempts[0].body) == (200, "thanks")
    assert dict(webhooks.dispatchers[-1].tries) == {"delivered": 1}
    assert (await webhooks.again(endpoint)).due_at is None


async def test_both_secrets_sign_for_a_day_after_a_rotation(webhooks: Webhooks) -> None:
    webhooks.now = int(time.time() * 1_000)
    receiver = await webhooks.receiver(says(204))
    endpoint = await webhooks.endpoint(receiver.url)
    another, until = new_secret(), webhooks.now + ROTATION_MS
    change = {"secret": another, "old_secret": endpoint.secret, "old_secret_until": until}
    await webhooks.endpoints.change(endpoint.id, change)
    await webhooks.deliver(endpoint, "ticket:1:1")
    await webhooks.sweep()
    assert verified(another, receiver.got[0])
    assert verified(endpoint.secret, receiver.got[0])
    await webhooks.endpoints.change(endpoint.id, {"old_secret_until": webhooks.now})
    await webhooks.deliver(endpoint, "ticket:1:2")
    await webhooks.sweep()
    assert verified(another, receiver.got[1])
    assert not verified(endpoint.secret, receiver.got[1])


async def test_failed_delivery_is_tried_in_the_standards_intervals_and_then_fails(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(500, "x" * 3_000))
    endpoint = await webhooks.endpoint(receiver.url)
    (delivery,) = await webhooks.deliver(endpoint, "ticket:1:1")
    await webhooks.sweep()
    for number, delay in enumerate(RETRY_AFTER_MS, 1):
        due_at = (await webhooks.one(delivery)).due_at
        assert due_at is not None
        assert delay <= due_at - webhooks.now <= delay + 10_000
        webhooks.now = due_at - 1
        await webhooks.sweep()
        assert len(receiver.got) == number
        webhooks.now = due_at
        await webhooks.sweep()
        assert len(receiver.got) == number + 1
    failed = await webhooks.one(delivery)
    assert (failed.state, failed.tries, failed.due_at) == (DeliveryState.FAILED, 10, None)
    assert set(receiver.ids) == {"ticket:1:1"}
    assert len(failed.attempts[-1].body) == 1_024


async def test_410_disables_the_endpoint_at_once(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(410))
    endpoint = await webhooks.endpoint(receiver.url)
    await webhooks.deliver(endpoint, "ticket:1:1", "ticket:1:2")
    await webhooks.sweep()
    await webhooks.deliver(endpoint, "ticket:1:3")
    await webhooks.sweep()
    assert len(receiver.got) == 1
    assert (await webhooks.again(endpoint)).disabled is DisabledReason.GONE
    assert webhooks.disabled == [(endpoint.id, DisabledReason.GONE)]


async def test_endpoint_that_only_fails_for_five_days_is_disabled(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(500))
    endpoint = await webhooks.endpoint(receiver.url)
    await webhooks.deliver(endpoint, "ticket:1:1")
    await webhooks.sweep()
    webhooks.now += LONGEST_FAILING_MS - DAY_MS
    await webhooks.deliver(endpoint, "ticket:1:2")
    await webhooks.sweep()
    assert (await webhooks.again(endpoint)).disabled is None
    webhooks.now += DAY_MS
    await webhooks.deliver(endpoint, "ticket:1:3")
    await webhooks.sweep()
    assert (await webhooks.again(endpoint)).disabled is DisabledReason.FAILING


async def test_success_ends_the_days_of_failing(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(500))
    endpoint = await webhooks.endpoint(receiver.url)
    await webhooks.deliver(endpoint, "ticket:1:1")
    await webhooks.sweep()
    assert (await webhooks.again(endpoint)).failing_since == webhooks.now
    receiver.answer = says(200)
    webhooks.now += LONGEST_FAILING_MS - DAY_MS
    await webhooks.sweep()
    assert (await webhooks.again(endpoint)).failing_since is None
    receiver.answer = says(500)
    webhooks.now += DAY_MS
    await webhooks.deliver(endpoint, "ticket:1:2")
    await webhooks.sweep()
    assert (await webhooks.again(endpoint)).disabled is None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_overloaded_receiver_is_left_alone_as_long_as_it_asks(webhooks: Webhooks, status: int) -> None:
    receiver = await webhooks.receiver(says(status, Retry_After="900"))
    endpoint = await webhooks.endpoint(receiver.url)
    await webhooks.deliver(endpoint, "ticket:1:1", "ticket:1:2")
    await webhooks.sweep()
    webhooks.now += 899_000
    await webhooks.deliver(endpoint, "ticket:1:3")
    await webhooks.sweep()
    assert len(receiver.got) == 1
    receiver.answer = says(200)
    webhooks.now += 2_000
    await webhooks.sweep()
    assert len(receiver.got) == 4


async def test_redirect_is_a_failure_and_never_followed(webhooks: Webhooks) -> None:
    other = await webhooks.receiver(says(200))
    receiver = await webhooks.receiver(says(307, Location=other.url))
    endpoint = await webhooks.endpoint(receiver.url)
    (delivery,) = await webhooks.deliver(endpoint, "ticket:1:1")
    await webhooks.sweep()
    assert (len(receiver.got), other.got) == (1, [])
    assert (await webhooks.one(delivery)).state is DeliveryState.PENDING


async def test_slow_receiver_does_not_delay_another(webhooks: Webhooks, gate: Gate) -> None:
    slow, quick = await webhooks.receiver(gate), await webhooks.receiver(says(204))
    await webhooks.deliver(await webhooks.endpoint(slow.url), "ticket:1:1")
    dispatcher = webhooks.dispatcher()
    await dispatcher.sweep()
    await eventually(lambda: bool(slow.got))
    await webhooks.deliver(await webhooks.endpoint(quick.url), "ticket:1:1")
    await dispatcher.sweep()
    await eventually(lambda: bool(quick.got))
    gate.opened.set()


async def test_slow_receiver_delays_another_without_lanes_of_their_own(webhooks: Webhooks, gate: Gate) -> None:
    slow, quick = await webhooks.receiver(gate), await webhooks.receiver(says(204))
    await webhooks.deliver(await webhooks.endpoint(slow.url), "ticket:1:1")
    dispatcher = webhooks.dispatcher(most_lanes=1)
    await dispatcher.sweep()
    await eventually(lambda: bool(slow.got))
    await webhooks.deliver(await webhooks.endpoint(quick.url), "ticket:1:1")
    await dispatcher.sweep()
    with pytest.raises(TimeoutError):
        await eventually(lambda: bool(quick.got), seconds=0.3)
    gate.opened.set()
    await dispatcher.idle()
    await webhooks.sweep(dispatcher)
    assert quick.got


async def test_endpoints_that_failed_leave_most_lanes_to_those_that_answer(webhooks: Webhooks, gate: Gate) -> None:
    dead, quick = await webhooks.receiver(gate), await webhooks.receiver(says(204))
    for number in range(SLOW_LANES + 4):
        endpoint = await webhooks.endpoint(dead.url)
        await webhooks.endpoints.change(endpoint.id, {"failing_since": webhooks.now})
        await webhooks.deliver(endpoint, f"ticket:{number}:1")
    webhooks.now += 1
    await webhooks.deliver(await webhooks.endpoint(quick.url), "ticket:1:1")
    dispatcher = webhooks.dispatcher(most_lanes=SLOW_LANES + 1)
    await dispatcher.sweep()
    await eventually(lambda: bool(quick.got))
    await eventually(lambda: len(dead.got) == SLOW_LANES)
    gate.opened.set()


async def test_two_dispatchers_send_each_delivery_once(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(204))
    for number in range(10):
        await webhooks.deliver(await webhooks.endpoint(receiver.url), f"ticket:{number}:1", f"ticket:{number}:2")
    first, second = webhooks.dispatcher(), webhooks.dispatcher()
    for _ in range(3):
        await first.sweep()
        await second.sweep()
    await first.idle()
    await second.idle()
    assert len(receiver.ids) == len(set(receiver.ids)) == 20


async def test_what_a_killed_dispatcher_had_is_sent_again_with_the_same_id(webhooks: Webhooks, gate: Gate) -> None:
    receiver = await webhooks.receiver(gate)
    endpoint = await webhooks.endpoint(receiver.url)
    await webhooks.deliver(endpoint, "ticket:1:1")
    killed = webhooks.dispatcher()
    await killed.sweep()
    await eventually(lambda: bool(receiver.got))
    killed.stop()
    receiver.answer = says(204)
    webhooks.now += CLAIM_MS - 1
    await webhooks.sweep()
    assert len(receiver.got) == 1
    webhooks.now += 1
    await webhooks.sweep()
    assert receiver.ids == ["ticket:1:1", "ticket:1:1"]
    assert (await webhooks.again(endpoint)).due_at is None


async def test_delivery_that_comes_while_a_lane_ends_is_not_forgotten(webhooks: Webhooks, gate: Gate) -> None:
    receiver = await webhooks.receiver(gate)
    endpoint = await webhooks.endpoint(receiver.url)
    await webhooks.deliver(endpoint, "ticket:1:1")
    dispatcher = webhooks.dispatcher()
    await dispatcher.sweep()
    await eventually(lambda: bool(receiver.got))
    claimed = await webhooks.again(endpoint)
    await webhooks.endpoints.wake([endpoint.id], webhooks.now)
    await webhooks.endpoints.release(claimed, None)
    assert (await webhooks.again(endpoint)).due_at == webhooks.now
    gate.opened.set()


async def test_timeout_is_a_failure(webhooks: Webhooks, gate: Gate) -> None:
    receiver = await webhooks.receiver(gate)
    endpoint = await webhooks.endpoint(receiver.url)
    (delivery,) = await webhooks.deliver(endpoint, "ticket:1:1")
    await webhooks.sweep()
    assert (await webhooks.one(delivery)).attempts[0].error == "timeout"
    gate.opened.set()


async def test_nothing_is_sent_for_owners_who_may_not_have_it_any_more(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(204))
    users = Users(webhooks.database)
    banned, demoted = await webhooks.endpoint(receiver.url), await webhooks.endpoint(receiver.url, market=True)
    for endpoint in (banned, demoted):
        await webhooks.deliver(endpoint, "ticket:1:1")
    await users.ban(banned.owner_id, webhooks.now)
    await users.set_admin(demoted.owner_id, webhooks.now, is_admin=False)
    await webhooks.sweep()
    assert receiver.got == []


async def test_owner_is_written_to_when_the_endpoint_is_disabled(webhooks: Webhooks) -> None:
    endpoint = await webhooks.endpoint("https://example.com")
    await DisabledNotices(webhooks.database).tell(endpoint, DisabledReason.GONE, webhooks.now)
    (mail,) = await webhooks.database["mails"].find({}).to_list()
    assert (mail["kind"], mail["user_id"]) == ("webhook-disabled", endpoint.owner_id)
    (event,) = await webhooks.database["security_events"].find({}).to_list()
    wanted = event_name(WebhookEndpointDisabled(endpoint.owner_id, endpoint.id, "gone"))
    assert (event["type"], event["endpoint_id"], event["reason"]) == (wanted, endpoint.id, "gone")
