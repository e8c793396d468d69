"""The checkpoints of writers, users with pending events, and received webhook events: what the Supervisor goes by."""

from dataclasses import replace

from actors.payments.webhook_events import ReceivedWebhookEvent
from actors.runtime.ports import Checkpoint
from actors.supervision.user_events import PendingUser
from tests.simulation.contracts.examples import a_webhook_event, numbered
from tests.simulation.contracts.parts import Parts

FIRST = Checkpoint("tickets-0-a", "tickets-0", applied=3, published=2, at=1_000)
SECOND = Checkpoint("payments-0-b", "payments-0", applied=0, published=0, at=2_000)


def by_writer(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    return sorted(checkpoints, key=lambda one: one.writer)


async def test_a_writers_checkpoint_replaces_the_one_before(parts: Parts) -> None:
    await parts.checkpoints.save(FIRST)
    await parts.checkpoints.save(SECOND)
    later = replace(FIRST, applied=9, published=8, at=3_000)
    await parts.checkpoints.save(later)
    assert by_writer(await parts.checkpoints.all()) == [SECOND, later]


async def test_a_checkpoint_never_goes_back_whoever_saves_last(parts: Parts) -> None:
    await parts.checkpoints.save(FIRST)
    await parts.checkpoints.save(replace(FIRST, applied=2, published=5, at=500))
    assert await parts.checkpoints.all() == [replace(FIRST, published=5)]


async def test_a_removed_checkpoint_is_not_found_and_may_come_again(parts: Parts) -> None:
    await parts.checkpoints.save(FIRST)
    await parts.checkpoints.save(SECOND)
    for _ in range(2):
        await parts.checkpoints.remove(FIRST.writer)
    assert await parts.checkpoints.all() == [SECOND]
    assert await parts.checkpoints.published([FIRST.writer]) == {}
    await parts.checkpoints.save(FIRST)
    assert by_writer(await parts.checkpoints.all()) == [SECOND, FIRST]


async def test_published_checkpoints_are_those_of_known_writers_only(parts: Parts) -> None:
    await parts.checkpoints.save(FIRST)
    await parts.checkpoints.save(SECOND)
    assert await parts.checkpoints.published({FIRST.writer, "nobody"}) == {FIRST.writer: 2}
    assert await parts.checkpoints.published([FIRST.writer, SECOND.writer]) == {FIRST.writer: 2, SECOND.writer: 0}
    assert await parts.checkpoints.published([]) == {}


# Users


async def test_a_new_user_is_pending_until_its_event_is_published(parts: Parts) -> None:
    for number in (1, 2, 3):
        await parts.add_user(numbered(number), 100 * number)
    assert await pending(parts) == [PendingUser(numbered(one), 100 * one, 100 * one) for one in (1, 2, 3)]
    assert len(await parts.pending_users.pending(2)) == 2
    for _ in range(2):
        await parts.pending_users.mark_relayed(PendingUser(numbered(2), 200, 200))
    await parts.pending_users.mark_relayed(PendingUser(numbered(9), 900, 900))
    assert await pending(parts) == [PendingUser(numbered(one), 100 * one, 100 * one) for one in (1, 3)]


async def test_a_changed_user_is_pending_again_with_what_was_published_before(parts: Parts) -> None:
    await parts.add_user(numbered(1), 100)
    (user,) = await pending(parts)
    await parts.pending_users.mark_relayed(user)
    await parts.change_user(numbered(1), 200)
    await parts.change_user(numbered(1), 300)
    assert await pending(parts) == [PendingUser(numbered(1), 100, 300, version=3, relayed=1)]


async def test_a_user_who_changed_while_being_published_stays_pending(parts: Parts) -> None:
    await parts.add_user(numbered(1), 100)
    (user,) = await pending(parts)
    await parts.change_user(numbered(1), 200)
    await parts.pending_users.mark_relayed(user)
    assert await pending(parts) == [PendingUser(numbered(1), 100, 200, version=2, relayed=0)]


async def pending(parts: Parts) -> list[PendingUser]:
    return sorted(await parts.pending_users.pending(10), key=lambda user: user.id)


# Webhook events


def kept(number: int, at: int) -> ReceivedWebhookEvent:
    event = a_webhook_event(number)
    return ReceivedWebhookEvent(event.id, event.type, at, event.intent_id, event.order_id)


async def add(parts: Parts, *numbers: int) -> None:
    for number in numbers:
        await parts.inbox.add(a_webhook_event(number), 100 * number)


async def unhandled(parts: Parts, after: int = 0, before: int = 10_000, most: int = 10) -> list[ReceivedWebhookEvent]:
    return await parts.inbox.unhandled(after, before, most)


async def test_a_webhook_event_is_kept_once(parts: Parts) -> None:
    assert await parts.inbox.add(a_webhook_event(1), 100) == kept(1, 100)
    assert await parts.inbox.add(a_webhook_event(1), 200) is None
    assert await parts.inbox.add(a_webhook_event(2), 300) == kept(2, 300)
    assert await unhandled(parts) == [kept(1, 100), kept(2, 300)]


async def test_unhandled_webhook_events_of_a_period_are_found_the_oldest_first(parts: Parts) -> None:
    await add(parts, 3, 1, 4, 2)
    assert await unhandled(parts) == [kept(one, 100 * one) for one in (1, 2, 3, 4)]
    assert await unhandled(parts, 200, 400) == [kept(one, 100 * one) for one in (2, 3)]
    assert await unhandled(parts, most=2) == [kept(one, 100 * one) for one in (1, 2)]
    assert await unhandled(parts, 401) == []


async def test_a_handled_webhook_event_is_not_found_and_not_kept_again(parts: Parts) -> None:
    await add(parts, 1, 2, 3)
    for _ in range(2):
        await parts.inbox.mark_handled(["evt_1", "evt_3", "evt_9"])
    await parts.inbox.mark_handled([])
    assert await unhandled(parts) == [kept(2, 200)]
    assert await parts.inbox.add(a_webhook_event(1), 500) is None
    assert await unhandled(parts) == [kept(2, 200)]


async def test_webhook_events_before_an_instant_are_deleted_whether_handled_or_not(parts: Parts) -> None:
    await add(parts, 1, 2, 3)
    await parts.inbox.mark_handled(["evt_1"])
    await parts.inbox.forget_before(300)
    assert await unhandled(parts) == [kept(3, 300)]
    assert await parts.inbox.add(a_webhook_event(1), 400) == kept(1, 400)
    assert await parts.inbox.add(a_webhook_event(2), 500) == kept(2, 500)
    assert await unhandled(parts) == [kept(3, 300), kept(1, 400), kept(2, 500)]
