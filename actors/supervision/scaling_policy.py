"""When a market gets more ticket hosts, and when fewer: a pure function of what the hosts tell each second.

Twice as many after ten loaded seconds, one fewer after ten quiet minutes: growing late costs sales, shrinking late
costs a little memory. Where turns mostly wait for the journal, more hosts make smaller commits and no more sales.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from statistics import fmean

from actors.supervision.load import HostLoad

# A host is loaded above this share of its time, or when 5 of 100 of its messages wait longer than this.
BUSY_SHARE = 0.75
WAIT_SECONDS = 0.05
LOADED_SECONDS = 10.0
# It is quiet below this share: with one host fewer the others are far from loaded.
QUIET_SHARE = 0.25
QUIET_SECONDS = 600.0
# What a change does is seen before the next one.
PAUSE_SECONDS = 60.0
# From this share of the turns on that wait for the journal, the database is the limit.
DATABASE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Bounds:
    """How few and how many hosts there may be."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the policy remembers from look to look, in seconds of one clock; None for what is not so."""

    loaded_since: float | None = None
    quiet_since: float | None = None
    changed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Sizing:
    """How many hosts there are to be, and why."""

    hosts: int
    reason: str


def decide(seen: Seen, now: float, loads: Collection[HostLoad], hosts: int, bounds: Bounds) -> tuple[Seen, Sizing]:
    """Return what to remember, and how many hosts there are to be: as many as now, more, or one fewer."""
    seen = _watched(seen, now, loads, hosts)
    if seen.changed_at is not None and now - seen.changed_at < PAUSE_SECONDS:
        return seen, Sizing(hosts, "a change was made less than a minute ago")
    if _lasts(seen.loaded_since, now, LOADED_SECONDS):
        sizing = _more(loads, hosts, bounds)
    elif _lasts(seen.quiet_since, now, QUIET_SECONDS):
        sizing = _fewer(hosts, bounds)
    else:
        return seen, Sizing(hosts, "neither loaded nor quiet for long enough")
    if sizing.hosts != hosts:
        seen = Seen(changed_at=now)
    return seen, sizing


def _watched(seen: Seen, now: float, loads: Collection[HostLoad], hosts: int) -> Seen:
    loaded = [load for load in loads if _is_loaded(load)]
    # One of several that is loaded has a hot ticket, which hosts beside it do not take over.
    is_loaded = len(loaded) * 2 > hosts
    # Who says nothing may be starting, or may be the busiest of all.
    is_quiet = len(loads) >= hosts and all(load.busy_share < QUIET_SHARE and not _is_loaded(load) for load in loads)
    return replace(
        seen,
        loaded_since=_since(seen.loaded_since, now) if is_loaded else None,
        quiet_since=_since(seen.quiet_since, now) if is_quiet else None,
    )


def _is_loaded(load: HostLoad) -> bool:
    return load.busy_share > BUSY_SHARE or load.waited_seconds > WAIT_SECONDS


def _more(loads: Collection[HostLoad], hosts: int, bounds: Bounds) -> Sizing:
    waiting = fmean(load.commit_share for load in loads if _is_loaded(load))
    if waiting >= DATABASE_SHARE:
        return Sizing(hosts, "the database is the limit, more actors will not help")
    if hosts >= bounds.most:
        return Sizing(hosts, f"loaded, and {hosts} hosts are as many as there may be")
    return Sizing(min(2 * hosts, bounds.most), f"loaded for {LOADED_SECONDS:.0f} s")


def _fewer(hosts: int, bounds: Bounds) -> Sizing:
    if hosts <= bounds.least:
        return Sizing(hosts, f"quiet, and {hosts} hosts are as few as there may be")
    return Sizing(hosts - 1, f"quiet for {QUIET_SECONDS / 60:.0f} minutes")


def _since(earlier: float | None, now: float) -> float:
    return now if earlier is None else earlier


def _lasts(since: float | None, now: float, seconds: float) -> bool:
    return since is not None and now - since >= seconds
