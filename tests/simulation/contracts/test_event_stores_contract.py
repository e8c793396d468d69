"""What the event stream goes by in the database: positions, its state, and who committed or changed when."""

from dataclasses import replace

import pytest

from actors.runtime.ports import Checkpoint
from actors.storage.event_stream import StreamState
from tests.simulation.contracts.examples import commit, numbered, recorded
from tests.simulation.contracts.parts import Parts
from tests.support.examples import NOW, new_id

STATE = StreamState("market-1", "a" * 40, ("0-0", "5-1"), NOW)


async def test_position_of_a_durable_is_kept_for_each_partition(parts: Parts) -> None:
    assert await parts.positions.load("reader") is None
    await parts.positions.save("reader", {})
    assert await parts.positions.load("reader") == {}
    await parts.positions.save("reader", {3: 100, 15: 200})
    await parts.positions.save("reader", {3: 150})
    assert await parts.positions.load("reader") == {3: 150, 15: 200}
    assert await parts.positions.load("another") is None


async def test_state_of_the_streams_replaces_the_one_before(parts: Parts) -> None:
    assert await parts.states.load() is None
    await parts.states.save(STATE)
    later = replace(STATE, epoch="market-2", last_ids=("7-0", "8-0"), looked_at=NOW + 1)
    await parts.states.save(later)
    assert await parts.states.load() == later


async def test_first_state_of_the_streams_is_kept_unless_there_is_one(parts: Parts) -> None:
    named = StreamState("market", run_id="", last_ids=(), looked_at=NOW)
    assert await parts.states.save_the_first(named) == named
    assert await parts.states.save_the_first(replace(named, epoch="other")) == named
    await parts.states.save(STATE)
    assert await parts.states.save_the_first(named) == STATE
    assert await parts.states.load() == STATE


@pytest.mark.parametrize(("since", "expected"), [(0, {1, 2}), (250, {1}), (400, {1}), (401, set())])
async def test_users_who_changed_since_an_instant_are_found(parts: Parts, since: int, expected: set[int]) -> None:
    await parts.add_user(numbered(1), 100)
    await parts.add_user(numbered(2), 200)
    await parts.ban(numbered(1), 400)
    found = [user_id async for user_id in parts.users.changed_since(since)]
    assert sorted(found) == sorted(numbered(one) for one in expected)


async def test_writers_since_an_instant_are_found_also_those_that_ended(parts: Parts) -> None:
    for number, name in enumerate(("old", "running", "ended"), start=1):
        await parts.checkpoints.save(Checkpoint(name, "tickets-0", applied=number, published=0, at=100 * number))
    await parts.checkpoints.remove("ended")
    assert await parts.checkpoints.writers_since(200) == {"running": 2, "ended": 3}


async def test_journal_says_when_a_commit_was_made(parts: Parts) -> None:
    entity = f"ticket:{new_id()}"
    await parts.journal.append(replace(commit("writer", 1, recorded(1, entity=entity)), at=NOW + 7))
    assert await parts.journal.committed_at("writer", 1) == NOW + 7
    assert await parts.journal.committed_at("writer", 2) is None


async def test_history_of_an_entity_begins_behind_a_version_and_has_so_many(parts: Parts) -> None:
    entity, other = f"ticket:{new_id()}", f"ticket:{new_id()}"
    await parts.journal.append(commit("writer", 1, recorded(1, entity=entity), recorded(1, entity=other)))
    await parts.journal.append(commit("writer", 2, *(recorded(one, entity=entity) for one in (2, 3, 4))))
    assert [record.version for record in await parts.journal.history(entity, 1, 2)] == [2, 3]
    assert [record.version for record in await parts.journal.history(entity)] == [1, 2, 3, 4]
    assert {record.entity for record in await parts.journal.history(entity)} == {entity}
