"""Members that are killed and stopped: each event is handled, and an entity's first handlings are in order."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cli.up.embedded_servers import Server
from holdfast.events import dead_letters
from tests.events.support.fleet import Fleet
from tests.events.support.member import DURABLE, FAILING
from tests.events.support.publisher import Publisher
from tests.events.support.reading import first_handlings
from tests.support.eventually import eventually

pytestmark = pytest.mark.slow
SUBJECTS = ("ticket.created", "order.created", "order.offer_accepted", "order.completed", "ticket.updated")
KILL_EVERY_SECONDS = 1.0
# As long as a busy machine may take before a test gives up.
PATIENCE_SECONDS = 60.0
StartFleet = Callable[..., Fleet]


@pytest.fixture
def start_fleet(bus_server: Server, bus: Redis, tmp_path: Path) -> Iterator[StartFleet]:  # noqa: ARG001 - emptied before
    """Start so many members, with an `ack_wait` in seconds and perhaps without a protection."""
    with ExitStack() as running:

        def start(members: int, ack_wait: float, sabotage: str | None = None) -> Fleet:
            fleet = running.enter_context(Fleet(bus_server.url, tmp_path, ack_wait, sabotage))
            for _ in range(members):
                fleet.start()
            return fleet

        yield start


async def publish(publisher: Publisher, count: int, tickets: int = 60) -> None:
    """Publish so many events of so many tickets by turns."""
    events = [
        publisher.make(f"ticket:{place % tickets}", SUBJECTS[place // tickets % len(SUBJECTS)])
        for place in range(count)
    ]
    await publisher.publish(*events)


def is_complete(fleet: Fleet, publisher: Publisher) -> bool:
    if len(fleet.handled()) < len(publisher.journal) - 1:
        return False
    expected = {(entity, version) for entity, versions in publisher.by_entity().items() for version in versions}
    return set(fleet.handled()) >= expected - {(FAILING, 1)}


def assert_in_order(fleet: Fleet) -> None:
    for entity, versions in first_handlings(fleet.handled()).items():
        assert versions == sorted(versions), entity


def has_repeats(fleet: Fleet) -> bool:
    handled = fleet.handled()  # more is handled meanwhile
    return len(handled) > len(set(handled))


async def killing(fleet: Fleet) -> None:
    while True:
        await asyncio.sleep(KILL_EVERY_SECONDS)
        await eventually(fleet.has_joined, PATIENCE_SECONDS)
        await asyncio.to_thread(fleet.kill)
        fleet.start()


async def test_no_event_is_lost_or_out_of_order_while_a_member_is_killed_every_second(
    start_fleet: StartFleet, publisher: Publisher
) -> None:
    fleet = start_fleet(3, 2)
    nemesis = asyncio.create_task(killing(fleet))
    for _ in range(20):
        await publish(publisher, 1_000)
    # There is always something to do until three were killed, and one of them before its acknowledgement was sent.
    async with asyncio.timeout(60):
        while not nemesis.done() and (fleet.deaths < 3 or not has_repeats(fleet)):
            if len(publisher.journal) - len(fleet.handled()) < 2_000:
                await publish(publisher, 1_000)
            await asyncio.sleep(0.05)
    await eventually(lambda: is_complete(fleet, publisher) or nemesis.done(), 100)
    assert nemesis.cancel()
    assert fleet.deaths >= 3
    assert_in_order(fleet)
    assert has_repeats(fleet)
    assert len(set(fleet.handled())) == len(publisher.journal) >= 20_000


async def some_kills(fleet: Fleet) -> None:
    await eventually(lambda: len(fleet.handled()) > 100, PATIENCE_SECONDS)
    for _ in range(3):
        await asyncio.to_thread(fleet.kill)
        fleet.start()


async def test_events_that_a_killed_member_had_are_lost_without_taking_over(
    start_fleet: StartFleet, publisher: Publisher
) -> None:
    fleet = start_fleet(3, 2, "take_over")
    await publish(publisher, 3_000)
    await some_kills(fleet)
    await eventually(lambda: len(set(fleet.handled())) > 2_500, PATIENCE_SECONDS)
    with pytest.raises(TimeoutError):
        await eventually(lambda: is_complete(fleet, publisher), 5)


async def test_events_of_an_entity_are_out_of_order_without_lanes(
    start_fleet: StartFleet, publisher: Publisher
) -> None:
    fleet = start_fleet(3, 2, "lanes")
    await publish(publisher, 3_000)
    await some_kills(fleet)
    await eventually(lambda: is_complete(fleet, publisher), PATIENCE_SECONDS)
    with pytest.raises(AssertionError):
        assert_in_order(fleet)


async def test_member_that_is_stopped_for_twice_ack_wait_costs_neither_events_nor_order(
    start_fleet: StartFleet, publisher: Publisher
) -> None:
    fleet = start_fleet(3, 1)
    await publish(publisher, 2_000)
    await eventually(lambda: len(fleet.handled()) > 200, PATIENCE_SECONDS)
    fleet.stop()
    await publish(publisher, 2_000)
    await asyncio.sleep(2)
    await publish(publisher, 2_000)
    await eventually(lambda: is_complete(fleet, publisher), PATIENCE_SECONDS)  # without it
    fleet.resume()
    await publish(publisher, 2_000)
    await eventually(lambda: is_complete(fleet, publisher), PATIENCE_SECONDS)
    assert_in_order(fleet)


async def test_redis_that_is_emptied_in_the_middle_costs_neither_events_nor_order(
    start_fleet: StartFleet, bus: Redis, publisher: Publisher
) -> None:
    fleet = start_fleet(3, 1)
    await publish(publisher, 4_000)
    await eventually(lambda: len(fleet.handled()) > 500, PATIENCE_SECONDS)
    await bus.flushall()
    await publisher.begin_epoch("epoch-2")
    await publish(publisher, 1_000)
    await eventually(lambda: is_complete(fleet, publisher), PATIENCE_SECONDS)
    assert_in_order(fleet)


async def test_message_that_always_fails_holds_up_its_own_entity_only(
    start_fleet: StartFleet, bus: Redis, publisher: Publisher
) -> None:
    fleet = start_fleet(2, 2)
    await publisher.tell(FAILING, "ticket.created", "ticket.updated")
    await publish(publisher, 2_000)
    await eventually(lambda: len(set(fleet.handled())) == 2_000, PATIENCE_SECONDS)
    assert (FAILING, 2) not in fleet.handled()
    await eventually(lambda: is_complete(fleet, publisher), PATIENCE_SECONDS)
    (letter,) = await dead_letters.list_dead_letters(bus, DURABLE)
    assert (letter.event.entity, letter.event.version, letter.error) == (FAILING, 1, "RuntimeError")
