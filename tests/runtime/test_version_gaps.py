"""A version that the journal lost, as by two faults at an election, is noticed: nothing is decided on top of it."""

from collections.abc import Collection

import pytest

from actors.domain.ticket_commands import ReadTicket
from actors.domain.ticket_events import TicketUpdated
from actors.runtime import replay
from actors.runtime.ports import Commit
from actors.storage.journal import MongoJournal
from actors.storage.ledger_reader import reconcile
from tests.simulation.contracts.examples import commit, recorded
from tests.support.examples import DETAILS
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, as_it_is, asked, listed


async def after_a_gap(market: LocalMarket) -> str:
    """A ticket whose third version is in the journal and whose second is not."""
    ticket_id, other = await listed(market, 2)
    await market.connections.journal.append(commit("lost", 1, recorded(3, entity=f"ticket:{ticket_id}")))
    assert await violated(market) == {("the journal has every version", f"ticket:{ticket_id}")}
    assert (await as_it_is(market, other)).version == 1
    return ticket_id


async def violated(market: LocalMarket) -> set[tuple[str, str]]:
    own = market.connections
    report = await reconcile(own.database, market.stripe, own.clock, pause_seconds=0)
    return {(one.rule, one.id) for one in report.violations}


async def test_a_ticket_without_one_of_its_versions_is_left_alone_and_the_others_go_on(market: LocalMarket) -> None:
    ticket_id = await after_a_gap(market)
    later = market.start_tickets()
    (other,) = await listed(market)
    answers = await market.ask_host(later, [a_hold(ticket_id), a_hold(other), ReadTicket(ticket_id)])
    assert [type(answer).__name__ for answer in answers] == ["Unavailable", "TicketAnswer", "Unavailable"]
    assert await market.connections.journal.existing_keys([f"ticket:{ticket_id}:2"]) == set()


async def test_a_host_without_the_gap_check_decides_on_top_of_a_gap(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "LOOK_AHEAD", 1)
    ticket_id = await after_a_gap(market)
    later = market.start_tickets()
    await asked(market, later, a_hold(ticket_id))
    assert await market.connections.journal.existing_keys([f"ticket:{ticket_id}:2"]) != set()


class CommitsMeanwhile(MongoJournal):
    """Two versions are committed while the keys are looked up: the later one is found and the one before is not."""

    meanwhile: list[Commit]

    async def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        found = await super().commits_with_keys(keys)
        while self.meanwhile:
            one = self.meanwhile.pop(0)
            await self.append(one)
            if not self.meanwhile:
                found.append(one)
        return found


async def test_a_version_that_came_while_others_were_read_is_no_gap(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    entity = f"ticket:{ticket_id}"
    reading = CommitsMeanwhile(market.connections.database)
    reading.meanwhile = [
        commit("other", version, recorded(version, TicketUpdated(DETAILS), entity=entity)) for version in (2, 3)
    ]
    loaded = await replay.load(market.tickets.host._entity, reading, [ticket_id])
    assert loaded.unreadable == set()
    ticket = loaded.states[ticket_id]
    assert ticket is not None
    assert ticket.version == 3
