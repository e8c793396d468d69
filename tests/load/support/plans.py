"""Plans and measurements of load tests, as a test wants them."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from cli.load.fleet.processes import ProcessFleet
from cli.load.generator.generator import Assignment, Generator
from cli.load.generator.tally import Outcome, Snapshot, Starts, Tally
from cli.load.generator.visit import Person
from cli.load.measurement import Measurement, measure
from cli.load.plan import Options, Plan, plan_of
from cli.load.preparation import Prepared
from cli.load.scenarios import SCENARIOS

TICKETS = tuple(f"{number:024x}" for number in range(10))
OPTIONS = Options(
    scenario="browse", target="http://127.0.0.1:8000", rate=300.0, users=None, steps="", arrivals="poisson", think="1s",
    ramp="0s", duration="1s", stop_if="", generators=1, connections=32, buyers=4, tickets=None, seed=1,
)  # fmt: skip


def options(**changes: object) -> Options:
    return replace(OPTIONS, **changes)  # type: ignore[arg-type]


def plan(**changes: object) -> Plan:
    return plan_of(options(**changes))


def prepared() -> Prepared:
    people = [Person(f"{number:024d}") for number in range(4)]
    return Prepared(people[0], people, TICKETS)


def assignments(wanted: Plan) -> list[Assignment]:
    """What each generator has to do, with people and tickets that nobody signed up or listed."""
    scenario, number = SCENARIOS[wanted.scenario], wanted.generators
    return [
        Assignment(
            wanted.scenario, wanted.target, wanted.model, prepared().stock(scenario, index, number),
            wanted.connections // number, index, number,
        )
        for index in range(number)
    ]  # fmt: skip


def measured(port: int, **changes: object) -> Measurement:
    """What generators in processes of their own measure at the port."""
    wanted = plan(target=f"http://127.0.0.1:{port}", **changes)
    fleet = ProcessFleet(assignments(wanted))
    try:
        return measure(wanted, fleet, lambda _: None)
    finally:
        fleet.close()


async def generated(port: int, **changes: object) -> Measurement:
    """What generators in this very loop measure at the port: without the seconds that a process takes to start."""
    wanted = plan(target=f"http://127.0.0.1:{port}", **changes)
    found = Measurement(wanted, "this process")
    began_at = time.time()
    await asyncio.gather(*(Generator(each, found.add).run(began_at) for each in assignments(wanted)))
    return found


def snapshot(milliseconds: Mapping[str, list[float]], *, generator: int = 0, **changes: object) -> Snapshot:
    """What a generator tells of its first second, in which requests took so long, by operation."""
    tally = Tally()
    for operation, values in milliseconds.items():
        cell = tally.cell(0, operation)
        for value in values:
            cell.corrected.record(value / 1_000)
            cell.uncorrected.record(value / 1_000)
            cell.outcomes[Outcome.MADE, ""] += 1
    cells, _ = tally.take()
    count = sum(map(len, milliseconds.values()))
    told = Snapshot(generator, 0, cells, {0: Starts(asked=count, started=count)}, (), 0, 0.1)
    return replace(told, **changes)  # type: ignore[arg-type]
