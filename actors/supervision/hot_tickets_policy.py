"""Which tickets get an actor of their own while many want them: a pure function of what the hosts tell each second.

It lets the other tickets of the host no longer wait behind the hot one. The hot one itself gets no faster.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from actors.cluster.membership import MOST_PINNED
from actors.supervision.load import HostLoad

# More than this share of the messages of a host that is busier than this, for so long. A ticket is to have its actor
# within ten seconds. Messages are counted for two, heartbeats are a second apart, and where the processors are full an
# actor takes 2.5 or more to start (measured).
HOT_SHARE = 0.3
BUSY_SHARE = 0.7
HOT_SECONDS = 3.0
# Below so many messages a second for so long, it goes back.
COLD_RATE = 10.0
COLD_SECONDS = 60.0
PAUSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HotSeen:
    """What the policy remembers from look to look: since when each ticket is hot, or cold, and the last change."""

    hot_since: Mapping[str, float] = field(default_factory=dict)
    cold_since: Mapping[str, float] = field(default_factory=dict)
    changed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """This ticket is to have an actor of its own."""

    ticket_id: str


@dataclass(frozen=True, slots=True)
class Unpin:
    """This ticket is to live in a shared host again."""

    ticket_id: str


def decide(
    seen: HotSeen,
    now: float,
    shared: Mapping[str, HostLoad],
    own: Mapping[str, HostLoad | None],
    pinned: AbstractSet[str],
) -> tuple[HotSeen, Pin | Unpin | None]:
    """Return what to remember, and at most one change.

    `shared` are the loads of the shared hosts, by name, and `own` those of the tickets that this policy pinned: None
    for one whose actor says nothing. `pinned` are all, also those that an operator pinned, which it leaves alone.
    """
    hot = {ticket: rate for ticket, rate in _hot(shared) if ticket not in pinned}
    cold = {ticket for ticket, load in own.items() if load is not None and load.message_rate < COLD_RATE}
    seen = HotSeen(
        {ticket: seen.hot_since.get(ticket, now) for ticket in hot},
        {ticket: seen.cold_since.get(ticket, now) for ticket in cold},
        seen.changed_at,
    )
    if seen.changed_at is not None and now - seen.changed_at < PAUSE_SECONDS:
        return seen, None
    change = _change(seen, now, hot, pinned)
    return (seen if change is None else HotSeen(seen.hot_since, seen.cold_since, now)), change


def _hot(shared: Mapping[str, HostLoad]) -> Iterator[tuple[str, float]]:
    for load in shared.values():
        if load.busy_share > BUSY_SHARE:
            yield from ((ticket, rate) for ticket, rate in load.hottest.items() if rate > HOT_SHARE * load.message_rate)


def _change(seen: HotSeen, now: float, hot: Mapping[str, float], pinned: AbstractSet[str]) -> Pin | Unpin | None:
    long_hot = [ticket for ticket, since in seen.hot_since.items() if now - since >= HOT_SECONDS]
    if long_hot and len(pinned) < MOST_PINNED:
        return Pin(max(long_hot, key=lambda ticket: (hot[ticket], ticket)))
    long_cold = [ticket for ticket, since in seen.cold_since.items() if now - since >= COLD_SECONDS]
    return Unpin(min(long_cold, key=lambda ticket: (seen.cold_since[ticket], ticket))) if long_cold else None
