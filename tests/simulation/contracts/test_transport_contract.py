"""The simulated way to the actors keeps the promises that the one on Ray keeps; see tests/cluster for that."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest

from actors.cluster.heartbeat import ActorDirectory, Heartbeat
from actors.runtime.ports import Clock, Transport
from config.settings import Settings
from tests.simulation.actors import SimulatedActorDirectory, SimulatedTransport
from tests.simulation.contracts.transport import PROMISES, ClusterUnderTest
from tests.simulation.faults import CALM
from tests.simulation.market import SimulatedMarket, settings_of
from tests.simulation.world import World

STEPS = 200_000


class Simulated:
    """A market in a simulation; see transport.ClusterUnderTest."""

    def __init__(self, market: SimulatedMarket, clock: Clock) -> None:
        self._market = market
        self.settings = market.settings
        self.clock = clock
        self.directory: ActorDirectory = SimulatedActorDirectory(market.world, market.ray)

    def transport(self) -> Transport:
        return SimulatedTransport(self._market.world, self._market.ray)

    def new_id(self) -> str:
        return self._market.world.new_id()

    def kill(self, heartbeat: Heartbeat) -> None:
        slot = self._market.ray.slots[heartbeat.name]
        assert slot.newest is not None
        self._market.world.kill(slot.newest.process)


def settings(seed: int) -> Settings:
    # A message may go to any host: none says that another one owns its ticket.
    return settings_of(Random(seed), "dedicated")  # noqa: S311 - to have the same again


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_the_simulated_transport_keeps_its_promises(
    promise: Callable[[ClusterUnderTest], Awaitable[None]], seed: int
) -> None:
    world = World(seed, CALM)
    market = SimulatedMarket(world, settings(seed))
    process = world.loop.process("people")

    async def held() -> None:
        market.start()
        clock = market.connect(world, process).clock
        await clock.refresh()
        await promise(Simulated(market, clock))

    try:
        world.loop.run_until_done(process.run(held(), promise.__name__), STEPS)
    finally:
        world.loop.close()
    assert world.broken is None
