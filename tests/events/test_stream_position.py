"""Positions as text, and what lies between two of them."""

import pytest
from redis.asyncio import Redis

from holdfast.events import Message, PositionLostError, StreamPosition, connect, read_between
from holdfast.events.partitions import PARTITIONS, STREAM_KEYS, partition_of
from tests.events.support.publisher import Publisher


@pytest.mark.parametrize("entry", [(0, 0), (1_764_000_000_000, 127), (2**64 - 1, 2**64 - 1)])
def test_position_is_read_back_from_its_text(entry: tuple[int, int]) -> None:
    position = StreamPosition("19a-b", ((0, 0),) * PARTITIONS).after(15, entry)
    assert StreamPosition.decode(position.encode()) == position


@pytest.mark.parametrize("text", ["", "x", "x.", "x.AA", ".AAAA", "x." + "A" * 44, "x.\u00e9", "x:filling." + "A" * 43])
def test_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever of it is wrong
        StreamPosition.decode(text)


def test_positions_of_two_epochs_are_not_joined() -> None:
    one, other = (StreamPosition(epoch, ((at, 0),) * PARTITIONS) for epoch, at in (("a", 1), ("b", 2)))
    assert one.joined(other) == one
    assert one.joined(StreamPosition("a", other.entries)).entries == other.entries


async def test_what_was_published_between_two_positions_is_read_once(bus: Redis, publisher: Publisher) -> None:
    await publisher.tell("ticket:a", "ticket.created")
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">") as subscription:
        begin = subscription.position
        assert begin is not None
        events = await publisher.tell("ticket:a", "ticket.updated", "ticket.withdrawn")
        await publisher.publish(*events)
        end = begin
        for _ in range(2):
            message = await anext(subscription)
            assert isinstance(message, Message)
            assert message.partition == partition_of("a")
            assert message.entry_id is not None
            end = end.after(message.partition, message.entry_id)
    found = [message.id async for page in read_between(bus, begin, end) for message in page]
    assert found == ["ticket:a:2", "ticket:a:3"]
    assert [page async for page in read_between(bus, end, end)] == []
    await bus.xtrim(STREAM_KEYS[partition_of("a")], maxlen=1, approximate=False)
    with pytest.raises(PositionLostError):
        assert [page async for page in read_between(bus, begin, end)] == []
