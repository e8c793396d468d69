"""`holdfast status`: what it says of each part that is away, within three seconds. With Ray: test_outages.py."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from socket import socket

import pytest
from bson import ObjectId
from pydantic import SecretStr, TypeAdapter
from rich.console import Console

from actors.storage.database import connect, database_of
from cli.running_market import NotRunningError, RayAddress, ray_of
from cli.status import tables
from cli.status.collector import Collector
from cli.status.document import ActorStatus, GroupLag, Status
from cli.status.problems import problems_of
from config.ports import free_port
from config.settings import Settings
from tests.support.command_line import run, spawn

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
NOBODY = f"127.0.0.1:{free_port()}"
# As long as an answer may take, without the time that this machine needs to load programs.
IN_TIME_SECONDS = 3.0


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of somebody who lets everybody in and says nothing, as a stopped process does."""
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield "{}:{}".format(*listening.getsockname())


async def status_of(settings: Settings, ray: str = NOBODY) -> Status:
    collector = Collector(settings, RayAddress(ray, {}))
    try:
        async with asyncio.timeout(IN_TIME_SECONDS):
            return await collector.collect()
    finally:
        await collector.close()


@pytest.fixture
def settings(mongodb_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """The settings of a market whose database has nothing in it."""
    own = mongodb_url.replace("/holdfast", f"/status{ObjectId()}")
    return Settings(mongodb_url=own, redis_url=redis_url, data_dir=tmp_path)


async def test_status_says_that_database_redis_and_sandbox_answer_and_ray_is_away(settings: Settings) -> None:
    status = await status_of(settings)
    states = {name: server["state"] for name, server in status["servers"].items()}
    assert states == {"database": "up", "redis": "up", "stripe": "up", "ray": "away"}
    assert status["problems"] == [f"ray is away: nothing answers at {NOBODY}"]
    assert status["unsettledPurchases"] == {"orders": 0, "oldestSeconds": 0.0}
    measured = {name: server["answerSeconds"] for name, server in status["servers"].items()}
    assert measured["database"] is not None
    assert measured["redis"] is not None
    assert 0 < measured["redis"] < IN_TIME_SECONDS
    assert (measured["stripe"], measured["ray"]) == (None, None)


async def test_status_answers_in_time_when_database_redis_stripe_and_ray_hang(settings: Settings) -> None:
    with silent_server() as silent:
        hanging = settings.model_copy(
            update={
                "mongodb_url": f"mongodb://market:hunter2@{silent}/holdfast",
                "redis_url": f"redis://:hunter2@{silent}/0",
                "stripe_key": SecretStr("sk_test_hunter2"),
                "stripe_api_base": f"http://{silent}",
            }
        )
        status = await status_of(hanging, ray=silent)
    assert {server["state"] for server in status["servers"].values()} == {"away"}
    assert [line.partition(" ")[0] for line in status["problems"]] == ["database", "redis", "stripe", "ray"]
    assert (status["groups"], status["unsettledPurchases"], status["actors"]) == (None, None, [])
    assert "hunter2" not in json.dumps(status)


async def test_status_answers_in_time_when_nobody_listens(settings: Settings) -> None:
    absent = settings.model_copy(
        update={"mongodb_url": f"mongodb://{NOBODY}/holdfast", "redis_url": f"redis://{NOBODY}/0"}
    )
    status = await status_of(absent)
    assert [line.partition(" ")[0] for line in status["problems"]] == ["database", "redis", "ray"]


async def test_status_counts_the_purchases_that_wait_for_money_and_says_how_old_the_oldest_is(
    settings: Settings,
) -> None:
    async with connect(str(settings.mongodb_url)) as client:
        for since in (1, 2):
            await database_of(client)["orders"].insert_one({"unsettled_since": since})
    waiting = (await status_of(settings))["unsettledPurchases"]
    assert waiting is not None
    assert waiting["orders"] == 2
    assert waiting["oldestSeconds"] > 1e9


def test_status_command_prints_a_document_of_the_described_shape_and_exits_with_1_when_ray_is_away(
    mongodb_url: str, redis_url: str, tmp_path: Path
) -> None:
    done = spawn(tmp_path, "status", "--json", "--address", NOBODY, MONGODB_URL=mongodb_url, REDIS_URL=redis_url)
    assert done.returncode == 1
    assert done.stderr == ""
    status = TypeAdapter(Status).validate_json(done.stdout, strict=True)
    assert status["servers"]["database"]["state"] == "up"
    assert [line.partition(" ")[0] for line in status["problems"]] == ["ray"]


def test_status_command_shows_people_what_is_away_in_the_last_line(
    mongodb_url: str, redis_url: str, tmp_path: Path
) -> None:
    done: subprocess.CompletedProcess[str] = run(
        tmp_path, "status", "--address", NOBODY, MONGODB_URL=mongodb_url, REDIS_URL=redis_url
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == f"ray is away: nothing answers at {NOBODY}"


def test_ray_is_found_by_option_by_data_dir_and_on_a_node_of_a_cluster(tmp_path: Path) -> None:
    alone = Settings(data_dir=tmp_path)
    with pytest.raises(NotRunningError, match="holdfast up"):
        ray_of(alone)
    on_a_node = Settings(data_dir=tmp_path, mongodb_url="mongodb://database/holdfast")
    assert ray_of(on_a_node) == RayAddress("auto", {})
    (tmp_path / "ray.address").write_text("127.0.0.1:1\n")
    beside = ray_of(alone)
    assert beside.address == "127.0.0.1:1"
    assert beside.environment["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "ray.token")
    assert ray_of(alone, "10.0.0.1:6379") == RayAddress("10.0.0.1:6379", {})


def an_actor(name: str, **changes: object) -> ActorStatus:
    found = {
        "name": name, "kind": name.partition("-")[0], "state": "answers", "node": "a" * 56, "pid": 7, "writer": "w",
        "upSince": "2026-11-28T20:00:00.000Z", "restarts": 0, "mailboxDepth": 0, "oldestWaitSeconds": 0.0,
        "busyShare": 0.5, "entities": 1, "holds": 2, "unapplied": 3, "unpublished": 4, "commitSeconds": 0.1,
        "counters": {"turns": 10, "messages": 20, "commits": 5, "events": 6},
    }  # fmt: skip
    return TypeAdapter(ActorStatus).validate_python({**found, **changes})


def a_status(*actors: ActorStatus) -> Status:
    """A market in which everything answers, with these actors."""
    up = {"state": "up", "detail": "answered in 1 ms", "answerSeconds": 0.001}
    return TypeAdapter(Status).validate_python(
        {
            "at": "2026-11-28T20:00:01.000Z",
            "problems": [],
            "servers": dict.fromkeys(("database", "redis", "stripe", "ray"), up),
            "nodes": [{"id": "a" * 56, "address": "10.0.0.1", "name": "one"}],
            "actors": list(actors),
            "replicas": [
                {"name": "holdfast#Api#x", "state": "answers", "node": "a" * 56, "pid": 8, "restarts": 0}
            ],
            "duties": [],
            "groups": [
                {"group": "receipts", "members": [], "pending": 1, "ageSeconds": 2.0, "deadLetters": 0}
            ],
            "unsettledPurchases": {"orders": 0, "oldestSeconds": 0.0},
        }
    )  # fmt: skip


WHOLE = [an_actor(name) for name in ("orders-0", "payments-0", "supervisor", "tickets-0")]


def test_a_market_in_which_everything_answers_has_no_problem() -> None:
    assert list(problems_of(a_status(*WHOLE))) == []


def test_silent_starting_and_missing_actors_are_problems() -> None:
    silent, starting = an_actor("tickets-0", state="silent"), an_actor("tickets-1", state="starting")
    assert list(problems_of(a_status(silent, starting, *WHOLE[1:3]))) == [
        "no actor of the kind orders runs",
        "actor tickets-0 does not answer (process 7 of node aaaaaaaa)",
        "actor tickets-1 starts",
    ]


def test_tables_show_what_nobody_knows_as_a_question_mark() -> None:
    unknown = an_actor("tickets-0", state="silent", mailboxDepth=None, unapplied=None, unpublished=None, upSince=None)
    console = Console(width=140, record=True, file=StringIO())
    console.print(tables.actors(a_status(unknown)))
    row = next(line for line in console.export_text().splitlines() if "tickets-0" in line)
    assert row.count("?") == 3
    assert "7 silent" in row


def test_each_field_of_the_document_is_described() -> None:
    section = OPERATIONS.read_text().partition("## The market as it is now")[2].partition("\n## ")[0]
    described = set(re.findall(r"`(\w+)`", section))
    shape = TypeAdapter(Status).json_schema()
    named = {*shape["properties"], *(name for part in shape["$defs"].values() for name in part["properties"])}
    # Those of the groups are described where they are shown.
    assert named - described == set(GroupLag.__annotations__)
