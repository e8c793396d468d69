"""Who sees to it that things go wrong: kills and stops processes, takes servers away, starts second copies."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from actors.cluster import names
from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger_entry import Change
from holdfast.events import reading
from tests.simulation.faults import PRIMARIES_APART
from tests.simulation.loop import Process
from tests.simulation.market import SimulatedMarket
from tests.simulation.operator import Operator
from tests.simulation.redis_streams import NOTHING
from tests.simulation.server import Server

STOPPED = (0.5, 60.0)
BLIND = (2.0, 60.0)
AWAY = (0.5, 20.0)
ELECTION = (0.5, 12.0)
# How old what Redis comes back with is, how long that takes, and how far apart the clocks of two servers are.
LAG = (0.01, 30.0)
DUMP = (2.0, 10.0)
FAILOVER = (0.01, 5.0)
REDISES_APART = 30.0


class Nemesis:
    """Works until it is told to stop."""

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market
        self._world = market.world
        self.lapsed: Callable[[str], None] = lambda _: None
        self._operator = Operator(market)

    async def run(self) -> None:
        """Every kind of fault by itself, for as long as the world is not calm."""
        faults = self._world.faults
        if faults.stripe:
            each = faults.stripe
            plan = FaultPlan(
                lost_answer=each, delay=each, conflict=each, rate_limit=each, server_error=each, connection_reset=each,
                duplicate_webhook=each, reorder_webhook=each, delay_seconds=12.0,
            )  # fmt: skip
            await self._market.ledger.set_faults(plan)
        every: dict[float, list[Callable[[], Awaitable[None]]]] = {}
        for seconds, deed in (
            (faults.kill_every, self._kill),
            (faults.stop_every, self._stop),
            (faults.database_away_every, lambda: self._take_away(self._market.databases[self._some_partition()])),
            (faults.redis_away_every, lambda: self._take_away(self._market.redis)),
            (faults.smtp_away_every, lambda: self._take_away(self._market.smtp)),
            (faults.second_copy_every, self._copy),
            (faults.lapse_every, self._lapse),
            (faults.election_every, self._elect),
            (faults.redis_lost_every, self._lose_redis),
            (faults.set_back_every, self._set_back),
            (faults.trim_every, self._trim),
            (faults.member_every, self._disturb_member),
            (faults.change_every, self._change_members),
            (faults.blind_every, self._blind),
        ):
            if seconds:
                every.setdefault(seconds, []).append(deed)
        await asyncio.gather(*(self._again(seconds, deed) for seconds, deeds in every.items() for deed in deeds))

    async def end(self) -> None:
        """Puts everything right again."""
        self._world.calm_down()
        await self._market.ledger.set_faults(None)
        for server in (*self._market.databases, self._market.redis, self._market.smtp):
            server.is_away = False
        self._market.ray.end_zombies()
        self._market.blind_until.clear()
        for process in (*self._processes(), *self._members()):
            process.go_on()

    async def _again(self, seconds: float, deed: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._world.random.expovariate(1 / seconds))
            if self._world.is_calm:
                return
            await deed()

    def _processes(self) -> list[Process]:
        actors = [slot.newest.process for slot in self._market.ray.slots.values() if slot.newest is not None]
        return actors + [api.process for api in self._market.apis]

    def _members(self) -> list[Process]:
        return [member.process for member in self._market.members]

    async def _kill(self) -> None:
        self._world.count("kill")
        self._world.kill(self._world.random.choice(self._processes()))

    async def _stop(self) -> None:
        self._world.count("stop")
        await self._stop_for_a_while(self._world.random.choice(self._processes()))

    async def _stop_for_a_while(self, process: Process) -> None:
        self._world.note("stops", process.name)
        process.stop()
        await asyncio.sleep(self._world.seconds(*STOPPED))
        self._world.note("goes on", process.name)
        process.go_on()

    async def _take_away(self, server: Server) -> None:
        self._world.count(f"{server.name}_away")
        self._world.note("is away", server.name)
        server.is_away = True
        await asyncio.sleep(self._world.seconds(*AWAY))
        server.is_away = False
        self._world.note("is back", server.name)

    def _some_partition(self) -> int:
        partitions = len(self._market.partitions)
        return self._world.random.randrange(partitions) if partitions > 1 else 0

    async def _elect(self) -> None:
        """Another primary, with another clock; meanwhile nothing is answered."""
        number = self._some_partition()
        server, tables = self._market.databases[number], self._market.partitions[number].tables
        self._world.count("election")
        self._market.primary_is_ahead = PRIMARIES_APART * (self._world.random.random() - 0.5)
        # What no majority has is on the new primary up to some place, and nowhere after it.
        tables.elect(self._world.random.randint(0, len(tables.unconfirmed)))
        self._world.note("elects", f"a primary {self._market.primary_is_ahead:+.3f} s ahead")
        server.is_away = True
        await asyncio.sleep(self._world.seconds(*ELECTION))
        server.is_away = False

    async def _copy(self) -> None:
        """A second live copy of a host."""
        slots = [slot for slot in self._market.ray.slots.values() if names.kind_of(slot.name) != names.SUPERVISOR]
        slot = self._world.random.choice(slots)
        self._world.count("second_copy")
        self._world.note("gets a second copy", slot.name)
        self._market.ray.second_copy(slot)

    async def _lose_redis(self) -> None:
        """Emptied, killed without saving, or replaced by a replica that lags, with a clock of its own."""
        market, world = self._market, self._world
        world.count("redis_lost")
        kind = world.random.choice(("is emptied", "begins empty", "is set back", "is another server"))
        put_back = market.redis_data.flushall
        if kind in {"is set back", "is another server"}:
            put_back = market.redis_data.snapshot()
            await asyncio.sleep(world.seconds(*LAG))
        world.note(kind, "redis")
        put_back()
        if kind == "is emptied":
            return
        market.redis_data.run_id = world.new_id()
        if kind == "is another server":
            market.redis_is_ahead = REDISES_APART * (2 * world.random.random() - 1)
        market.redis.is_away = True
        await asyncio.sleep(world.seconds(*FAILOVER))
        market.redis.is_away = False

    async def _set_back(self) -> None:
        """As by somebody who puts a dump back without starting Redis again."""
        put_back = self._market.redis_data.snapshot()
        await asyncio.sleep(self._world.seconds(*DUMP))
        self._world.count("set_back")
        self._world.note("is put back", "redis")
        put_back()

    async def _trim(self) -> None:
        """A stream loses its beginning, also what a group has not read.

        A group that has read nothing of a stream begins with what is there then.
        """
        durables = self._market.event_rules.durables
        streams = [
            (name, stream)
            for name, stream in self._market.redis_data.streams.items()
            if stream.ids and all(group in stream.groups and stream.groups[group].last > NOTHING for group in durables)
        ]
        if streams:
            name, stream = self._world.random.choice(streams)
            newest = stream.last
            await asyncio.sleep(2 * reading._CAUGHT_UP_SECONDS)
            old = stream.between(NOTHING, newest)
            self._world.count("trim")
            self._world.note("is trimmed", name)
            stream.trim(self._world.random.randint(0, len(old)))

    async def _disturb_member(self) -> None:
        process = self._world.random.choice(self._members())
        self._world.count("member")
        if self._world.random.random() < 0.5:
            self._world.kill(process)
        else:
            await self._stop_for_a_while(process)

    async def _change_members(self) -> None:
        self._world.count("change")
        self._operator.begin_a_change()

    async def _blind(self) -> None:
        """Some processes cannot read the membership, and several at a time: a caller and its host, for instance."""
        random = self._world.random
        self._world.count("blind")
        blind = [process.name for process in self._processes() if random.random() < 0.5]
        until = self._world.loop.time() + self._world.seconds(*BLIND)
        self._market.blind_until.update(dict.fromkeys(blind, until))
        self._world.note("cannot read the membership", ", ".join(sorted(blind)))

    async def _lapse(self) -> None:
        """Money that was set aside is no longer to be had, as after seven days."""
        held = [one for one in self._market.ledger.all_intents if one.status == "requires_capture"]
        if held:
            intent = self._world.random.choice(held)
            self._world.count("lapse")
            self._world.note("lapses", intent.id)
            self.lapsed(intent.id)
            lapsed = replace(intent, status="canceled", canceled_at=int(self._world.now)).next_version()
            await self._market.ledger.append(Change(self._world.now, lapsed))
