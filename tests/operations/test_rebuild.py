"""`holdfast rebuild`: documents are again what the journal says, whatever happened to them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import bson
import pytest

from actors.domain.purchase_commands import Pay
from actors.domain.ticket_commands import CancelOrder, EditTicket, JoinWaitingList, WithdrawTicket
from actors.read_model.projections import PROJECTIONS
from actors.storage.database import Database
from actors.storage.rebuild import Rebuild
from actors.storage.schema import UnusableDataError
from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.data import work
from tests.simulation.contracts.examples import commit, recorded
from tests.support.buying import DECLINED, VISA, an_order
from tests.support.command_line import run
from tests.support.eventually import eventually
from tests.support.examples import DETAILS, new_id
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, a_ticket, as_it_is, held, listed

ALL = tuple(PROJECTIONS)


async def raw(database: Database) -> dict[tuple[str, str], bytes]:
    """All documents that are derived of the journal, as bytes."""
    return {
        (collection, document["_id"]): bson.encode(document)
        for collection in ALL
        async for document in database[collection].find()
    }


async def after_trading(market: LocalMarket) -> dict[tuple[str, str], bytes]:
    """The documents after some of everything: tickets held, let go, waited for, edited, withdrawn and sold."""
    for method in (VISA, VISA, DECLINED):
        order = await an_order(market)
        await market.pay(Pay(order.id, method))
    await an_order(market)
    let_go, waited_for, edited, withdrawn, *_ = tickets = await listed(market, 40)
    hold = await held(market, let_go)
    await market.ask_ticket(CancelOrder(let_go, hold.order_id))
    await held(market, waited_for)
    await market.ask_ticket(JoinWaitingList(waited_for, new_id()))
    for command in (
        EditTicket(edited, await _seller(market, edited), DETAILS),
        WithdrawTicket(withdrawn, await _seller(market, withdrawn)),
    ):
        await market.ask_ticket(command)
    creation = a_ticket()
    # One turn: the document of a new ticket has its hold.
    await market.ask_host(market.tickets, [creation, a_hold(creation.ticket_id)])
    await asyncio.gather(*(held(market, ticket_id) for ticket_id in tickets[10:]))
    await market.writes_everything()
    return await raw(market.connections.database)


async def _seller(market: LocalMarket, ticket_id: str) -> str:
    return (await market.connections.queries.tickets([ticket_id]))[ticket_id].seller_id


async def rebuilt(folder: Path, market: LocalMarket, *words: str) -> dict[str, Any]:
    url = str(market.settings.mongodb_url)
    done = await asyncio.to_thread(run, folder, "rebuild", "--json", *words, MONGODB_URL=url)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


async def test_documents_that_are_lost_are_made_anew_byte_for_byte(tmp_path: Path, market: LocalMarket) -> None:
    before = await after_trading(market)
    assert {collection for collection, _ in before} == set(ALL)
    for collection in ALL:
        await market.connections.database[collection].delete_many({})
    result = await rebuilt(tmp_path, market)
    assert await raw(market.connections.database) == before
    written = {collection: counts["written"] for collection, counts in result["documents"].items()}
    assert sum(written.values()) == len(before)
    assert result["commitsPerSecond"] > 0


async def test_documents_that_are_right_are_left_alone(market: LocalMarket) -> None:
    before = await after_trading(market)
    done = await Rebuild(market.connections.database).run()
    assert (done.written.total(), done.removed.total(), done.left_out) == (0, 0, set())
    assert done.checked.total() == len(before)


async def test_a_market_that_does_not_fit_into_memory_is_rebuilt_in_parts(market: LocalMarket) -> None:
    before = await after_trading(market)
    for collection in ALL:
        await market.connections.database[collection].delete_many({})
    done = await Rebuild(market.connections.database, room=10).run()
    assert done.readings > 4
    assert await raw(market.connections.database) == before


DAMAGE = {
    "another content": {"$set": {"seller_id": "nobody"}},
    "an older version": {"$set": {"version": 0}},
    "no version": {"$unset": {"version": ""}},
    "no number as version": {"$set": {"version": "one"}},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
async def test_documents_that_are_damaged_are_mended(market: LocalMarket, damage: dict[str, Any]) -> None:
    before = await after_trading(market)
    database = market.connections.database
    for collection in ALL:
        assert (await database[collection].update_many({}, damage)).modified_count
    done = await Rebuild(database).run()
    assert await raw(database) == before
    assert done.written.total() == len(before)


async def test_documents_of_a_version_that_there_never_was_are_those_of_the_latest_again(market: LocalMarket) -> None:
    await after_trading(market)
    database = market.connections.database
    latest = {
        ticket.id: ticket for ticket in [await as_it_is(market, one["_id"]) async for one in database["tickets"].find()]
    }
    orders = {place: document for place, document in (await raw(database)).items() if place[0] == "orders"}
    for collection in ALL:
        await database[collection].update_many({}, {"$set": {"version": 1_000, "seller_id": "nobody"}})
    await Rebuild(database).run()
    assert await market.connections.queries.tickets(latest) == latest
    assert (await raw(database)).items() >= orders.items()
    assert (await Rebuild(database).run()).written.total() == 0


async def test_documents_that_the_journal_does_not_know_are_removed(market: LocalMarket) -> None:
    before = await after_trading(market)
    database = market.connections.database
    for collection in ALL:
        await database[collection].insert_one({"_id": new_id(), "version": 1})
    assert (await Rebuild(database).run()).removed == dict.fromkeys(ALL, 1)
    assert await raw(database) == before


async def test_a_document_of_a_newer_release_is_left_alone(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    tickets = market.connections.database["tickets"]
    await tickets.update_one({"_id": ticket_id}, {"$set": {"projection": 1_000, "by_tomorrow": 1}})
    await Rebuild(market.connections.database).run()
    assert (await tickets.find_one({"_id": ticket_id}) or {})["by_tomorrow"] == 1


async def test_people_buy_on_while_documents_are_rebuilt(market: LocalMarket) -> None:
    database = market.connections.database
    tickets = await listed(market, 60)
    rebuild = asyncio.create_task(Rebuild(database, room=20).run())
    orders = []
    for ticket_id in tickets:
        hold = await held(market, ticket_id)
        orders.append(hold.order_id)
        await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    assert (await rebuild).left_out == set()
    await market.writes_everything()
    stored = await market.connections.queries.orders(orders)
    assert {stored[order_id].status.value for order_id in orders} == {"cancelled"}
    live = await raw(database)
    await Rebuild(database).run()
    assert await raw(database) == live


async def test_a_ticket_that_lacks_a_version_is_named_and_left_as_it_is(tmp_path: Path, market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    await market.connections.journal.append(commit("lost", 1, recorded(3, entity=f"ticket:{ticket_id}")))
    before = await raw(market.connections.database)
    done = await asyncio.to_thread(run, tmp_path, "rebuild", MONGODB_URL=str(market.settings.mongodb_url))
    assert done.returncode == 1
    assert f"ticket:{ticket_id} was left as it is" in done.stdout
    assert await raw(market.connections.database) == before


async def test_a_rebuild_that_was_killed_is_begun_again(tmp_path: Path, market: LocalMarket) -> None:
    before = await after_trading(market)
    database = market.connections.database
    for collection in ALL:
        await database[collection].delete_many({})
    environment = {**RunningMarket(tmp_path).environment, "MONGODB_URL": str(market.settings.mongodb_url)}
    killed = await asyncio.create_subprocess_exec(HOLDFAST, "rebuild", env=environment, cwd=tmp_path)
    await eventually(lambda: _has_documents(database), seconds=30)
    killed.kill()
    await killed.wait()
    await rebuilt(tmp_path, market)
    assert await raw(database) == before


async def _has_documents(database: Database) -> bool:
    return await database["charges"].count_documents({}) > 0


async def test_without_a_journal_no_document_is_removed(market: LocalMarket) -> None:
    await listed(market)
    database = market.connections.database
    before = await raw(database)
    await database["journal"].delete_many({})
    with pytest.raises(UnusableDataError, match="the journal is empty"):
        await work.rebuild(market.settings, None, lambda *_: None)
    assert await raw(database) == before
