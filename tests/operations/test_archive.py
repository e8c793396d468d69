"""`holdfast archive`: what ended long ago says less in the journal, and can still never happen again."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pytest
from structlog.testing import capture_logs

from actors.domain.answers import PaymentAnswer
from actors.domain.codec import archive_of, event_name
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import RequestMismatch
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import EditTicket, ReadTicket, Reserve
from actors.domain.ticket_values import TicketDetails
from actors.events.published import was_published
from actors.runtime.ports import Commit, FencedError
from actors.storage.archive import Archive
from actors.storage.archive_files import archived_commits
from actors.storage.backup_files import documents_in
from actors.storage.journal import MongoJournal
from actors.storage.ledger_reader import reconcile
from actors.storage.rebuild import Rebuild
from cli.journal import tail
from tests.operations.archiving import DAY_MS, archived, everything_in, files_in, stubs, withdrawn
from tests.operations.test_rebuild import ALL, raw
from tests.support.buying import DECLINED, VISA, an_order, charge_of
from tests.support.command_line import run
from tests.support.examples import DETAILS
from tests.support.local_market import LocalMarket
from tests.support.refunding import PENDING_REFUND, a_failed_refund, a_sale, is_given_back, refund_of
from tests.support.trading import a_ticket, as_it_is, asked, expect, held, listed


async def test_what_ended_moves_into_files_and_documents_are_still_made_of_it_byte_for_byte(
    tmp_path: Path, market: LocalMarket
) -> None:
    database = market.connections.database
    for _ in range(3):
        await a_sale(market)
    await withdrawn(market)
    open_order = await an_order(market)
    journal = await everything_in(database)
    done = await archived(market, tmp_path / "archive")
    moved = await stubs(database)
    assert done.commits == len(moved) > 0
    assert done.kept == len(journal) - len(moved) > 0
    assert done.bytes_after < done.bytes_before / 2
    assert sum(len(bson.encode(one)) for one in moved.values()) == done.bytes_after
    kept = {one: commit for one, commit in (await everything_in(database)).items() if one not in moved}
    assert kept.items() <= journal.items()
    assert f"order:{open_order.id}" in {key for commit in kept.values() for key in commit["keys"]}
    for name, commit in moved.items():
        assert (commit["keys"], commit["at"]) == (journal[name]["keys"], journal[name]["at"])
    files = [bson.decode(one) for path in files_in(tmp_path / "archive") for one in documents_in(path)]
    assert {one["_id"]: one for one in files} == {name: journal[name] for name in moved}
    before = await raw(database)
    for collection in ALL:
        await database[collection].delete_many({})
    url = str(market.settings.mongodb_url)
    for words in ((), ("--archive", "elsewhere")):
        refused = await asyncio.to_thread(run, tmp_path, "rebuild", *words, MONGODB_URL=url, DATA_DIR="nowhere")
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "name the folder of the archive with --archive" in refused.stderr
    rebuilt = await asyncio.to_thread(run, tmp_path, "rebuild", "--archive", "archive", MONGODB_URL=url)
    assert rebuilt.returncode == 0, rebuilt.stderr + rebuilt.stdout
    assert await raw(database) == before
    assert (await archived(market, tmp_path / "archive")).commits == 0


async def test_what_happened_once_can_not_happen_again_after_its_commit_was_archived(
    tmp_path: Path, market: LocalMarket
) -> None:
    own = market.connections
    paid = await an_order(market)
    await market.pay(Pay(paid.id, VISA, "a client's key"))
    edited = await withdrawn(market, edit_id="an edit")
    assert (await archived(market, tmp_path)).commits
    for commit in [one.keys for one in await own.journal.commits_with_keys([f"order:{paid.id}"])]:
        for key in commit:
            with pytest.raises(FencedError):
                await own.journal.append(Commit("another", 1, 1, (key,), ()))
    # Another host, which remembers nothing.
    market.tickets = market.start_tickets()
    (ticket_id,) = await listed(market)
    again = Reserve(ticket_id, paid.id, paid.buyer_id, 1_000)
    for redelivered in (False, True):
        answer = await asked(market, market.tickets, again, redelivered=redelivered)
        assert isinstance(answer, RequestMismatch)
        answer = await asked(market, market.tickets, replace(again, ticket_id=paid.ticket_id), redelivered=redelivered)
        assert not expect(TicketAnswer, answer).fresh
    ticket = await as_it_is(market, ticket_id)
    repeat = EditTicket(ticket_id, ticket.seller_id, replace(DETAILS, price=7_000), "an edit")
    await market.ask_ticket(repeat)
    assert (await as_it_is(market, ticket_id)).details == DETAILS
    order = await an_order(market)
    assert isinstance(await market.pay(Pay(order.id, VISA, "a client's key")), RequestMismatch)
    assert isinstance(await market.ask_ticket(ReadTicket(edited)), TicketAnswer)


async def test_an_archived_purchase_is_shown_verified_and_refunded_as_before(
    tmp_path: Path, market: LocalMarket
) -> None:
    own = market.connections
    order = await a_sale(market)
    before = await as_it_is(market, order.ticket_id)
    history = await MongoJournal(own.database).history(f"ticket:{order.ticket_id}")
    charge = await charge_of(market, order)
    assert (await archived(market, tmp_path)).commits
    market.tickets = market.start_tickets()
    assert await as_it_is(market, order.ticket_id) == before
    left = await MongoJournal(own.database).history(f"ticket:{order.ticket_id}")
    assert [(one.version, one.at, event_name(one.event)) for one in left] == [
        (one.version, one.at, event_name(one.event)) for one in history
    ]
    (file,) = {archive_of(one.event) for one in left}
    assert [path.name for path in files_in(tmp_path)] == [f"{file}.bson.gz"]
    assert not (await reconcile(own.database, market.stripe, own.clock, pause_seconds=0)).violations
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, VISA))).charge.id == charge.id
    await market.refund(refund_of(order))
    await is_given_back(market, order)
    records = await MongoJournal(own.database).history(f"charge:{charge.id}")
    assert [was_published(one) for one in records if archive_of(one.event)].count(True) == 3
    assert await MongoJournal(own.database).with_gaps() == set()
    await market.writes_everything()
    documents = await raw(own.database)
    await Rebuild(own.database, await archived_commits(own.database, tmp_path)).run()
    assert await raw(own.database) == documents


async def test_an_archived_sale_that_is_refunded_during_a_rebuild_is_rebuilt_as_it_is_then(
    tmp_path: Path, market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = market.connections.database
    order = await a_sale(market)
    await archived(market, tmp_path)
    real_fold, right = Rebuild._folded, {}

    async def fold_and_then_refund(self: Rebuild, first: int, on_progress: Any) -> Any:  # noqa: ANN401 - as there
        fold = await real_fold(self, first, on_progress)
        await market.refund(refund_of(order))
        await market.writes_everything()
        right.update(await raw(database))
        await database["orders"].update_one({"_id": order.id}, {"$set": {"version": 99}})
        return fold

    monkeypatch.setattr(Rebuild, "_folded", fold_and_then_refund)
    done = await Rebuild(database, await archived_commits(database, tmp_path)).run()
    assert done.left_out == set()
    assert await raw(database) == right


async def test_readers_of_old_events_are_told_that_some_are_archived(tmp_path: Path, market: LocalMarket) -> None:
    own, entity = market.connections, f"ticket:{await withdrawn(market)}"
    lines: list[str] = []
    async with tail._history(market.settings, own.clock.now() - DAY_MS, lines.append):
        assert lines == []
    assert len(await own.history.versions(entity, 0, 100)) == 5
    await archived(market, tmp_path)
    async with tail._history(market.settings, own.clock.now() - DAY_MS, lines.append):
        assert ["archived" in line for line in lines] == [True]
    with capture_logs() as logs:
        assert await own.history.versions(entity, 0, 100) == []
    assert [line["entity"] for line in logs if line["event"] == "events_archived"] == [entity]


async def _available(market: LocalMarket) -> None:
    await listed(market)


async def _held(market: LocalMarket) -> None:
    await held(market, (await listed(market))[0])


async def _declined(market: LocalMarket) -> None:
    order = await an_order(market)
    await market.pay(Pay(order.id, DECLINED))


async def _sold_for_an_event_to_come(market: LocalMarket) -> None:
    start = market.connections.clock.now() + 2 * DAY_MS
    creation = a_ticket(TicketDetails("Opera", 5_000, "usd", starts_at=start))
    await market.ask_ticket(creation)
    hold = await held(market, creation.ticket_id)
    await market.pay(Pay(hold.order_id, VISA))


async def _refund_on_its_way(market: LocalMarket) -> None:
    await market.refund(refund_of(await a_sale(market, PENDING_REFUND)))


async def _failed_refund(market: LocalMarket) -> None:
    await a_failed_refund(market)


@pytest.mark.parametrize(
    "happens", [_available, _held, _declined, _sold_for_an_event_to_come, _refund_on_its_way, _failed_refund]
)
async def test_what_has_not_ended_keeps_its_ticket_in_the_journal(
    tmp_path: Path,
    market: LocalMarket,
    happens: Any,  # noqa: ANN401 - one of the above
) -> None:
    await happens(market)
    await archived(market, tmp_path)
    kinds = {
        key.partition(":")[0]
        for commit in (await stubs(market.connections.database)).values()
        for key in commit["keys"]
    }
    assert "ticket" not in kinds
    assert "charge" not in kinds or happens in {_declined, _sold_for_an_event_to_come}


async def test_what_a_document_or_the_stream_does_not_have_yet_stays_in_the_journal(
    tmp_path: Path, market: LocalMarket
) -> None:
    own = market.connections
    await withdrawn(market)
    (ticket_id,) = [one["_id"] async for one in own.database["tickets"].find()]
    await own.database["tickets"].update_one({"_id": ticket_id}, {"$set": {"version": 1}})
    assert (await archived(market, tmp_path)).commits == 1
    await own.database["tickets"].delete_one({"_id": ticket_id})
    assert (await archived(market, tmp_path)).commits == 0
    await Rebuild(own.database, await archived_commits(own.database, tmp_path)).run()
    relayed = {"_id": market.tickets.host.writer}
    await own.database["cursors"].update_one(relayed, {"$set": {"published": 2}})
    await Archive(own.database, tmp_path, own.clock.now() + DAY_MS).run()
    assert len(await stubs(own.database)) == 2
