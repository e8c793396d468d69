"""What operators see of a market that runs, and of one in which something hangs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from pydantic import TypeAdapter

from actors.cluster import names
from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.running_market import ray_of
from cli.status.collector import Collector
from cli.status.document import Status
from config.settings import Settings
from tests.cluster.conftest import People
from tests.support.eventually import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PATIENCE_SECONDS = 60.0
LONGEST_ANSWER_BYTES = 1024 * 1024


@pytest.fixture
async def collector(market: RunningMarket) -> AsyncIterator[Collector]:
    """Asks the market, once everything in it answers."""
    mongodb_url = market.environment.get("MONGODB_URL")
    settings = Settings(data_dir=market.folder, http_port=market.port, mongodb_url=mongodb_url)
    collector = Collector(settings, ray_of(settings))
    await until_all_answer(collector)
    yield collector
    await collector.close()


async def until_all_answer(collector: Collector) -> Status:
    found: list[Status] = []

    async def all_answer() -> bool:
        found.append(await collector.collect())
        return not found[-1]["problems"]

    await eventually(all_answer, PATIENCE_SECONDS)
    return found[-1]


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        if process.is_running():
            process.send_signal(signal.SIGCONT)


def holdfast_status(market: RunningMarket) -> subprocess.CompletedProcess[bytes]:
    command = [str(HOLDFAST), "status", "--json"]
    return subprocess.run(command, env=market.environment, cwd=market.folder, capture_output=True, check=False)


async def test_status_shows_each_actor_of_a_market_that_works(
    market: RunningMarket, people: People, collector: Collector
) -> None:
    (before,) = [actor for actor in (await collector.collect())["actors"] if actor["name"] == "tickets-0"]
    ticket = await people().lists()
    assert (await people().reserves(ticket["id"])).status_code == 201
    done = await asyncio.to_thread(holdfast_status, market)
    status = TypeAdapter(Status).validate_json(done.stdout, strict=True)
    assert (status["problems"], done.returncode) == ([], 0)
    actors = {actor["name"]: actor for actor in status["actors"]}
    assert actors.keys() == {"orders-0", "payments-0", "supervisor", "tickets-0"}
    tickets = actors["tickets-0"]
    assert tickets["writer"] is not None
    assert tickets["writer"].startswith("tickets-0-")
    assert (tickets["holds"] or 0) - (before["holds"] or 0) == 1
    assert (tickets["entities"] or 0) > (before["entities"] or 0)
    assert tickets["mailboxDepth"] == 0
    assert tickets["counters"].keys() >= {"messages", "turns", "commits", "events"}
    assert {actor["node"] for actor in status["actors"]} == {node["id"] for node in status["nodes"]}
    assert [replica["name"].split("#")[:2] for replica in status["replicas"]] == [["holdfast", "Api"]]
    assert "monitor_actors" in {duty["name"] for duty in status["duties"]}
    assert [group["group"] for group in status["groups"] or ()] == ["receipts"]


async def test_no_answer_waits_until_a_class_is_imported(market: RunningMarket, tmp_path: Path) -> None:
    """What this machine takes to load does not count as time in which Ray or an actor does not answer."""
    settings = Settings(data_dir=market.folder, http_port=market.port)
    place = ray_of(settings)
    with (tmp_path / "imports").open("w+") as imports:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "importtime", "-m", "cli.status.ray_program", place.address),
            names.namespace(settings),
            env={**os.environ, **place.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=imports,
            limit=LONGEST_ANSWER_BYTES,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        assert [await program.stdout.readline() for _ in range(2)] == [b"imported\n", b"connected\n"]
        before = os.fstat(imports.fileno()).st_size
        program.stdin.write(b"%g\n" % PATIENCE_SECONDS)
        answer = json.loads(await program.stdout.readline())
        program.stdin.close()
        await program.wait()
        imports.seek(before)
        late = [line for line in imports if line.rpartition("|")[2].strip().startswith(("actors.", "ray.serve."))]
    assert {actor["state"] for actor in answer["actors"]} == {"answers"}
    assert before > 0
    assert late == []


async def test_status_says_which_actor_is_stopped(market: RunningMarket, collector: Collector) -> None:
    (actor,) = market.actors("PaymentActor")
    with stopped(actor):
        status = await collector.collect()
    assert status["problems"] == [
        f"actor payments-0 does not answer (process {actor.pid} of node {status['nodes'][0]['id'][:8]})"
    ]


@pytest.mark.own_database
async def test_status_answers_while_the_database_is_stopped(market: RunningMarket, collector: Collector) -> None:
    with stopped(market.database):
        began = time.monotonic()
        status = await collector.collect()
        assert time.monotonic() - began < 3.0
    assert [line.partition(":")[0] for line in status["problems"]] == ["database is away"]
    assert json.dumps(status).count("answers") >= 5
