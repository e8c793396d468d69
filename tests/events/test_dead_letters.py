"""Messages that are given up: by term, after max_deliver, and what can be done with them."""

import pytest
from redis.asyncio import Redis

from holdfast.events import connect, dead_letters, groups
from holdfast.events.groups import group_status
from tests.events.support.publisher import Publisher
from tests.events.support.reading import ids, next_message, nothing_comes, take


async def test_message_that_always_fails_becomes_a_dead_letter_and_its_entity_goes_on(
    bus: Redis, publisher: Publisher
) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", max_deliver=3, backoff=(0.2,)) as subscription,
    ):
        (failing, _) = await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        await publisher.tell("ticket:b", "ticket.created")
        handled: list[str] = []
        while len(handled) < 2:
            message = await next_message(subscription)
            if message.id == failing.id:
                await message.nak(error=KeyError("price"))
            else:
                handled.append(message.id)
                await message.ack()
        assert handled == ["ticket:b:1", "ticket:a:2"]
        (letter,) = await dead_letters.list_dead_letters(bus, "d")
        assert letter.event == failing.in_epoch("epoch-1")
        assert (letter.reason, letter.deliveries, letter.error) == ("max_deliver", 3, "KeyError")
        assert letter.stream.startswith("holdfast:events:")
        (status,) = await groups(bus)
        assert (status.group, status.members, status.pending, status.dead_letters) == ("d", ("one",), 0, 1)


async def test_handler_that_hangs_each_time_leaves_a_dead_letter(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", max_deliver=2, backoff=(0,), ack_wait=0.3) as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        assert [(await next_message(subscription)).version for _ in range(3)] == [1, 1, 2]
        (letter,) = await dead_letters.list_dead_letters(bus, "d")
        assert (letter.reason, letter.deliveries, letter.error) == ("max_deliver", 2, "ack_wait")


async def test_term_makes_a_dead_letter_at_once(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        assert await (await next_message(subscription)).term("no such seller", error=LookupError())
        assert (await next_message(subscription)).version == 2
        (letter,) = await dead_letters.list_dead_letters(bus, "d")
        assert (letter.reason, letter.deliveries, letter.error) == ("no such seller", 1, "LookupError")


@pytest.mark.parametrize("ordered", [True, False])
async def test_replayed_dead_letter_comes_to_its_group_only(bus: Redis, publisher: Publisher, ordered: bool) -> None:  # noqa: FBT001
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", ordered=ordered) as subscription,
        client.subscribe(">", durable="another") as another,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        await (await next_message(subscription)).term("not yet")
        await publisher.tell("ticket:a", "ticket.updated")
        assert [one.version for one in await take(subscription, 1)] == [2]
        assert [one.version for one in await take(another, 2)] == [1, 2]
        (letter,) = await dead_letters.list_dead_letters(bus, "d")
        await dead_letters.replay(bus, "d", letter.id)
        message = await next_message(subscription)
        assert (message.id, message.deliveries) == ("ticket:a:1", 1)
        assert (await group_status(bus, "d")).pending == 1
        await message.ack()
        assert (await group_status(bus, "d")).pending == 0
        assert await nothing_comes(another)
        assert await nothing_comes(subscription)
        assert await dead_letters.list_dead_letters(bus, "d") == []
        assert [key async for key in bus.scan_iter("holdfast:group:d:replay:*") if await bus.xlen(key)] == []


async def test_replayed_message_that_fails_again_is_a_dead_letter_again(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        for reason in ("first", "second"):
            await (await next_message(subscription)).term(reason)
            (letter,) = await dead_letters.list_dead_letters(bus, "d")
            assert letter.reason == reason
            await dead_letters.replay(bus, "d", letter.id)
        assert ids(await take(subscription, 1)) == ["ticket:a:1"]


async def test_dead_letters_are_listed_by_page_shown_and_dropped(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated", "ticket.withdrawn")
        for _ in range(3):
            await (await next_message(subscription)).term("no")
    page = await dead_letters.list_dead_letters(bus, "d", limit=2)
    rest = await dead_letters.list_dead_letters(bus, "d", limit=2, after=page[-1].id)
    assert [letter.event.version for letter in page + rest] == [1, 2, 3]
    assert await dead_letters.show(bus, "d", page[0].id) == page[0]
    await dead_letters.drop(bus, "d", page[0].id)
    for action in (dead_letters.show, dead_letters.drop, dead_letters.replay):
        with pytest.raises(LookupError, match="no dead letter"):
            await action(bus, "d", page[0].id)
    assert len(await dead_letters.list_dead_letters(bus, "d")) == 2
