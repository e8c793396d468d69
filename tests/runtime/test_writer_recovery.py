"""What is known of writers that ended: nothing once all of their commits are relayed, and of the dead for a day."""

import asyncio
from dataclasses import replace

import pytest

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ReadTicket
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.ports import Checkpoint
from actors.supervision.recovery import DAY_MS, LOOK_AGAIN_MS
from tests.support.buying import Ahead
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket
from tests.support.trading import asked, expect, listed


async def writers(market: LocalMarket) -> set[str]:
    return {checkpoint.writer for checkpoint in await market.connections.checkpoints.all()}


async def test_a_writer_that_relayed_everything_leaves_no_checkpoint(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    running = market.tickets
    await eventually(lambda: running.commit_relay.is_finished)
    await running.commit_relay.leave()
    assert running.host.writer not in await writers(market)
    await running.kill()
    expect(TicketAnswer, await asked(market, market.start_tickets(), ReadTicket(ticket_id)))


async def test_a_writer_is_not_finished_before_its_checkpoint_covers_its_commits(market: LocalMarket) -> None:
    running = market.tickets
    await eventually(lambda: running.commit_relay.is_finished)
    await listed(market)
    assert not running.commit_relay.is_finished


async def test_recovery_keeps_the_checkpoint_of_a_dead_writer_for_a_day(market: LocalMarket) -> None:
    own, recovery = market.connections, market.recovery()
    dead = Checkpoint("tickets-0-dead", "tickets-0", 0, 0, own.clock.now())
    await own.checkpoints.save(dead)
    for later, is_known in ((0, True), (DAY_MS - 1_000, True), (DAY_MS + LOOK_AGAIN_MS, False)):
        recovery._clock = Ahead(own.clock, later)
        await recovery.round(market.live, set())
        assert (dead.writer in await writers(market)) is is_known


async def test_recovery_applies_the_commits_of_a_writer_however_long_ago_it_died(market: LocalMarket) -> None:
    own = market.connections
    running = market.tickets
    await eventually(lambda: running.commit_relay.is_finished)
    running.jobs[1].cancel()
    (ticket_id,) = await listed(market)
    await running.kill()
    (left,) = [checkpoint for checkpoint in await own.checkpoints.all() if checkpoint.writer == running.host.writer]
    recovery = market.recovery()
    recovery._clock = Ahead(own.clock, 30 * DAY_MS)
    await recovery.round({}, set())
    assert ticket_id in await own.queries.tickets([ticket_id])
    (now,) = [checkpoint for checkpoint in await own.checkpoints.all() if checkpoint.writer == left.writer]
    assert (now.applied, now.published) == (1, 1)


async def test_an_idle_writer_saves_its_checkpoint_every_hour(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = market.connections
    monkeypatch.setattr("actors.runtime.commit_relay.CHECKPOINT_AT_LEAST_MS", 0)
    monkeypatch.setattr("actors.runtime.commit_relay.CHECKPOINT_SECONDS", 0.01)
    commit_relay: CommitRelay = own.commit_relay(writer="tickets-0-idle", host="tickets-0")
    await commit_relay.register()

    async def said() -> Checkpoint:
        (checkpoint,) = [one for one in await own.checkpoints.all() if one.writer == "tickets-0-idle"]
        return checkpoint

    first = await said()
    running = asyncio.create_task(commit_relay.run())

    async def has_said_more() -> bool:
        return (await said()).at > first.at

    await eventually(has_said_more)
    running.cancel()
    assert replace(await said(), at=0) == replace(first, at=0)
