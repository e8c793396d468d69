"""Changing the members of a running market, a step at a time, and waiting until everybody goes by them."""

import asyncio
import getpass
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import repeat

from bson import ObjectId

from actors.cluster import membership
from actors.cluster.heartbeat import ActorDirectory, Heartbeat
from actors.cluster.members import LEAVES_SECONDS, Members
from actors.cluster.membership import KINDS, Membership, owner, resized
from actors.domain.membership import Hosts
from actors.runtime.ports import HostUnreachableError
from actors.runtime.retry import retry
from actors.storage.clock import database_clock
from actors.storage.database import Database, connect, database_of
from actors.storage.journal import MongoJournal
from actors.supervision.liveness import EVERY_SECONDS
from actors.supervision.scaling import OutdatedError, Scaling
from cli.running_market import PATIENCE_MS, with_database
from config.settings import Settings

# How many ids tell which share moves: within a percent or two.
_SAMPLE = 2_000
# Of the database's time, to load a ticket into the memory of its new actor (docs/performance.md).
_LOADING_MS = 0.7
# A leaver that does not end by itself is ended after a minute (see supervision/scaling.py). Who begins has as long.
PATIENCE_SECONDS = 90.0

Tell = Callable[[str], None]


class NotChangedError(Exception):
    """The members stay who they are; says why."""


class NotOverError(Exception):
    """The change is made, and not everybody goes by it yet; says who is awaited."""


@dataclass(frozen=True, slots=True)
class Plan:
    """From a version of the membership to other hosts, in steps. `moving` is the share of the tickets that move.

    `loading_ms` is how long the database has to work at most until all tickets that move are in memory again.
    """

    before: Membership
    steps: tuple[Hosts, ...]
    moving: float
    loading_ms: float

    @property
    def hosts(self) -> Hosts:
        """Who there is to be in the end."""
        return self.steps[-1] if self.steps else self.before.hosts


@dataclass(frozen=True, slots=True)
class Market:
    """What a change needs of the running market."""

    members: Members
    scaling: Scaling
    database: Database


@asynccontextmanager
async def market_of(settings: Settings) -> AsyncIterator[Market]:
    """Connect to the market's database. Raises NotRunningError and StoreUnavailableError."""
    async with connect(str(with_database(settings).mongodb_url), patience_ms=PATIENCE_MS) as client:
        database = database_of(client)
        clock, journal = database_clock(database), MongoJournal(database)
        await clock.refresh()
        members = Members(journal)
        await members.refresh()
        by = f"{getpass.getuser()}@{socket.gethostname()}"
        yield Market(members, Scaling(members, journal, clock, lambda: str(ObjectId()), by), database)


async def plan(market: Market, hosts: Hosts, *, at_once: bool) -> Plan:
    """Return how to come to these hosts. Raises StoreUnavailableError."""
    before = (await market.members.refresh()).membership
    ids = [str(ObjectId()) for _ in range(_SAMPLE)]
    moving = sum(owner(before.hosts, "tickets", one) != owner(hosts, "tickets", one) for one in ids) / _SAMPLE
    tickets = await market.database["tickets"].estimated_document_count()
    steps = () if hosts == before.hosts else (hosts,) if at_once else steps_to(before.hosts, hosts)
    return Plan(before, steps, moving, tickets * moving * _LOADING_MS)


def steps_to(before: Hosts, after: Hosts) -> tuple[Hosts, ...]:
    """Return hosts of which each step has at most twice as many of a kind as the one before, or half as many.

    So at most half of the tickets are loaded anew at a time.
    """
    steps: list[Hosts] = []
    now, wanted = before, {kind: len(getattr(after, kind)) for kind in KINDS}
    while True:
        sizes = {kind: len(getattr(now, kind)) for kind in KINDS}
        nearer = {kind: _nearer(sizes[kind], wanted[kind]) for kind in KINDS}
        if nearer == wanted:
            return (*steps, after)
        now = resized(now, nearer)
        steps.append(now)


def _nearer(size: int, wanted: int) -> int:
    return min(wanted, size * 2) if wanted > size else max(wanted, (size + 1) // 2)


async def carry_out(market: Market, directory: ActorDirectory, steps: Plan, reason: str, tell: Tell) -> Membership:
    """Take the steps, and return the last version.

    Raises NotChangedError, which says how many steps were taken, and StoreUnavailableError.
    """

    async def start(name: str) -> None:
        await start_actor(directory.start, name)
        tell(f"{name} has started")

    known = await market.members.refresh()
    for number, hosts in enumerate(steps.steps, 1):
        try:
            made = await market.scaling.change(known, hosts, reason, start)
        except (OutdatedError, NotChangedError) as error:
            so_far = f"after step {number - 1} of {len(steps.steps)}, version {known.membership.version}"
            raise NotChangedError(f"{so_far}: {error}" if number > 1 else str(error)) from error
        tell(f"version {made.version}: {_sizes(made.hosts)} (step {number} of {len(steps.steps)})")
        known = await market.members.refresh()
    return known.membership


async def start_actor(start: Callable[[str], Awaitable[None]], name: str) -> None:
    """Return when the actor has started. One that dies meanwhile is started again by Ray, and waited for.

    Raises NotChangedError.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await retry(lambda: start(name), HostUnreachableError, repeat(EVERY_SECONDS))
    except TimeoutError as error:
        raise NotChangedError(f"{name} did not start: is there a node with room for it? See its log") from error


def _sizes(hosts: Hosts) -> str:
    shared = ", ".join(f"{kind.removesuffix('s')} actors: {len(getattr(hosts, kind))}" for kind in KINDS)
    return f"{shared}, pinned: {len(hosts.pinned)}" if hosts.pinned else shared


async def wait(directory: ActorDirectory, made: Membership, tell: Tell) -> None:
    """Return when every member goes by this version, and the others have ended. Raises NotOverError."""
    awaited: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while awaited := await _awaited(directory, made):
                tell(f"waiting for {', '.join(awaited)}")
                await asyncio.sleep(EVERY_SECONDS)
            await asyncio.sleep(LEAVES_SECONDS if made.version > 1 else 0.0)
    except TimeoutError:
        who = ", ".join(awaited) or "everybody who asks the actors"
        raise NotOverError(
            f"version {made.version} is in force, and all stays correct; still waiting for {who}"
        ) from None


async def _awaited(directory: ActorDirectory, made: Membership) -> list[str]:
    """Return the members that do not know the version, and those that left and are there."""
    try:
        existing = await directory.existing()
    except HostUnreachableError:
        return ["ray"]
    heartbeats = await asyncio.gather(*(_heartbeat(directory, name) for name in made.names))
    late = [
        name
        for name, heartbeat in zip(made.names, heartbeats, strict=True)
        if heartbeat is None or heartbeat.membership < made.version
    ]
    return [*late, *(name for name in sorted(existing) if made.has_left(name))]


async def _heartbeat(directory: ActorDirectory, name: str) -> Heartbeat | None:
    try:
        return await asyncio.wait_for(directory.ping(name), EVERY_SECONDS)
    except (HostUnreachableError, TimeoutError):
        return None


def with_sizes(hosts: Hosts, sizes: Mapping[str, int | None]) -> Hosts:
    """Return the hosts with these sizes, where one is given."""
    return resized(hosts, {kind: size for kind, size in sizes.items() if size is not None})


async def with_pin(market: Market, hosts: Hosts, ticket_id: str) -> Hosts:
    """Return the hosts with an actor for the ticket alone. Raises NotChangedError and StoreUnavailableError."""
    if ticket_id in hosts.pinned:
        return hosts
    if len(hosts.pinned) >= membership.MOST_PINNED:
        raise NotChangedError(f"{membership.MOST_PINNED} tickets are pinned, and no more can be: unpin one first")
    if not await MongoJournal(market.database).existing_keys([f"ticket:{ticket_id}:1"]):
        raise NotChangedError(f"there is no ticket {ticket_id}")
    return replace(hosts, pinned=(*hosts.pinned, ticket_id))


def without_pin(hosts: Hosts, ticket_id: str) -> Hosts:
    """Return the hosts in which the ticket lives in a shared actor. Raises NotChangedError."""
    if ticket_id not in hosts.pinned:
        raise NotChangedError(f"{ticket_id} is not pinned")
    return replace(hosts, pinned=tuple(one for one in hosts.pinned if one != ticket_id))
