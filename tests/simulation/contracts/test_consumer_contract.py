"""Those who read the stream of events: each event reaches them at least once, in order, across restarts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from actors.domain.ticket_events import OrderCreated
from actors.runtime.ports import StoreUnavailableError
from actors.supervision.duty import Duties, Duty
from holdfast.cancellation import cancel_until_ended
from holdfast.events import Event
from holdfast.events.catalogue import OrderData
from tests.simulation.contracts.examples import an_order, recorded
from tests.simulation.contracts.parts import Parts
from tests.support.eventually import eventually
from tests.support.examples import NOW, new_id

SUBJECTS = ("ticket.created", "order.created")


class Reader:
    """Notes what it is handed over of one ticket; other tests have written into the same stream."""

    def __init__(self, entity: str) -> None:
        self.entity = entity
        self.seen: list[Event] = []
        self.is_away = False

    @property
    def versions(self) -> list[int]:
        return [event.version for event in self.seen]

    async def handle(self, events: Sequence[Event]) -> None:
        own = [event for event in events if event.entity == self.entity]
        self.seen += own
        if own and self.is_away:
            raise StoreUnavailableError


@pytest.fixture
def durable() -> str:
    return f"reader-{new_id()}"


@pytest.fixture
def reader() -> Reader:
    return Reader(f"ticket:{new_id()}")


async def publish(parts: Parts, reader: Reader, *versions: int) -> None:
    await parts.stream.publish([recorded(version, entity=reader.entity) for version in versions])


@asynccontextmanager
async def consuming(
    parts: Parts, reader: Reader, durable: str, subjects: Sequence[str] = SUBJECTS
) -> AsyncIterator[None]:
    """One life of a consumer of this name."""
    consumer = parts.consumer(durable, subjects, reader.handle)
    running = asyncio.create_task(Duties([Duty("consume", 0.0, consumer.run_once)], lambda: NOW).run())
    try:
        yield
    finally:
        await cancel_until_ended([running])
        await consumer.close()


async def test_events_of_the_wanted_subjects_are_handed_over_as_they_were_published(
    parts: Parts, reader: Reader, durable: str
) -> None:
    order = OrderCreated(an_order())
    await publish(parts, reader, 1, 2)
    await parts.stream.publish([recorded(3, order, entity=reader.entity)])
    async with consuming(parts, reader, durable):
        await eventually(lambda: len(reader.seen) >= 2)
    assert [(event.subject, event.version, event.time_ms) for event in reader.seen] == [
        ("ticket.created", 1, NOW + 1),
        ("order.created", 3, NOW + 3),
    ]
    data = OrderData.model_validate_json(reader.seen[1].data)
    assert (data.order_id, data.buyer_id) == (order.order.id, order.order.buyer_id)


async def test_successor_of_the_same_name_goes_on_where_the_first_stopped(
    parts: Parts, reader: Reader, durable: str
) -> None:
    await publish(parts, reader, 1, 2)
    async with consuming(parts, reader, durable, ["ticket.*"]):
        await eventually(lambda: len(reader.seen) >= 2)
    await publish(parts, reader, 3)
    async with consuming(parts, reader, durable, ["ticket.*"]):
        await eventually(lambda: len(reader.seen) >= 3)
    assert reader.versions == [1, 2, 3]
    async with consuming(parts, reader, f"{durable}-2", ["ticket.*"]):
        await eventually(lambda: len(reader.seen) >= 6)
    assert reader.versions == [1, 2, 3, 1, 2, 3]


async def test_what_could_not_be_handled_is_handed_over_again_also_to_a_successor(
    parts: Parts, reader: Reader, durable: str
) -> None:
    await publish(parts, reader, 1)
    reader.is_away = True
    async with consuming(parts, reader, durable):
        await eventually(lambda: len(reader.seen) >= 2)
    tries = len(reader.seen)
    reader.is_away = False
    async with consuming(parts, reader, durable):
        await eventually(lambda: len(reader.seen) > tries)
    assert set(reader.versions) == {1}
