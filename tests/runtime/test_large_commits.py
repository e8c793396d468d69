"""What many people write at once fits the documents of the database, and what does not is nobody else's trouble."""

import asyncio
import itertools
from dataclasses import fields, replace
from typing import Any

import bson
import pytest

from actors.domain.refusals import Unavailable
from actors.domain.ticket import TicketAnswer, evolve
from actors.domain.ticket_commands import CreateTicket, ReadTicket
from actors.domain.ticket_events import OrderExpired, TicketCreated, TicketUpdated
from actors.domain.ticket_values import TicketDetails
from actors.read_model.projections import ticket_document
from actors.runtime.host import Limits
from actors.runtime.ports import Checkpoint, Commit, CommitTooLargeError, RecordedEvent
from actors.runtime.replay import recover
from actors.storage import journal as journals
from actors.storage.documents import LARGEST
from actors.storage.journal import LARGEST_COMMIT, MongoJournal, _document
from serve_app.schemas.tickets import TicketBody
from tests.simulation.contracts.examples import an_order, commit, recorded
from tests.support.broken_journals import Away
from tests.support.eventually import eventually
from tests.support.examples import DETAILS
from tests.support.fake_mongod import FakeMongod, speaking_to
from tests.support.local_market import LocalMarket
from tests.support.trading import a_ticket, expect

WIDE = "\U00020000"  # four bytes in UTF-8
ID = "f" * 24
LAST_INSTANT = 253_402_300_799_999


def largest_details() -> TicketDetails:
    """As much as anybody can say of a ticket: each text as long as its schema allows, of the widest characters."""
    properties: dict[str, Any] = TicketBody.model_json_schema()["properties"]
    said: dict[str, Any] = {}
    for name, field in TicketBody.model_fields.items():
        schema = properties[field.alias or name]
        text = WIDE * schema["maxLength"] if "maxLength" in schema else "x" * 64
        said[name] = LAST_INSTANT if name == "starts_at" else 99_999_999 if "rice" in name else text
    known = {field.name for field in fields(TicketDetails)}
    return TicketDetails(**{name: value for name, value in said.items() if name in known})


def test_the_largest_turn_that_people_can_cause_fits_one_commit() -> None:
    """Each of its messages ends a hold and replaces the longest text by another."""
    details = largest_details()
    order = replace(an_order(), title=details.title)
    events = (OrderExpired(order), TicketUpdated(details, ID))
    records = tuple(
        RecordedEvent(f"ticket:{place:024x}", version, LAST_INSTANT, event, f"tickets-0-{ID}:{0:012}")
        for place in range(Limits().turn)
        for version, event in enumerate(events, start=100_000)
    )
    keys = [key for record in records for key in (record.key, f"order:{record.entity}", f"edit:{record.entity}")]
    size = len(bson.encode(_document(Commit(f"tickets-0-{ID}", 1, LAST_INSTANT, tuple(keys), records))))
    assert LARGEST_COMMIT / 2 < size < LARGEST_COMMIT


def test_the_largest_documents_fit_the_statement_that_replaces_a_hundred() -> None:
    """A script without spaces makes the most words of a text."""
    characters = map(chr, itertools.cycle(range(ord(WIDE), ord(WIDE) + 40_000)))
    texts: dict[str, Any] = {
        name: "".join(itertools.islice(characters, len(text)))
        for name, text in ((field.name, getattr(largest_details(), field.name)) for field in fields(TicketDetails))
        if isinstance(text, str) and text.startswith(WIDE)
    }
    ticket = evolve(None, TicketCreated(ID, replace(largest_details(), **texts)), LAST_INSTANT, ID)
    assert LARGEST * len(bson.encode(ticket_document(ticket))) < LARGEST_COMMIT / 2


async def test_a_turn_that_does_not_fit_is_split_and_everybody_is_answered(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "LARGEST_COMMIT", 10_000)
    commands = [a_ticket(replace(DETAILS, description="x" * 1_500)) for _ in range(40)]
    answers = await market.ask_host(market.tickets, commands)
    assert [expect(TicketAnswer, answer).ticket.id for answer in answers] == [one.ticket_id for one in commands]
    counters = market.tickets.host.counters
    assert 40 / 6 <= counters.commits < 40
    monkeypatch.setattr(journals, "LARGEST_COMMIT", LARGEST_COMMIT)
    before = counters.commits
    await market.ask_host(market.tickets, [a_ticket() for _ in range(1_000)])
    assert counters.commits - before < 20


async def test_a_message_that_fits_no_commit_fails_by_itself(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "LARGEST_COMMIT", 10_000)
    commands: list[CreateTicket] = [a_ticket() for _ in range(20)]
    commands[7] = a_ticket(replace(DETAILS, description="x" * 20_000))
    answers = await market.ask_host(market.tickets, commands)
    assert [place for place, answer in enumerate(answers) if isinstance(answer, Unavailable)] == [7]
    (there,) = await market.ask_host(market.tickets, [ReadTicket(commands[8].ticket_id)])
    assert expect(TicketAnswer, there).ticket.id == commands[8].ticket_id


async def test_a_host_takes_messages_again_after_an_outage_that_ended_with_a_commit_too_large(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "LARGEST_COMMIT", 10_000)
    market.connections.journal = journal = Away(market.connections.database)
    host = market.start_tickets()
    journal.away = True
    large = asyncio.create_task(market.ask_host(host, [a_ticket(replace(DETAILS, description="x" * 20_000))]))
    await eventually(lambda: journal.tries == 1)
    journal.away = False
    assert await large == [Unavailable()]
    (listed,) = await market.ask_host(host, [a_ticket()])
    assert isinstance(listed, TicketAnswer)


@pytest.mark.parametrize("answer", [{"ok": 0.0, "code": 10334, "errmsg": "BSONObjectTooLarge"}])
async def test_a_commit_that_the_server_finds_too_large_is_not_retried_for_ever(answer: dict[str, Any]) -> None:
    async with speaking_to(FakeMongod(insert=answer)) as database:
        with pytest.raises(CommitTooLargeError):
            await MongoJournal(database).append(commit("a", 1, recorded(1)))


async def test_a_server_with_a_smaller_limit_is_not_sent_more() -> None:
    async with speaking_to(FakeMongod(hello={"maxBsonObjectSize": 100})) as database:
        with pytest.raises(CommitTooLargeError):
            await MongoJournal(database).append(commit("a", 1, *(recorded(version) for version in range(1, 400))))


async def test_large_commits_are_read_back_a_few_at_a_time_and_none_is_left_out(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = market.connections.journal
    commits = [commit("large", seq, recorded(seq)) for seq in range(1, 8)]
    size = 0
    for one in commits:
        size = await journal.append(one)
    monkeypatch.setattr(journals, "PAGE_BYTES", 2 * size)
    assert await journal.after("large", 0, 100) == commits[:2]
    assert await journal.after("large", 2, 1) == commits[2:3]
    monkeypatch.setattr(journals, "PAGE_BYTES", 1)
    assert await journal.after("large", 3, 100) == commits[3:4]
    carried = await recover(
        market.tickets.host._entity, journal, market.connections.documents,
        market.tickets.commit_relay._publisher, Checkpoint("large", "tickets-0", 0, 0, 0),
    )  # fmt: skip
    assert (carried.applied, carried.published) == (7, 7)
