"""`holdfast events`: how the groups of the event stream stand, and what becomes of their dead letters."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from cli.up.embedded_servers import Server
from holdfast.events import connect, dead_letters
from holdfast.events.event import Event
from tests.events.support.publisher import Publisher
from tests.events.support.reading import ids, next_message, take
from tests.support.command_line import run, spawn

GROUP = "seller-stats"
UNKNOWN = "there is no group nobody: `holdfast events groups` lists those that are there\n"
EVERY_COMMAND = [
    ("groups",),
    ("lag",),
    ("dead", "list", "--group", GROUP),
    ("dead", "show", "--group", GROUP, "1-0"),
    ("dead", "replay", "--group", GROUP, "1-0"),
    ("dead", "drop", "--group", GROUP, "--all"),
]


async def holdfast(folder: Path, server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(run, folder, "events", *words, REDIS_URL=server.url)


async def given_up(bus: Redis, publisher: Publisher, count: int) -> list[Event]:
    """Events that the group could not handle, each of its own ticket."""
    async with connect(redis=bus, client_id="one") as client:
        subscription = await client.subscribe(">", durable=GROUP)
        for number in range(count):
            await publisher.tell(f"ticket:{number}", "ticket.created")
            await (await next_message(subscription)).term("no such seller", error=LookupError())
    return [letter.event for letter in await dead_letters.list_dead_letters(bus, GROUP)]


async def letter_ids(bus: Redis) -> list[str]:
    return [letter.id for letter in await dead_letters.list_dead_letters(bus, GROUP)]


async def test_groups_are_shown_with_members_pending_age_and_dead_letters(
    tmp_path: Path, bus: Redis, bus_server: Server, publisher: Publisher
) -> None:
    await given_up(bus, publisher, 1)
    async with connect(redis=bus, client_id="two") as client:
        subscription = await client.subscribe(">", durable=GROUP, queue_group=GROUP)
        await publisher.tell("ticket:a", "ticket.created")
        await next_message(subscription)
        for_programs = await holdfast(tmp_path, bus_server, "groups", "--json")
        for_people = await holdfast(tmp_path, bus_server, "groups")
    (group,) = json.loads(for_programs.stdout)
    assert 0 < group.pop("ageSeconds") < 60
    assert group == {"group": GROUP, "members": ["two"], "pending": 1, "deadLetters": 1}
    assert [each in for_people.stdout for each in (GROUP, "two", "dead letters")] == [True] * 3


async def test_lag_is_the_age_of_the_oldest_event_that_is_not_acknowledged_and_can_be_bounded(
    tmp_path: Path, bus: Redis, bus_server: Server, publisher: Publisher
) -> None:
    async with connect(redis=bus, client_id="one") as client:
        await client.subscribe(">", durable="idle")
        subscription = await client.subscribe(">", durable=GROUP)
        await publisher.tell("ticket:a", "ticket.created")
        await next_message(subscription)
        await take(await client.subscribe(">", durable="done", deliver="all"), 1)
        done = await holdfast(tmp_path, bus_server, "lag", "--json")
        late = await holdfast(tmp_path, bus_server, "lag", "--group", GROUP, "--at-most", "0.001")
        in_time = await holdfast(tmp_path, bus_server, "lag", "--group", "done", "--at-most", "0.001")
    lags = json.loads(done.stdout)
    assert lags["done"] == 0 < lags[GROUP]
    assert late.returncode == 1
    assert late.stdout.split()[1:] == ["s", GROUP]
    assert (in_time.returncode, in_time.stdout.split()) == (0, ["0.0", "s", "done"])


async def test_dead_letters_are_listed_the_oldest_first_beyond_one_page(
    tmp_path: Path, bus: Redis, bus_server: Server, publisher: Publisher
) -> None:
    await given_up(bus, publisher, 1)
    first: Any = await bus.xrange(f"holdfast:dead:{GROUP}")
    for _ in range(150):
        await bus.xadd(f"holdfast:dead:{GROUP}", first[0][1])
    stored: Any = await bus.xrange(f"holdfast:dead:{GROUP}")
    lines = (await holdfast(tmp_path, bus_server, "dead", "list", "--group", GROUP)).stdout.splitlines()
    assert len(lines) == 151
    assert [line.split()[0] for line in lines] == [letter_id.decode() for letter_id, _ in stored]
    assert lines[0].split("  ")[1:] == ["ticket:0:1", "ticket.created", "1 delivery", "no such seller (LookupError)"]


async def test_a_dead_letter_is_shown_whole(
    tmp_path: Path, bus: Redis, bus_server: Server, publisher: Publisher
) -> None:
    (event,) = await given_up(bus, publisher, 1)
    (letter_id,) = await letter_ids(bus)
    done = await holdfast(tmp_path, bus_server, "dead", "show", "--group", GROUP, letter_id)
    assert json.loads(done.stdout) == {
        "id": letter_id,
        "reason": "no such seller",
        "deliveries": 1,
        "error": "LookupError",
        "event": event.structured(),
    }
    listed = await holdfast(tmp_path, bus_server, "dead", "list", "--group", GROUP, "--json")
    assert json.loads(listed.stdout) == json.loads(done.stdout)


async def test_named_dead_letters_are_dropped_and_an_unknown_one_is_reported(
    tmp_path: Path, bus: Redis, bus_server: Server, publisher: Publisher
) -> None:
    await given_up(bus, publisher, 3)
    first, second, third = await letter_ids(bus)
    done = await holdfast(tmp_path, bus_server, "dead", "drop", "--group", GROUP, first, "nonsense", third)
    assert (done.returncode, done.stdout) == (1, "2 dropped\n")
    assert done.stderr == f"group {GROUP} has no dead letter nonsense\n"
    assert await letter_ids(bus) == [second]


@pytest.mark.parametrize("is_every", [True, False])
async def test_dead_letters_are_delivered_to_their_group_again(
    tmp_path: Path, bus: Redis, bus_server: Server, publisher: Publisher, *, is_every: bool
) -> None:
    events = await given_up(bus, publisher, 2)
    words = ["--all"] if is_every else await letter_ids(bus)
    done = await holdfast(tmp_path, bus_server, "dead", "replay", "--group", GROUP, *words)
    assert (done.returncode, done.stdout) == (0, "2 to be delivered again\n")
    assert await letter_ids(bus) == []
    async with connect(redis=bus, client_id="two") as client:
        again = await take(await client.subscribe(">", durable=GROUP), 2)
    assert sorted(ids(again)) == sorted(event.id for event in events)


@pytest.mark.parametrize("words", [(), ("--all", "1-0")])
@pytest.mark.parametrize("command", ["replay", "drop"])
def test_ids_or_all_have_to_be_named(tmp_path: Path, command: str, words: tuple[str, ...]) -> None:
    done = run(tmp_path, "events", "dead", command, "--group", GROUP, *words)
    assert done.returncode == 2
    assert done.stderr == "name the ids of dead letters, or --all\n"


@pytest.mark.parametrize("group", ["nobody", "no body"])
async def test_an_unknown_group_is_reported_in_one_line(
    tmp_path: Path, bus: Redis, bus_server: Server, group: str
) -> None:
    assert await bus.dbsize() == 0
    for words in (("lag",), ("dead", "list"), ("dead", "show", "1-0"), ("dead", "drop", "--all")):
        done = await holdfast(tmp_path, bus_server, *words, "--group", group)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == UNKNOWN.replace("nobody", group)


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_without_a_market_a_command_says_how_to_start_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, "events", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "holdfast up" in done.stderr


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_a_redis_that_is_away_is_reported_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, "events", *words, REDIS_URL="redis://:hunter2@127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "set REDIS_URL" in done.stderr
    assert "hunter2" not in done.stderr


async def test_a_redis_that_refuses_its_password_is_reported_in_one_line(tmp_path: Path, bus_server: Server) -> None:
    url = f"redis://:hunter2@{bus_server.url.rpartition('@')[2]}"
    done = await asyncio.to_thread(spawn, tmp_path, "events", "groups", REDIS_URL=url)
    assert done.returncode == 1
    assert done.stderr == "Redis refuses us: REDIS_URL needs a user and password that may do this\n"
