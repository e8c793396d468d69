"""What faults of a simulated server mean: for the operation, and for the client that asked for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from actors.runtime.ports import StoreUnavailableError
from tests.simulation.faults import CALM, Faults
from tests.simulation.loop import Process
from tests.simulation.server import PATIENCE, Server
from tests.simulation.world import World

LONG = 60.0


class Trial:
    """One client that asks a server once. `heard` is what it heard, the type of what was raised, and when."""

    def __init__(self, faults: Faults, seed: int = 1) -> None:
        self.world = World(seed, faults)
        self.server = Server(self.world, "database", StoreUnavailableError)
        self.client = self.world.loop.process("client")
        self.carried_out = 0
        self.refuses = False
        self.heard: list[object] = []
        self.took = 0.0
        self.observer = self.world.loop.process("observer")

    def ask(self) -> "Trial":
        self.client.run(self._ask())
        return self.wait(LONG)

    def begin(self) -> None:
        self.client.run(self._ask())
        self.wait(1e-6)  # time passes only when it has asked

    def wait(self, seconds: float) -> "Trial":
        self.world.loop.run_until_done(self.observer.run(asyncio.sleep(seconds)), 10_000)
        return self

    def operate(self) -> int:
        self.carried_out += 1
        if self.refuses:
            raise LookupError
        return self.carried_out

    async def _ask(self) -> None:
        try:
            self.heard.append(await self.server.call("operate", self.operate))
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.heard.append(type(error))
        self.took = self.world.loop.time()


@contextmanager
def trial(faults: Faults = CALM, seed: int = 1) -> Iterator[Trial]:
    trial = Trial(faults, seed)
    try:
        yield trial
    finally:
        trial.world.loop.close()


SEEDS = pytest.mark.parametrize("seed", range(10))


@SEEDS
def test_without_faults_an_operation_is_carried_out_once_and_takes_some_time(seed: int) -> None:
    with trial(seed=seed) as asked:
        assert (asked.ask().heard, asked.carried_out) == ([1], 1)
        assert 0 < asked.took < 0.01


def test_an_error_of_an_operation_is_raised_in_its_client() -> None:
    with trial() as asked:
        asked.refuses = True
        assert (asked.ask().heard, asked.carried_out) == ([LookupError], 1)


@SEEDS
def test_an_operation_whose_answer_is_lost_was_carried_out(seed: int) -> None:
    with trial(replace(CALM, lost_answer=1.0), seed) as asked:
        assert (asked.ask().heard, asked.carried_out) == ([StoreUnavailableError], 1)


@SEEDS
def test_an_operation_whose_request_is_lost_was_not(seed: int) -> None:
    with trial(replace(CALM, lost_request=1.0), seed) as asked:
        assert (asked.ask().heard, asked.carried_out) == ([StoreUnavailableError], 0)
        assert asked.took == PATIENCE


def test_a_slow_operation_is_carried_out_also_when_its_client_has_given_up() -> None:
    heard: set[object] = set()
    for seed in range(30):
        with trial(replace(CALM, slow=1.0), seed) as asked:
            asked.ask()
            assert asked.carried_out == 1
            assert asked.took <= PATIENCE + 0.01
            heard.update(asked.heard)
    assert heard == {1, StoreUnavailableError}


# The client dies


def test_a_client_that_dies_before_it_asks_leaves_nothing_to_do() -> None:
    with trial(replace(CALM, crash_before=1.0)) as asked:
        assert (asked.ask().heard, asked.carried_out) == ([], 0)
        assert not asked.client.is_alive


def test_a_client_that_dies_while_it_waits_leaves_the_operation_to_be_carried_out() -> None:
    with trial(replace(CALM, crash_after=1.0)) as asked:
        dead: list[Process] = []
        asked.world.when_died = dead.append
        assert (asked.ask().heard, asked.carried_out) == ([], 1)
        assert dead == [asked.client]


def test_a_client_that_is_killed_while_it_waits_leaves_the_operation_to_be_carried_out() -> None:
    with trial() as asked:
        asked.begin()
        asked.observer.call(asked.world.kill, asked.client)
        assert (asked.wait(LONG).heard, asked.carried_out) == ([], 1)


# The server is away


@SEEDS
def test_a_server_that_is_away_does_nothing_and_its_clients_hear_so(seed: int) -> None:
    with trial(seed=seed) as asked:
        asked.server.is_away = True
        assert (asked.ask().heard, asked.carried_out) == ([StoreUnavailableError], 0)


def test_an_operation_in_flight_when_a_server_goes_away_may_be_executed_without_its_client_knowing() -> None:
    carried_out: set[int] = set()
    for seed in range(20):
        with trial(seed=seed) as asked:
            asked.begin()
            asked.server.is_away = True
            assert asked.wait(LONG).heard == [StoreUnavailableError]
            carried_out.add(asked.carried_out)
    assert carried_out == {0, 1}


def test_a_server_that_is_back_answers() -> None:
    with trial() as asked:
        asked.server.is_away = True
        asked.ask()
        asked.server.is_away = False
        assert asked.ask().heard == [StoreUnavailableError, 1]
