"""Those who read the stream of events: each event reaches them at least once, in order, across restarts."""

from collections.abc import Sequence

import pytest

from actors.domain.ticket_events import OrderCreated
from actors.events.subscription import Handle, StreamEvent
from actors.runtime.ports import StoreUnavailableError
from tests.simulation.contracts.examples import an_order, recorded
from tests.simulation.contracts.parts import Parts
from tests.support.examples import NOW, new_id

TYPES = ("TicketCreated", "OrderCreated")


class Reader:
    """Notes what it is handed over of one ticket; other tests have written into the same stream."""

    def __init__(self, entity: str) -> None:
        self.entity = entity
        self.seen: list[StreamEvent] = []
        self.is_away = False

    @property
    def versions(self) -> list[int]:
        return [event.version for event in self.seen]

    async def handle(self, events: Sequence[StreamEvent]) -> None:
        self.seen += [event for event in events if event.entity == self.entity]
        if self.is_away:
            raise StoreUnavailableError


@pytest.fixture
def reader() -> Reader:
    return Reader(f"ticket:{new_id()}")


async def publish(parts: Parts, reader: Reader, *versions: int) -> None:
    await parts.stream.publish([recorded(version, entity=reader.entity) for version in versions])


async def drain(parts: Parts, handle: Handle, name: str = "reader", types: Sequence[str] = TYPES) -> None:
    subscriber = parts.subscribe(name, types, handle)
    while await subscriber.step():
        pass


async def test_events_of_the_wanted_types_are_handed_over_as_they_were_published(parts: Parts, reader: Reader) -> None:
    order = OrderCreated(an_order())
    await publish(parts, reader, 1, 2)
    await parts.stream.publish([recorded(3, order, entity=reader.entity)])
    await drain(parts, reader.handle)
    assert [(event.type, event.version, event.at) for event in reader.seen] == [
        ("TicketCreated", 1, NOW + 1),
        ("OrderCreated", 3, NOW + 3),
    ]
    assert reader.seen[1].data["order"]["id"] == order.order.id
    assert reader.seen[1].data["order"]["buyer_id"] == order.order.buyer_id


async def test_another_subscriber_of_the_same_name_goes_on_where_the_first_stopped(
    parts: Parts, reader: Reader
) -> None:
    types = ("TicketCreated", "TicketUpdated")
    await publish(parts, reader, 1, 2)
    await drain(parts, reader.handle, types=types)
    await publish(parts, reader, 3)
    await drain(parts, reader.handle, types=types)
    assert reader.versions == [1, 2, 3]
    await drain(parts, reader.handle, "another", types)
    assert reader.versions == [1, 2, 3, 1, 2, 3]


async def test_what_could_not_be_handled_is_handed_over_again_also_to_a_successor(parts: Parts, reader: Reader) -> None:
    await drain(parts, reader.handle)
    await publish(parts, reader, 1)
    reader.is_away = True
    subscriber = parts.subscribe("reader", TYPES, reader.handle)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await subscriber.step()
    reader.is_away = False
    await drain(parts, reader.handle)
    assert reader.versions == [1, 1, 1]
