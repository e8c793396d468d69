"""The generator: begins visits when the timetable says so (open model), or keeps so many users busy (closed model)."""

import asyncio
import random
import time
from asyncio import TaskGroup
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from cli.load.generator.connection import Connection, Target
from cli.load.generator.tally import Snapshot
from cli.load.generator.timetable import Arrival, Stage, arrivals, share, stage_at
from cli.load.generator.visit import Counts, Visit
from cli.load.scenarios import SCENARIOS
from cli.load.scenarios.stock import Stock

# A visit that begins later than this was late; people would not notice.
LATE_SECONDS = 0.01
# Visits that wait for a free connection. More are dropped, as an endless queue would tell of itself alone.
MOST_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Model:
    """How people arrive: so many a second by the stages (open), or so many users who come again and again (closed)."""

    stages: tuple[Stage, ...]
    seed: int
    users: int | None = None
    think_seconds: float = 0.0
    is_poisson: bool = True

    @property
    def seconds(self) -> float:
        """How long new visits begin."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def ramp_seconds(self) -> float:
        """How long the load grows before it counts."""
        return sum(stage.seconds for stage in self.stages if not stage.is_measured)


@dataclass(frozen=True, slots=True)
class Assignment:
    """All that one generator has to know. It has the n-th part of the timetable, `connections` of its own at most."""

    scenario: str
    target: Target
    model: Model
    stock: Stock
    connections: int
    index: int
    generators: int


class Generator:
    """One of those that share a timetable. It tells what it counted each second."""

    def __init__(self, assignment: Assignment, tell: Callable[[Snapshot], None]) -> None:
        self._assignment = assignment
        self._model = assignment.model
        self._tell = tell
        self._visit = SCENARIOS[assignment.scenario].visit
        self._counts = Counts()
        self._idle: list[Connection] = []
        self._open = 0
        self._waiting: deque[Arrival] = deque()
        self._in_flight = 0
        self._began = 0.0
        self._is_stopped = asyncio.Event()

    async def run(self, began_at: float) -> None:
        """Begin at this time of the wall clock, and return when the last visit is over."""
        self._began = time.perf_counter() + began_at - time.time()
        async with TaskGroup() as around:
            telling = around.create_task(self._tell_each_second())
            async with TaskGroup() as visits:
                if self._model.users is None:
                    await self._receive(visits)
                else:
                    for number in range(self._assignment.index, self._model.users, self._assignment.generators):
                        visits.create_task(self._use(number, self._model.users))
            telling.cancel()
        self._tell_of(int(self._now()), 0.0)
        for connection in self._idle:
            connection.close()

    def stop(self) -> None:
        """Begin no visit any more."""
        self._is_stopped.set()

    async def _receive(self, visits: TaskGroup) -> None:
        """Begin each visit of the timetable at its time, whatever became of the others."""
        timetable = arrivals(self._model.stages, self._model.seed, is_poisson=self._model.is_poisson)
        for arrival in share(timetable, self._assignment.index, self._assignment.generators):
            if await self._stopped_before(arrival.at):
                break
            starts = self._counts.tally.of_stage(arrival.stage)
            starts.asked += 1
            starts.lagging += self._now() - arrival.at > LATE_SECONDS
            if self._idle or self._open < self._assignment.connections:
                visits.create_task(self._serve(self._connection(), arrival))
            elif len(self._waiting) < MOST_WAITING:
                self._waiting.append(arrival)
            else:
                starts.dropped += 1
        await self._stopped_before(self._model.seconds)
        for arrival in self._waiting:
            self._counts.tally.of_stage(arrival.stage).dropped += 1
        self._waiting.clear()

    def _connection(self) -> Connection:
        """Return the connection that was used last: those beyond what is needed stay unused."""
        if self._idle:
            return self._idle.pop()
        self._open += 1
        return Connection(self._assignment.target)

    async def _serve(self, connection: Connection, arrival: Arrival) -> None:
        """Make this visit, and those that wait for a connection."""
        await self._make_visit(connection, arrival)
        while self._waiting:
            await self._make_visit(connection, self._waiting.popleft())
        self._idle.append(connection)

    async def _use(self, number: int, users: int) -> None:
        """Be one user: visit, think, and visit again. Users begin one after the other while the load ramps up."""
        stages, pauses = self._model.stages, random.Random(self._model.seed + number)  # noqa: S311 - no secret
        at = self._model.ramp_seconds * number / users
        connection = Connection(self._assignment.target)
        for visits_before in count():
            stage = stage_at(stages, at)
            if stage is None or await self._stopped_before(at):
                break
            starts = self._counts.tally.of_stage(stage)
            starts.asked += 1
            starts.lagging += self._now() - at > LATE_SECONDS
            await self._make_visit(connection, Arrival(number + visits_before * users, at, stage))
            think_seconds = self._model.think_seconds
            at = self._now() + (pauses.expovariate(1 / think_seconds) if think_seconds else 0.0)
        connection.close()

    async def _make_visit(self, connection: Connection, arrival: Arrival) -> None:
        starts = self._counts.tally.of_stage(arrival.stage)
        starts.started += 1
        starts.late += self._now() - arrival.at > LATE_SECONDS
        visit = Visit(connection, self._assignment.target, self._counts, arrival.stage, self._began + arrival.at)
        chance = random.Random(self._model.seed * 1_000_003 + arrival.number)  # noqa: S311 - no secret
        self._in_flight += 1
        try:
            await self._visit(visit, self._assignment.stock, chance)
        finally:
            self._in_flight -= 1

    def _now(self) -> float:
        return time.perf_counter() - self._began

    async def _stopped_before(self, at: float) -> bool:
        """Wait until this second of the load; return whether it was stopped. Others have their turn in any case."""
        delay = at - self._now()
        if delay <= 0:
            await asyncio.sleep(0)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._is_stopped.wait()
        return self._is_stopped.is_set()

    async def _tell_each_second(self) -> None:
        before, cpu_before = 0.0, time.process_time()
        for second in count(1):
            await asyncio.sleep(second - self._now())
            now, cpu = self._now(), time.process_time()
            self._tell_of(second - 1, (cpu - cpu_before) / (now - before))
            before, cpu_before = now, cpu

    def _tell_of(self, second: int, cpu_share: float) -> None:
        cells, starts = self._counts.tally.take()
        wrong = self._counts.take_wrong()
        self._tell(Snapshot(self._assignment.index, second, cells, starts, wrong, self._in_flight, cpu_share))
