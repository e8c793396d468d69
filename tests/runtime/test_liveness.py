"""Who is watched over is replaced when silent, and left alone while starting."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from actors.cluster.heartbeat import ActorMissingError, Heartbeat
from actors.runtime.host import Counters
from actors.runtime.ports import HostUnreachableError
from actors.supervision.liveness import SILENT_SECONDS, STARTING_SECONDS, LivenessMonitor

Later = Callable[[float], Awaitable[None]]
NAME = "tickets-0"


class FakeActorDirectory:
    """One actor. It answers, or whoever pings it hears this error."""

    def __init__(self) -> None:
        self.error: type[Exception] | None = None
        self.replaced = 0
        self.created: list[str] = []

    async def ping(self, name: str) -> Heartbeat:
        if self.error is not None:
            raise self.error(name)
        return Heartbeat(name, f"{name}-{self.replaced}", 1, "node", Counters())

    async def create(self, name: str) -> None:
        self.created.append(name)

    async def start(self, _name: str) -> None:
        raise AssertionError("nobody asked for it")

    async def ready(self, _name: str) -> None:
        raise AssertionError("nobody asked for it")

    async def replace(self, _name: str, _heartbeat: Heartbeat | None) -> None:
        self.replaced += 1

    async def end(self, _name: str) -> None:
        raise AssertionError("nobody leaves")

    async def existing(self) -> set[str]:
        return set()

    async def passivate(self, _name: str) -> None:
        raise AssertionError("nobody is idle")

    async def nodes(self) -> set[str]:
        raise AssertionError("nobody asked for it")

    async def draining(self) -> set[str]:
        return set()

    async def move(self, _name: str, _node_id: str) -> None:
        raise AssertionError("nobody asked for it")


@pytest.fixture
def directory() -> FakeActorDirectory:
    return FakeActorDirectory()


@pytest.fixture
async def later(directory: FakeActorDirectory, monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let so many seconds pass, with a look in each of them."""
    loop, watch, passed = asyncio.get_running_loop(), LivenessMonitor(directory), 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + passed)

    async def look_for(seconds: float) -> None:
        nonlocal passed
        for _ in range(round(seconds)):
            await watch.check([NAME])
            passed += 1

    return look_for


async def test_an_actor_that_answers_its_heartbeat_is_left_alone(directory: FakeActorDirectory, later: Later) -> None:
    await later(3 * STARTING_SECONDS)
    assert directory.replaced == 0


async def test_an_actor_without_a_heartbeat_for_five_seconds_is_replaced(
    directory: FakeActorDirectory, later: Later
) -> None:
    await later(3)
    directory.error = TimeoutError
    await later(SILENT_SECONDS - 1)
    assert directory.replaced == 0
    await later(2)
    assert directory.replaced == 1


async def test_an_actor_that_is_starting_is_not_replaced_for_its_missing_heartbeat(
    directory: FakeActorDirectory, later: Later
) -> None:
    await later(3)
    directory.error = HostUnreachableError
    await later(STARTING_SECONDS - 1)
    assert directory.replaced == 0


async def test_an_actor_that_has_just_started_is_not_replaced_for_the_silence_before(
    directory: FakeActorDirectory, later: Later
) -> None:
    directory.error = HostUnreachableError
    await later(4 * SILENT_SECONDS)
    directory.error = TimeoutError
    await later(SILENT_SECONDS - 1)
    assert directory.replaced == 0


async def test_an_actor_that_never_sends_a_heartbeat_is_started_anew(
    directory: FakeActorDirectory, later: Later
) -> None:
    directory.error = HostUnreachableError
    await later(STARTING_SECONDS + 2)
    assert directory.replaced == 1


async def test_an_actor_that_was_ended_for_good_is_created_at_once(directory: FakeActorDirectory, later: Later) -> None:
    await later(3)
    directory.error = ActorMissingError
    await later(1)
    assert (directory.created, directory.replaced) == ([NAME], 0)
    directory.error = None
    await later(3)
    assert directory.created == [NAME]


async def test_a_tickets_own_actor_that_has_ended_is_not_created_by_whoever_watched_it(
    directory: FakeActorDirectory,
) -> None:
    directory.error = ActorMissingError
    await LivenessMonitor(directory).check(["ticket-a", NAME], wanted=[NAME])
    assert directory.created == [NAME]


async def test_a_monitor_knows_who_answered_in_the_last_round_and_how_many_it_replaced_for_what(
    directory: FakeActorDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, monitor, passed = asyncio.get_running_loop(), LivenessMonitor(directory), 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + passed)
    await monitor.check([NAME])
    assert (monitor.watched, monitor.answering) == ({NAME}, {NAME})
    for error in (TimeoutError, HostUnreachableError, ActorMissingError):
        directory.error = None
        await monitor.check([NAME])
        directory.error = error
        await monitor.check([NAME])
        assert (monitor.watched, monitor.answering) == ({NAME}, set())
    directory.error = TimeoutError
    passed += SILENT_SECONDS
    await monitor.check([NAME])
    assert dict(monitor.replaced) == {"actor_silent": 1}
    directory.error = None
    await monitor.check([])
    assert monitor.answering == set()
