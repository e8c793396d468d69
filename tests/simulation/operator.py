"""Who changes the members of a simulated market, as the commands of `holdfast` do."""

import contextlib
from dataclasses import replace

from actors.cluster import names
from actors.cluster.membership import KINDS, resized
from actors.domain.membership import Hosts
from actors.runtime.ports import HostUnreachableError, StoreUnavailableError
from actors.supervision.scaling import OutdatedError, Scaling
from tests.simulation.actors import SimulatedActorDirectory
from tests.simulation.loop import Process
from tests.simulation.market import SimulatedMarket

# How many actors of a kind there are at most.
MOST_ACTORS = 4


class Operator:
    """Changes something in a process of its own each time, which may die like any other."""

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market
        self._world = market.world

    def begin_a_change(self) -> None:
        """Have more or fewer actors, or pin a ticket or two; what does not succeed is left."""
        process = self._world.loop.process("operator")
        process.run(self._change(process), "change")

    async def _change(self, process: Process) -> None:
        own = self._market.connect(self._world, process)
        directory = SimulatedActorDirectory(self._world, self._market.ray)
        scaling = Scaling(own.members, own.journal, own.clock, self._world.new_id, by="operator")
        with contextlib.suppress(OutdatedError, StoreUnavailableError, HostUnreachableError):
            await own.clock.refresh()
            known = await own.members.fresh()
            hosts = self._other(known.membership.hosts)
            self._world.note("changes the members to", hosts)
            await scaling.change(known, hosts, "as it pleases", directory.start)

    def _other(self, hosts: Hosts) -> Hosts:
        random = self._world.random
        known = list(self._market.tables.documents["tickets"])
        if known and self._market.settings.ticket_placement == "shared" and random.random() < 0.3:
            return replace(hosts, pinned=tuple(random.sample(known, random.randint(0, min(2, len(known))))))
        kind = names.TICKETS if random.random() < 0.6 else random.choice(KINDS)
        return resized(hosts, {kind: random.randint(1, MOST_ACTORS)})
