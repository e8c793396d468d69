"""Automatic scaling: heartbeats in, changes of the market's hosts out."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from actors.cluster.heartbeat import Heartbeat
from actors.runtime.host import Counters
from actors.runtime.ports import StoreUnavailableError
from actors.runtime.signals import Signals
from actors.supervision.autoscaler import Autoscaler, Resize, TicketHosts
from actors.supervision.hot_tickets_policy import Pin, Unpin
from actors.supervision.scaling_policy import Bounds

BUSY = Signals(busy_share=0.95, message_rate=1_000.0)


class FakeHosts:
    """The membership, of which a change is in force at once; or nothing can be changed."""

    def __init__(self) -> None:
        self.hosts = TicketHosts(("tickets-0",))
        self.made: list[tuple[Resize | Pin | Unpin, str]] = []
        self.is_away = False

    def current(self) -> TicketHosts:
        return self.hosts

    async def apply(self, change: Resize | Pin | Unpin, reason: str) -> None:
        if self.is_away:
            raise StoreUnavailableError("away")
        self.made.append((change, reason))
        match change:
            case Resize(hosts):
                self.hosts = replace(self.hosts, shared=tuple(f"tickets-{number}" for number in range(hosts)))
            case Pin(ticket):
                self.hosts = replace(self.hosts, pinned={ticket}, automatic={ticket})
            case Unpin():
                self.hosts = replace(self.hosts, pinned=frozenset(), automatic=frozenset())


class Scene:
    """An autoscaler, what it hears, and a clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.changes = FakeHosts()
        self.heard: dict[str, Heartbeat] = {}
        self.autoscaler = Autoscaler(lambda: self.heard, self.changes, Bounds(1, 8))
        self._passed = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self._passed)

    def hears(self, name: str, signals: Signals | None, writer: str = "1") -> None:
        self.heard[name] = Heartbeat(name, writer, 1, "node", Counters(), signals=signals)

    async def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.autoscaler.round()
            self._passed += 1.0


@contextmanager
def away(changes: FakeHosts) -> Iterator[None]:
    changes.is_away = True
    yield
    changes.is_away = False


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


async def test_a_busy_host_gets_another_beside_it(scene: Scene) -> None:
    scene.hears("tickets-0", BUSY)
    await scene.passes(30)
    assert scene.changes.made == [(Resize(2), "loaded for 10 s")]


async def test_how_long_turns_wait_for_the_journal_is_seen_in_what_changed_between_heartbeats(scene: Scene) -> None:
    # Of all its life the host waited little; of the last seconds it did nothing else.
    for second in range(60):
        signals = replace(BUSY, turn_seconds=1_000.0 + second, commit_seconds=10.0 + 0.9 * second)
        scene.hears("tickets-0", signals)
        await scene.passes(1)
    assert scene.changes.made == []


async def test_a_host_that_was_started_anew_is_not_compared_with_itself_before(scene: Scene) -> None:
    scene.hears("tickets-0", replace(BUSY, turn_seconds=1_000.0, commit_seconds=900.0))
    await scene.passes(1)
    scene.hears("tickets-0", replace(BUSY, turn_seconds=1.0, commit_seconds=0.1), writer="2")
    await scene.passes(30)
    assert scene.changes.made == [(Resize(2), "loaded for 10 s")]


async def test_a_hot_ticket_is_pinned_and_goes_back_when_its_own_actor_is_quiet(scene: Scene) -> None:
    scene.hears("tickets-0", replace(BUSY, busy_share=0.72, hottest={"hot": 900.0}))
    scene.hears("ticket-hot", Signals(message_rate=2.0))
    await scene.passes(8)
    scene.hears("tickets-0", Signals(busy_share=0.3))
    await scene.passes(90)
    assert scene.changes.made == [(Pin("hot"), "hot"), (Unpin("hot"), "no longer hot")]


async def test_a_change_that_could_not_be_made_is_decided_again(scene: Scene) -> None:
    scene.hears("tickets-0", BUSY)
    await scene.passes(10)
    with away(scene.changes), pytest.raises(StoreUnavailableError):
        await scene.passes(1)
    await scene.passes(1)
    assert scene.changes.made == [(Resize(2), "loaded for 10 s")]


async def test_an_actor_that_hosts_nothing_is_no_host(scene: Scene) -> None:
    scene.hears("tickets-0", None)
    await scene.passes(30)
    assert scene.changes.made == []
