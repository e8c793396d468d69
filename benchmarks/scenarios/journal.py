"""The journal by itself: how many commits and events a second one primary takes, without a market around it."""

import asyncio
import multiprocessing
import time
from statistics import median
from typing import Any

from bson import ObjectId

from actors.storage.database import connect, create_indexes, database_of
from actors.storage.journal import MongoJournal
from benchmarks.bench import Bench, Outcome
from benchmarks.load.result import percentile
from benchmarks.support import databases
from benchmarks.support.journal_writer import Job, Written, write

SIZES = (1, 8, 64, 500)
WRITERS = (1, 2, 4)
# With its keys claimed first, as if the journal were in several databases: what that costs one of them.
CLAIMED = ((64, 1), (500, 1), (64, 4))
SECONDS = 4.0
# Until every writer is connected.
LEAD_SECONDS = 0.5


def run(bench: Bench) -> Outcome:
    """In each round every size of a commit by every number of writers, on one server that starts empty."""
    outcome = Outcome(
        "journal", "commits of reservations as a TicketActor inserts them; CPU for each commit", judge="its own look"
    )
    cases = [(events, writers, False) for events in SIZES for writers in WRITERS]
    cases += [(events, writers, True) for events, writers in CLAIMED]
    bench.expect(bench.plan.rounds * len(cases))
    seconds = 0.3 if bench.plan.quick else SECONDS
    with databases.running_beside(bench.plan.database) as server, _pool() as pool:
        asyncio.run(_prepare(server.url))
        pool.map(write, [_job(server, 1, 0.1)] * max(WRITERS), chunksize=1)  # everything is imported
        for number in range(1, bench.plan.rounds + 1):
            for events, writers, claims in cases:
                bench.step(f"{events} events a commit, {writers} writers")
                jobs = [_job(server, events, seconds, claims=claims) for _ in range(writers)]
                cpu = databases.cpu_seconds(server)
                before = asyncio.run(_length(server.url))
                written = pool.map(write, jobs, chunksize=1)
                figures = _figures(written, databases.cpu_seconds(server) - cpu)
                _check(outcome, written, asyncio.run(_length(server.url)) - before)
                case = {"events_a_commit": events, "writers": writers, "claims": "first" if claims else "none"}
                outcome.rows.append({**case, "round": number, **figures})
    outcome.verified = not outcome.wrong
    outcome.summary = [_median(outcome.rows, *case) for case in cases]
    return outcome


def _pool() -> Any:  # noqa: ANN401 - multiprocessing's own class has no public name
    return multiprocessing.get_context("spawn").Pool(max(WRITERS))


def _job(server: databases.Server, events: int, seconds: float, *, claims: bool = False) -> Job:
    return Job(server.url, f"tickets-0-{ObjectId()}", events, time.time() + LEAD_SECONDS, seconds, claims)


async def _prepare(url: str) -> None:
    async with connect(url) as client:
        await create_indexes(database_of(client))


async def _length(url: str) -> int:
    async with connect(url) as client:
        return await MongoJournal(database_of(client)).length()


def _figures(written: list[Written], database_cpu: float) -> dict[str, float]:
    elapsed = max(one.elapsed for one in written)
    commits, events = sum(one.commits for one in written), sum(one.events for one in written)
    took = [seconds * 1_000 for one in written for seconds in one.took]
    return {
        "commits_per_second": commits / elapsed,
        "events_per_second": events / elapsed,
        "p50_ms": percentile(took, 0.5),
        "p99_ms": percentile(took, 0.99),
        "database_cpu_ms": database_cpu * 1_000 / max(commits, 1),
        "writer_cpu_ms": sum(one.cpu for one in written) * 1_000 / max(commits, 1),
    }


def _check(outcome: Outcome, written: list[Written], grown: int) -> None:
    """As many commits as were acknowledged, and each writer's look at its own."""
    for one in written:
        outcome.wrong.extend(one.wrong)
    if (acknowledged := sum(one.commits for one in written)) != grown:
        outcome.wrong.append(f"{acknowledged} commits were acknowledged, and the journal grew by {grown}")


def _median(rows: list[dict[str, Any]], events: int, writers: int, claims: bool) -> dict[str, Any]:  # noqa: FBT001 - a case
    case = {"events_a_commit": events, "writers": writers, "claims": "first" if claims else "none"}
    found = [row for row in rows if case.items() <= row.items()]
    names = [name for name in found[0] if name not in case and name != "round"]
    return {**case, **{name: median(row[name] for row in found) for name in names}}
