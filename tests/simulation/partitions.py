"""A journal in several databases, as docs/scaling.md describes it for a market that one primary cannot carry.

Test code: the product has one. What it would have to promise is tried here with the market's own actors.

- An entity lives in the partition that its id names, with its versions: a fence is one database's, as today.
- A host has entities of one partition only, so a turn is still one atomic insert.
- A key that is not an entity's own, such as one that a client named, is claimed in the partition that the key's own
  hash names: only there two tickets of different partitions meet. The claim is written before the commit.

A claim binds its key to an owner, for ever. It is no lock: it has no end, is not taken over, and nobody cleans up after
it. The owner may go on with it, in whichever incarnation and however often, and its own partition sees to it that it
does so once. To everybody else the key is used, also when the commit that it was claimed for never came.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from unittest.mock import patch
from zlib import crc32

from actors.cluster import membership, names
from actors.domain.charge_events import ChargeCreated
from actors.domain.instants import Instant
from actors.domain.keys import edit_key, order_key, request_key
from actors.domain.ticket_events import OrderCreated, TicketUpdated
from actors.runtime import placement
from actors.runtime.ports import Checkpoint, Commit, RecordedEvent
from actors.tickets import dedicated
from tests.simulation.database import Tables
from tests.simulation.stores import Caller, FakeCheckpoints, FakeJournal, FakeQueries

# Where everything is that is no ticket and no charge: the events of users, which the Supervisor writes.
FIRST = 0
CLAIM = "claim:"
_SPREAD = (names.TICKETS, names.PAYMENTS)


@dataclass(frozen=True, slots=True)
class Partition:
    """One database with a part of the journal, and the checkpoints of those who write to it."""

    server: Caller
    tables: Tables

    @property
    def journal(self) -> FakeJournal:
        return FakeJournal(self.server, self.tables)

    @property
    def checkpoints(self) -> FakeCheckpoints:
        return FakeCheckpoints(self.server, self.tables)


def partition_of(name: str, partitions: int) -> int:
    """The partition that an id or a key names."""
    return crc32(name.encode()) % partitions


def partition_of_entity(entity: str, partitions: int) -> int:
    """The partition of an entity such as `ticket:5f…`."""
    kind, _, entity_id = entity.partition(":")
    return partition_of(entity_id, partitions) if kind in {"ticket", "charge"} else FIRST


def partition_of_writer(writer: str, partitions: int) -> int:
    """The partition of everything that a writer writes: it is its host's."""
    host, _, _ = writer.rpartition("-")
    if names.is_dedicated(host):
        return partition_of(names.ticket_of(host), partitions)
    kind, _, number = host.partition("-")
    return int(number) % partitions if kind in _SPREAD else FIRST


def partition_of_claim(key: str, _home: int, partitions: int) -> int:
    """Where a key is claimed by a commit whose home is another partition, or the same."""
    return partition_of(key, partitions)


@contextmanager
def routed(partitions: int) -> Iterator[None]:
    """Messages go to the hosts of their entity's partition, of which each has as many."""

    def host_of(hosts: tuple[str, ...], entity_id: str) -> str:
        if names.kind_of(hosts[0]) in _SPREAD:
            own = partition_of(entity_id, partitions)
            hosts = tuple(host for host in hosts if partition_of_writer(f"{host}-", partitions) == own)
        return placement.host_of(hosts, entity_id)

    with patch.object(membership, "host_of", host_of), patch.object(dedicated, "host_of", host_of):
        yield


def is_claim(writer: str) -> bool:
    """Whether this is no writer, but the name of a claim."""
    return writer.startswith(CLAIM)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key that is no version of the entity whose event wants it, and whose it is to be."""

    key: str
    owner: str
    entity: str


def wanted_in(commit: Commit) -> Iterator[Wanted]:
    """Raises ValueError for a key of an unknown kind."""
    keys = set(commit.keys) - {record.key for record in commit.records}
    for record in commit.records:
        match record.event:
            case OrderCreated(order=order):
                key, owner = order_key(order.id), record.entity
            case TicketUpdated(edit_id=str(edit_id)):
                key, owner = edit_key(edit_id), record.entity
            case ChargeCreated(charge=charge) if charge.request is not None:
                # A payment's key names the order: of its attempts, which are other entities, each may be the first.
                key, owner = request_key(charge.request), order_key(charge.order_id)
            case _:
                continue
        if key in keys:
            keys.remove(key)
            yield Wanted(key, owner, record.entity)
    if keys:
        raise ValueError(f"nobody knows whose keys these are: {keys}")


def claim_of(wanted: Wanted, at: Instant) -> Commit:
    """A claim: a commit without events, whose name says whose it is, so that the same one again is ours."""
    return Commit(f"{CLAIM}{wanted.key}={wanted.owner}", 1, at, (f"{CLAIM}{wanted.key}",), ())


class PartitionedJournal:
    """See runtime.ports.Journal, and what readers of events need besides."""

    def __init__(self, partitions: Sequence[Partition]) -> None:
        self._journals = [partition.journal for partition in partitions]
        self._count = len(partitions)

    async def append(self, commit: Commit) -> int:
        home = self._home_of(commit)
        await self._claim(commit, home)
        return await self._commit(commit, home)

    async def _claim(self, commit: Commit, home: int) -> None:
        """Raises FencedError when a key is another's, StoreUnavailableError when that is not known.

        Either leaves claims behind, which is harmless: their owners decide again, or nobody does.
        """
        claims = (
            self._journals[partition_of_claim(one.key, home, self._count)].append(claim_of(one, commit.at))
            for one in wanted_in(commit)
        )
        for outcome in await asyncio.gather(*claims, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _commit(self, commit: Commit, home: int) -> int:
        """The entity's own partition sees to it that it uses what it claimed once.

        Not if the owner is more than one entity: the attempts to pay an order share its key, in different partitions.
        """
        shared = {one.key for one in wanted_in(commit) if one.owner != one.entity}
        keys = tuple(key for key in commit.keys if key not in shared)
        return await self._journals[home].append(replace(commit, keys=keys))

    def _home_of(self, commit: Commit) -> int:
        homes = {partition_of_entity(record.entity, self._count) for record in commit.records}
        if homes != {partition_of_writer(commit.writer, self._count)}:
            raise ValueError(f"{commit.writer} commits to partitions {homes}")
        return homes.pop()

    async def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        asked = self._by_partition(keys)
        found = await asyncio.gather(*(self._journals[one].commits_with_keys(some) for one, some in asked.items()))
        return list(chain.from_iterable(found))

    async def existing_keys(self, keys: Collection[str]) -> set[str]:
        asked = self._by_partition(keys)
        found = await asyncio.gather(*(self._journals[one].existing_keys(some) for one, some in asked.items()))
        return set(chain.from_iterable(found))

    def _by_partition(self, keys: Iterable[str]) -> dict[int, list[str]]:
        """A version is in its entity's partition. Whose key another one is is not known: all are asked."""
        asked: dict[int, list[str]] = {}
        for key in sorted(keys):
            entity, _, version = key.rpartition(":")
            is_version = version.isdigit() and ":" in entity
            places = (partition_of_entity(entity, self._count),) if is_version else range(self._count)
            for place in places:
                asked.setdefault(place, []).append(key)
        return asked

    async def owners(self, keys: Collection[str]) -> dict[str, str]:
        """Whose the keys are, of those that were ever claimed. Raises StoreUnavailableError."""
        asked: dict[int, list[str]] = {}
        for key in sorted(keys):
            asked.setdefault(partition_of(key, self._count), []).append(f"{CLAIM}{key}")
        found = await asyncio.gather(*(self._journals[one].commits_with_keys(some) for one, some in asked.items()))
        claims = (commit.writer.removeprefix(CLAIM) for commit in chain.from_iterable(found))
        return {key: owner for key, _, owner in (claim.partition("=") for claim in claims)}

    async def after(self, writer: str, seq: int, limit: int) -> list[Commit]:
        return await self._of_writer(writer).after(writer, seq, limit)

    async def history(self, entity: str, after: int = 0, limit: int = 200) -> list[RecordedEvent]:
        """Some events of one entity in order."""
        return await self._journals[partition_of_entity(entity, self._count)].history(entity, after, limit)

    async def committed_at(self, writer: str, seq: int) -> Instant | None:
        """When the writer made this commit, None when there is none of this number."""
        return await self._of_writer(writer).committed_at(writer, seq)

    def _of_writer(self, writer: str) -> FakeJournal:
        return self._journals[partition_of_writer(writer, self._count)]


class PartitionedCheckpoints:
    """See recovery.WriterCheckpoints. A writer's checkpoint is beside its commits."""

    def __init__(self, partitions: Sequence[Partition]) -> None:
        self._checkpoints = [partition.checkpoints for partition in partitions]

    async def save(self, checkpoint: Checkpoint) -> None:
        await self._of(checkpoint.writer).save(checkpoint)

    async def remove(self, writer: str) -> None:
        await self._of(writer).remove(writer)

    async def published(self, writers: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for checkpoints in self._checkpoints:
            own = [writer for writer in writers if self._of(writer) is checkpoints]
            found |= await checkpoints.published(own) if own else {}
        return found

    async def all(self) -> list[Checkpoint]:
        return list(chain.from_iterable([await checkpoints.all() for checkpoints in self._checkpoints]))

    async def writers_since(self, at: Instant) -> dict[str, int]:
        """All writers that saved a checkpoint at this instant or later, each with the number of a commit of theirs."""
        found: dict[str, int] = {}
        for checkpoints in self._checkpoints:
            found |= await checkpoints.writers_since(at)
        return found

    def _of(self, writer: str) -> FakeCheckpoints:
        return self._checkpoints[partition_of_writer(writer, len(self._checkpoints))]


class PartitionedQueries(FakeQueries):
    """Documents are in the first database. What is asked of the journal is asked of all partitions."""

    def __init__(self, first: Partition, journal: PartitionedJournal) -> None:
        super().__init__(first.server, first.tables, journal)
        self._claims = journal

    async def orders_of_requests(self, requests: Collection[str]) -> dict[str, str]:
        """The order that each key is claimed for, whether or not a charge came of it."""
        owners = await self._claims.owners({request_key(request) for request in requests})
        prefix = order_key("")
        return {
            request: owners[key].removeprefix(prefix) for request in requests if (key := request_key(request)) in owners
        }
