"""A journal in two databases: the market's rules hold, and what a claim is."""

from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.pool import Pool
from typing import Any

import pytest

from actors.domain.charge_events import ChargeCreated
from actors.domain.keys import order_key, request_key
from actors.domain.ticket_events import OrderCreated, WaiterJoined
from actors.runtime.ports import Commit, FencedError, RecordedEvent, commit_id
from tests.simulation.contracts.examples import a_charge, an_order
from tests.simulation.database import Tables
from tests.simulation.partitions import (
    Partition,
    PartitionedJournal,
    PartitionedQueries,
    partition_of,
    partition_of_entity,
)
from tests.simulation.server import Direct
from tests.simulation.workers import Task, run, workers

SEEDS = 8
TWO = 2


def in_partition(kind: str, partition: int) -> str:
    """An entity of this kind there."""
    return next(one for number in range(99) if partition_of_entity(one := f"{kind}:{number:024x}", TWO) == partition)


HERE, THERE = (in_partition("ticket", partition) for partition in range(TWO))
ORDER = an_order()


@pytest.fixture
def partitions() -> list[Partition]:
    return [Partition(Direct(), Tables()) for _ in range(TWO)]


@pytest.fixture
def journal(partitions: list[Partition]) -> PartitionedJournal:
    return PartitionedJournal(partitions)


def writer(entity: str, life: str = "a") -> str:
    """A host of the entity's partition, in one of its lives."""
    kind = {"ticket": "tickets", "charge": "payments"}[entity.partition(":")[0]]
    return f"{kind}-{partition_of_entity(entity, TWO)}-{life}"


def committing(entity: str, event: Any, *claims: str, version: int = 1, life: str = "a", seq: int = 1) -> Commit:  # noqa: ANN401 - any event
    record = RecordedEvent(entity, version, 1, event, commit=commit_id(writer(entity, life), seq))
    return Commit(writer(entity, life), seq, 1, (record.key, *claims), (record,))


def reserving(entity: str, **place: Any) -> Commit:  # noqa: ANN401 - as above
    return committing(entity, OrderCreated(ORDER), order_key(ORDER.id), **place)


async def test_a_key_that_a_ticket_of_one_partition_used_is_refused_to_one_of_the_other(
    journal: PartitionedJournal,
) -> None:
    await journal.append(reserving(HERE))
    with pytest.raises(FencedError):
        await journal.append(reserving(THERE))
    assert await journal.history(THERE) == []
    assert await journal.existing_keys([order_key(ORDER.id)]) == {order_key(ORDER.id)}


async def test_a_claim_whose_commit_never_came_is_still_good_for_its_ticket_and_for_nobody_else(
    journal: PartitionedJournal,
) -> None:
    dying = reserving(HERE, life="dies")
    await journal._claim(dying, partition_of_entity(HERE, TWO))
    with pytest.raises(FencedError):
        await journal.append(reserving(THERE))
    await journal.append(reserving(HERE, version=1, life="next"))
    assert [record.event for record in await journal.history(HERE)] == [OrderCreated(ORDER)]


async def test_a_ticket_uses_its_own_claim_once(journal: PartitionedJournal) -> None:
    await journal.append(reserving(HERE))
    with pytest.raises(FencedError):
        await journal.append(reserving(HERE, version=2, seq=2))


async def test_a_commit_that_is_sent_again_is_ours_and_so_are_its_claims(journal: PartitionedJournal) -> None:
    await journal.append(reserving(HERE))
    await journal.append(reserving(HERE))
    assert len(await journal.after(writer(HERE), 0, 10)) == 1


async def test_a_claim_is_in_the_partition_that_its_key_names(
    journal: PartitionedJournal, partitions: list[Partition]
) -> None:
    await journal.append(reserving(HERE))
    claimed = [bool(partition.tables.taken([f"claim:{order_key(ORDER.id)}"])) for partition in partitions]
    assert claimed.index(True) == partition_of(order_key(ORDER.id), TWO)
    assert claimed.count(True) == 1


async def test_a_payments_key_is_its_orders_in_whichever_partition_an_attempt_is(
    journal: PartitionedJournal, partitions: list[Partition]
) -> None:
    charges = [replace(a_charge(attempt=attempt, order_id=ORDER.id), request="key") for attempt in (1, 2)]
    first, second = (in_partition("charge", partition) for partition in range(TWO))
    dying = committing(first, ChargeCreated(charges[0]), request_key("key"))
    await journal._claim(dying, partition_of_entity(first, TWO))
    queries = PartitionedQueries(partitions[0], journal)
    assert await queries.orders_of_requests(["key", "another"]) == {"key": ORDER.id}
    for charge, entity in zip(charges, (first, second), strict=True):
        await journal.append(committing(entity, ChargeCreated(charge), request_key("key")))
    assert await journal.existing_keys([request_key("key")]) == set()
    others = replace(a_charge(order_id="another order"), request="key")
    with pytest.raises(FencedError):
        await journal.append(committing(first, ChargeCreated(others), request_key("key"), version=2, seq=2))


async def test_a_host_of_one_partition_commits_nothing_to_another(journal: PartitionedJournal) -> None:
    record = RecordedEvent(THERE, 1, 1, WaiterJoined("somebody"))
    with pytest.raises(ValueError, match="commits to partitions"):
        await journal.append(Commit(writer(HERE), 1, 1, (record.key,), (record,)))


async def test_a_key_of_a_new_kind_is_not_committed_before_somebody_said_whose_it_is(
    journal: PartitionedJournal,
) -> None:
    with pytest.raises(ValueError, match="whose keys"):
        await journal.append(committing(HERE, WaiterJoined("somebody"), "coupon:1"))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with workers() as pool:
        yield pool


def test_no_rule_is_broken_with_a_journal_in_two_databases(pool: Pool) -> None:
    outcomes = pool.map(run, [Task(seed, partitions=TWO) for seed in range(SEEDS)])
    assert {outcome.seed: outcome.broken for outcome in outcomes if outcome.broken} == {}
    assert sum(outcome.sold for outcome in outcomes) > SEEDS
    assert {"database_away", "database 2_away", "election"} <= set().union(*(outcome.faults for outcome in outcomes))
