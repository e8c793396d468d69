"""The membership as a value: which actor owns an id, what moves when it changes, and the actors of another size.

Each version is a commit of its own with the key `market:membership:<version>`. The unique key is the compare-and-set:
of two changes of one version, one is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from actors.cluster import names
from actors.domain.membership import Hosts, MembershipChanged
from actors.runtime.placement import host_of
from actors.runtime.ports import Commit, Instant, Journal, RecordedEvent, StoreUnavailableError, version_key
from config.settings import Settings

ENTITY = "market:membership"
KINDS = (names.TICKETS, names.ORDERS, names.PAYMENTS)
# So many earlier hosts are remembered, each for a minute and a half; then a change has to wait.
MOST_PREVIOUS = 16
# Each is a process of 50 MB.
MOST_PINNED = 100
# Versions that are looked for at once, and how far apart: with no gaps among them, the newest of a million is found in
# four indexed reads, and the next one in one.
WIDTH = 32
STRIDES = (WIDTH**3, WIDTH**2, WIDTH, 1)


@dataclass(frozen=True, slots=True)
class Membership:
    """One version: the hosts, and those before of which some may still have a commit under way, the newest last."""

    version: int
    hosts: Hosts
    previous: tuple[Hosts, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The actors that there are to be."""
        return all_names(self.hosts)

    def moves(self, kind: str, entity_id: str) -> bool:
        """Whether the id had another owner a short time ago, or has one yet."""
        own = owner(self.hosts, kind, entity_id)
        return any(owner(before, kind, entity_id) != own for before in self.previous)

    def has_left(self, name: str) -> bool:
        """Whether the actor was one of those before and is none of these."""
        return name not in self.names and any(name in all_names(before) for before in self.previous)


def owner(hosts: Hosts, kind: str, entity_id: str) -> str:
    """Return the name of the actor that the id lives in."""
    if kind == names.TICKETS and entity_id in hosts.pinned:
        return names.dedicated(entity_id)
    return host_of(getattr(hosts, kind), entity_id)


def all_names(hosts: Hosts) -> tuple[str, ...]:
    """Return the names of all actors, those of pinned tickets last."""
    return (*hosts.tickets, *hosts.orders, *hosts.payments, *map(names.dedicated, hosts.pinned))


def of_settings(settings: Settings) -> Hosts:
    """Return the actors that a new market begins with."""
    numbers = (settings.ticket_actors, settings.order_actors, settings.payment_actors)
    return Hosts(*(_numbered(kind, (), number) for kind, number in zip(KINDS, numbers, strict=True)))


def resized(hosts: Hosts, sizes: Mapping[str, int]) -> Hosts:
    """Return the hosts with so many actors of these kinds: the lowest numbers that are free come, the highest go."""
    return replace(hosts, **{kind: _numbered(kind, getattr(hosts, kind), size) for kind, size in sizes.items()})


def _numbered(kind: str, present: tuple[str, ...], size: int) -> tuple[str, ...]:
    by_number = sorted(present, key=lambda name: int(name.rpartition("-")[2]))[:size]
    number = 0
    while len(by_number) < size:
        name = f"{kind}-{number}"
        if name not in present:
            by_number.append(name)
        number += 1
    return tuple(by_number)


def changed(before: Membership, hosts: Hosts, *, by: str, reason: str) -> MembershipChanged:
    """Return the change to these hosts, after which those before may still have commits under way."""
    return MembershipChanged(hosts, (*before.previous, before.hosts), by, reason)


def settled(before: Membership, *, by: str) -> MembershipChanged:
    """Return the change that says that nobody but the hosts has anything under way."""
    return MembershipChanged(before.hosts, (), by, "settled")


def commit_of(change: MembershipChanged, version: int, writer: str, at: Instant) -> Commit:
    """Return the commit that makes the change this version, the first of a writer that makes no other."""
    record = RecordedEvent(ENTITY, version, at, change)
    return Commit(writer, 1, at, (record.key,), (record,))


async def newest(journal: Journal, known: int) -> int:
    """Return the newest version, of which `known` is an earlier one, or 0 for none. Raises StoreUnavailableError.

    A change that was committed before this was asked is found: the read is linearizable, see Journal.existing_keys.
    """
    found = known
    for stride in STRIDES if known == 0 else (1,):
        while True:
            asked = {version_key(ENTITY, found + stride * step): found + stride * step for step in range(1, WIDTH + 1)}
            taken = await journal.existing_keys(asked.keys())
            found = max((asked[key] for key in taken), default=found)
            if len(taken) < WIDTH:
                break
    return found


async def read(journal: Journal, version: int) -> Membership:
    """Return this version, which exists. Raises StoreUnavailableError."""
    for commit in await journal.commits_with_keys([version_key(ENTITY, version)]):
        for record in commit.records:
            if isinstance(record.event, MembershipChanged):
                return Membership(version, record.event.hosts, record.event.previous)
    raise StoreUnavailableError(f"version {version} of the membership cannot be read")
