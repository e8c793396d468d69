"""The journal: what is in it stays, and a key exists once."""

from dataclasses import replace

import pytest

from actors.domain.charge_events import ChargeCreated
from actors.domain.ticket_events import OrderCancelled, OrderCreated
from actors.runtime.ports import Commit, FencedError, Journal, commit_id
from tests.simulation.contracts.examples import ENTITY, a_charge, an_order, cancelled, commit, ordering, recorded
from tests.simulation.contracts.parts import Parts

ANOTHER = "ticket:another"


def placed(commits: list[Commit]) -> list[tuple[str, int]]:
    return sorted((one.writer, one.seq) for one in commits)


async def appended(journal: Journal, *commits: Commit) -> None:
    for one in commits:
        await journal.append(one)


async def test_a_commit_is_read_as_it_was_appended(parts: Parts) -> None:
    order = an_order()
    reserved = replace(recorded(2, OrderCreated(order)), previous_commit=commit_id("tickets-0-b", 7))
    events = (recorded(1), reserved, recorded(3, OrderCancelled(cancelled(order))))
    charge = recorded(1, ChargeCreated(a_charge()), entity="charge:1")
    written = commit("tickets-0-a", 1, *events, charge, claims=(f"order:{order.id}",))
    await parts.journal.append(written)
    assert await parts.journal.after("tickets-0-a", 0, 10) == [written]
    (found,) = await parts.journal.commits_with_keys([recorded(2).key])
    assert found == written
    assert {record.commit for record in found.records} == {written.id}


async def test_the_same_commit_again_is_ours(parts: Parts) -> None:
    written = commit("a", 1, recorded(1))
    await appended(parts.journal, written, written)
    assert await parts.journal.after("a", 0, 10) == [written]


async def test_a_key_that_another_writer_owns_fences(parts: Parts) -> None:
    await parts.journal.append(commit("a", 1, recorded(1)))
    with pytest.raises(FencedError):
        await parts.journal.append(commit("b", 1, recorded(1)))
    assert placed(await parts.journal.commits_with_keys([recorded(1).key])) == [("a", 1)]


async def test_a_key_that_the_writer_itself_took_in_another_commit_fences(parts: Parts) -> None:
    await parts.journal.append(commit("a", 1, recorded(1)))
    with pytest.raises(FencedError):
        await parts.journal.append(commit("a", 2, recorded(1)))


async def test_nothing_of_a_fenced_commit_is_written(parts: Parts) -> None:
    await parts.journal.append(commit("a", 1, recorded(2)))
    fenced = commit("b", 1, recorded(1), recorded(2), recorded(3), claims=("order:1",))
    with pytest.raises(FencedError):
        await parts.journal.append(fenced)
    assert await parts.journal.existing_keys(fenced.keys) == {recorded(2).key}
    assert await parts.journal.after("b", 0, 10) == []


async def test_a_commit_that_has_a_key_twice_is_refused_as_the_index_would_let_it_in(parts: Parts) -> None:
    for claims in (("order:1", "order:1"), (recorded(1).key,)):
        with pytest.raises(ValueError, match="a key twice"):
            await parts.journal.append(commit("a", 1, recorded(1), claims=claims))
    assert await parts.journal.after("a", 0, 10) == []


async def test_a_unique_key_fences_as_a_version_does(parts: Parts) -> None:
    await parts.journal.append(ordering("a", 1, 1, an_order()))
    with pytest.raises(FencedError):
        await parts.journal.append(ordering("b", 1, 2, an_order()))
    assert await parts.journal.existing_keys([recorded(2).key]) == set()


async def test_another_commit_in_the_same_place_counts_as_ours_and_is_not_written(parts: Parts) -> None:
    written = commit("a", 1, recorded(1))
    await appended(parts.journal, written, commit("a", 1, recorded(1, entity=ANOTHER)))
    assert await parts.journal.after("a", 0, 10) == [written]


async def test_the_owners_of_keys_are_found_each_once(parts: Parts) -> None:
    first, second = commit("a", 1, recorded(1), recorded(2)), commit("b", 1, recorded(3))
    await appended(parts.journal, first, second, commit("b", 2, recorded(4)))
    keys = {recorded(version).key for version in (1, 2, 3, 9)}
    found = await parts.journal.commits_with_keys(keys)
    assert placed(found) == [("a", 1), ("b", 1)]
    assert first in found
    assert await parts.journal.existing_keys(keys) == keys - {recorded(9).key}


async def test_without_keys_nothing_is_found(parts: Parts) -> None:
    await parts.journal.append(commit("a", 1, recorded(1)))
    assert await parts.journal.commits_with_keys([]) == []
    assert await parts.journal.existing_keys(set()) == set()


async def test_a_writers_later_commits_are_read_in_order_and_not_all_at_once(parts: Parts) -> None:
    commits = [commit("a", seq, recorded(seq)) for seq in range(1, 13)]
    await appended(parts.journal, *commits[6:], *commits[:6])
    assert await parts.journal.after("a", 0, 100) == commits
    assert await parts.journal.after("a", 8, 100) == commits[8:]
    assert await parts.journal.after("a", 8, 2) == commits[8:10]
    assert await parts.journal.after("a", 12, 100) == []
    assert await parts.journal.after("nobody", 0, 100) == []


async def test_as_many_numbers_are_looked_at_as_asked_for(parts: Parts) -> None:
    third = commit("a", 3, recorded(3))
    await parts.journal.append(third)
    assert await parts.journal.after("a", 0, 2) == []
    assert await parts.journal.after("a", 0, 3) == [third]


async def test_a_writer_whose_name_begins_alike_is_another(parts: Parts) -> None:
    names = ("tickets-1", "tickets-10", "tickets-1-a", "tickets", "tickets-1~")
    commits = [commit(name, 1, recorded(number)) for number, name in enumerate(names, start=1)]
    await appended(parts.journal, *commits)
    for name, written in zip(names, commits, strict=True):
        assert await parts.journal.after(name, 0, 10) == [written]


async def test_a_history_is_that_of_one_entity_in_the_order_of_its_versions(parts: Parts) -> None:
    others = recorded(1, entity=ANOTHER), recorded(2, entity=ANOTHER)
    commits = (
        commit("a", 1, recorded(1), others[0], recorded(2), recorded(3)),
        commit("b", 7, recorded(6), recorded(7), others[1], recorded(8)),
        commit("a", 2, recorded(4), recorded(5)),
    )
    await appended(parts.journal, *commits)
    assert await parts.journal.history(ENTITY) == [recorded(version) for version in range(1, 9)]
    assert await parts.journal.history(ANOTHER) == list(others)
    assert await parts.journal.history("ticket:unknown") == []


async def test_long_history_is_read_page_by_page(parts: Parts) -> None:
    records = [replace(recorded(version), at=version) for version in range(1, 451)]
    others = [recorded(version, entity=ANOTHER) for version in range(1, 11)]
    await appended(parts.journal, commit("a", 1, *others, *records[:203]), commit("a", 2, *records[203:]))
    assert await parts.journal.history(ENTITY, 0, 200) == records[:200]
    assert await parts.journal.history(ENTITY, 200, 10) == records[200:210]
    assert await parts.journal.history(ENTITY, 400, 100) == records[400:]
    assert await parts.journal.history(ENTITY, 450, 100) == []
