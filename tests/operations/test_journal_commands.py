"""`holdfast journal`: what is committed is shown as it happens and for one entity, and lost versions are found."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from actors.domain.account_events import UserCreated
from actors.domain.charge_events import ChargeCreated, ChargeIntentCreated
from actors.domain.purchase_commands import Pay
from actors.domain.ticket_events import OrderCreated, TicketCreated, TicketUpdated
from actors.runtime.ports import RecordedEvent
from actors.storage.journal import HISTORY_BATCH
from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.up.embedded_servers import Server
from holdfast.events.event import rfc3339
from tests.events.support.publisher import Publisher
from tests.simulation.contracts.examples import a_charge, commit, recorded
from tests.simulation.contracts.examples import an_order as an_example_order
from tests.support.buying import VISA, an_order
from tests.support.command_line import run, spawn
from tests.support.eventually import eventually
from tests.support.examples import DETAILS, NOW, SELLER, TICKET, new_id
from tests.support.local_market import LocalMarket
from tests.support.trading import listed


async def holdfast(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(run, folder, "journal", *words, **settings)


async def shown(folder: Path, market: LocalMarket, entity_id: str) -> list[dict[str, object]]:
    done = await holdfast(folder, "show", "--json", entity_id, MONGODB_URL=str(market.settings.mongodb_url))
    assert done.returncode == 0, done.stderr
    events: list[dict[str, object]] = json.loads(done.stdout)
    return events


@asynccontextmanager
async def following(folder: Path, *words: str, **settings: str) -> AsyncIterator[asyncio.StreamReader]:
    """The output of a `tail` that runs, and is interrupted at the end as by Ctrl-C."""
    tail = await asyncio.create_subprocess_exec(
        HOLDFAST, "journal", "tail", *words,
        env={**RunningMarket(folder).environment, **settings}, cwd=folder, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert tail.stdout is not None
    try:
        yield tail.stdout
        tail.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(tail.wait(), 10) == 0
    finally:
        if tail.returncode is None:
            tail.kill()
            await tail.wait()


async def lines(output: asyncio.StreamReader, count: int) -> list[str]:
    async with asyncio.timeout(20):
        return [(await output.readline()).decode().rstrip("\n") for _ in range(count)]


async def test_tail_shows_time_entity_version_and_name_of_events_as_they_are_published(
    tmp_path: Path, bus_server: Server, publisher: Publisher
) -> None:
    await publisher.tell("ticket:before", "ticket.created")
    async with following(tmp_path, REDIS_URL=bus_server.url) as output:
        begun = asyncio.create_task(lines(output, 1))

        async def is_shown() -> bool:
            await publisher.tell("ticket:a", "ticket.updated")
            return begun.done()

        await eventually(is_shown, seconds=20)
        assert (await begun)[0].split()[1] == "ticket:a"
        (event,) = await publisher.tell("charge:b", "charge.created")
        while (line := (await lines(output, 1))[0]).split()[1] == "ticket:a":
            pass
    assert line.split() == [event.attributes()["time"], "charge:b", "1", "charge.created"]


async def test_tail_since_reads_from_the_journal_what_the_stream_does_not_have(
    tmp_path: Path, bus: Redis, bus_server: Server, market: LocalMarket
) -> None:
    (ticket_id,) = await listed(market)
    await eventually(lambda: _has_checkpoint(market))
    assert await bus.dbsize() == 0
    urls = {"REDIS_URL": bus_server.url, "MONGODB_URL": str(market.settings.mongodb_url)}
    async with following(tmp_path, "--since", "1h", "--json", **urls) as output:
        (line,) = await lines(output, 1)
    event = json.loads(line)
    assert (event["type"], event["id"]) == ("com.holdfast.ticket.created.v1", f"ticket:{ticket_id}:1")
    assert event["data"]["title"] == DETAILS.title


async def _has_checkpoint(market: LocalMarket) -> bool:
    return await market.connections.database["cursors"].count_documents({"applied": {"$gt": 0}}) > 0


@pytest.mark.parametrize("since", ["10x", "yesterday", "2026-11-28T12:00:00", "2999-01-01T00:00:00Z"])
def test_a_time_that_is_none_is_refused_in_one_line(tmp_path: Path, since: str) -> None:
    done = run(tmp_path, "journal", "tail", "--since", since)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert since in done.stderr


async def test_show_gives_all_events_of_a_ticket_an_order_and_a_charge(tmp_path: Path, market: LocalMarket) -> None:
    order = await an_order(market)
    await market.pay(Pay(order.id, VISA))
    of_ticket = await shown(tmp_path, market, order.ticket_id)
    names = [event["name"] for event in of_ticket]
    assert names == ["TicketCreated", "OrderCreated", "OrderAwaitingPayment", "OrderCompleted"]
    assert [event["version"] for event in of_ticket] == [1, 2, 3, 4]
    assert {event["writer"] for event in of_ticket} == {market.tickets.host.writer}
    for name in (order.id, f"order:{order.id}", f"ticket:{order.ticket_id}"):
        assert await shown(tmp_path, market, name) == of_ticket
    charge_id = await _charge_of(market, order.id)
    of_charge = await shown(tmp_path, market, charge_id)
    assert of_charge[0]["name"] == "ChargeCreated"
    assert "ChargeIntentCreated" in {event["name"] for event in of_charge}
    assert {event["entity"] for event in of_charge} == {f"charge:{charge_id}"}


async def test_show_gives_the_events_of_a_user_in_lines(tmp_path: Path, market: LocalMarket) -> None:
    user_id = new_id()
    event = RecordedEvent(f"user:{user_id}", 1, NOW, UserCreated(user_id))
    await market.connections.journal.append(commit("supervisor", 7, event))
    done = await holdfast(tmp_path, "show", user_id, MONGODB_URL=str(market.settings.mongodb_url))
    time, entity, version, name, commit_id, data = done.stdout.split()
    assert (time, entity, version, name) == (rfc3339(NOW), f"user:{user_id}", "1", "UserCreated")
    assert (commit_id, json.loads(data)) == ("supervisor:7", {"userId": user_id})


async def test_show_has_more_events_than_one_page_of_the_journal(tmp_path: Path, market: LocalMarket) -> None:
    ticket_id, versions = new_id(), range(1, 2 * HISTORY_BATCH + 2)
    events = [recorded(version, entity=f"ticket:{ticket_id}") for version in versions]
    await market.connections.journal.append(commit("one", 1, *events))
    assert [event["version"] for event in await shown(tmp_path, market, ticket_id)] == [*versions]


async def test_of_an_event_of_a_newer_release_its_name_alone_is_shown(tmp_path: Path, market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    newer = {"events.0.type": "TicketAuctioned", "events.0.data": {"bid": "key_secret"}}
    await market.connections.database["journal"].update_one({"keys": f"ticket:{ticket_id}:1"}, {"$set": newer})
    (event,) = await shown(tmp_path, market, ticket_id)
    assert (event["name"], event["version"], event["data"]) == ("TicketAuctioned", 1, {})


@pytest.mark.parametrize("options", [(), ("--json",)])
async def test_show_has_no_payment_method_and_no_idempotency_key(
    tmp_path: Path, market: LocalMarket, options: tuple[str, ...]
) -> None:
    charge = replace(a_charge(), payment_method="pm_secret", request="key_secret", tries=("secret_try",))
    order = replace(an_example_order(), request="key_secret", refund_by="secret_user")
    records = [
        recorded(1, TicketCreated(SELLER, DETAILS, request="key_secret")),
        recorded(2, TicketUpdated(DETAILS, edit_id="secret_edit")),
        recorded(3, OrderCreated(order)),
        recorded(1, ChargeCreated(charge), entity=f"charge:{charge.id}"),
        RecordedEvent(f"charge:{charge.id}", 2, NOW, ChargeIntentCreated(charge)),
    ]
    await market.connections.journal.append(commit("one", 1, *records))
    stored = await market.connections.database["journal"].find_one({})
    assert str(stored).count("secret") >= 5
    for entity, count in ((TICKET, 3), (charge.id, 2)):
        done = await holdfast(tmp_path, "show", *options, entity, MONGODB_URL=str(market.settings.mongodb_url))
        assert done.returncode == 0, done.stderr
        assert "secret" not in done.stdout
        assert done.stdout.count(f":{entity}") == count


async def test_check_finds_the_gaps_of_the_whole_journal(tmp_path: Path, market: LocalMarket) -> None:
    own = market.connections
    settings = {"MONGODB_URL": str(market.settings.mongodb_url)}
    ticket_id, _ = await listed(market, 2)
    whole = await holdfast(tmp_path, "check", **settings)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.endswith(" commits: no gaps\n")
    await own.journal.append(commit("lost", 1, recorded(3, entity=f"ticket:{ticket_id}")))
    with_gap = await holdfast(tmp_path, "check", **settings)
    assert with_gap.returncode == 1
    assert with_gap.stdout.splitlines()[0] == f"ticket:{ticket_id} lacks a version"
    for_programs = await holdfast(tmp_path, "check", "--json", **settings)
    assert for_programs.returncode == 1
    assert json.loads(for_programs.stdout)["gaps"] == [f"ticket:{ticket_id}"]


async def test_an_id_of_nothing_is_reported_in_one_line(tmp_path: Path, market: LocalMarket) -> None:
    url = str(market.settings.mongodb_url)
    done = await asyncio.to_thread(spawn, tmp_path, "journal", "show", "f" * 24, MONGODB_URL=url)
    assert done.returncode == 1
    assert done.stderr == f"the journal has no ticket, order, charge or user {'f' * 24}\n"


@pytest.mark.parametrize("words", [("tail",), ("show", "f" * 24), ("check",)], ids=" ".join)
def test_without_a_market_a_command_says_how_to_start_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, "journal", *words)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "holdfast up" in done.stderr


@pytest.mark.parametrize("words", [("tail", "--since", "1h"), ("show", "f" * 24), ("check",)], ids=" ".join)
def test_a_database_that_is_away_is_reported_in_one_line(
    tmp_path: Path, bus_server: Server, words: tuple[str, ...]
) -> None:
    done = run(
        tmp_path, "journal", *words, REDIS_URL=bus_server.url, MONGODB_URL="mongodb://u:hunter2@127.0.0.1:1/holdfast"
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "set MONGODB_URL" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_a_redis_that_is_away_is_reported_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "journal", "tail", REDIS_URL="redis://:hunter2@127.0.0.1:1/0")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "set REDIS_URL" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


async def _charge_of(market: LocalMarket, order_id: str) -> str:
    await market.writes_everything()
    found = await market.connections.database["charges"].find_one({"order_id": order_id})
    assert found is not None
    return str(found["_id"])
