"""What goes wrong in one simulation: drawn from its seed, some kinds in each and not all in any."""

from dataclasses import dataclass, fields, replace
from random import Random

# How likely each fault is, per call or per second, when a seed has it at all; as low and as high as this.
CALLS = (0.0005, 0.02)
# Seconds by which the clocks of two primaries may differ.
PRIMARIES_APART = 3.0
# How many of the markets change their members, and in how many of these everybody lives who may be asked.
CHANGED = 0.4
GENTLE = 0.5
# The faults after which another process may have the name of one that lives on, or commits of one that died come late.
REPLACING = frozenset({"crash_before", "crash_after", "slow", "kill_every", "second_copy_every", "zombies"})
# How many of the markets have a group of other people's consumers.
GROUPS = 0.2


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities per call, unless they say otherwise; 0 when the seed goes without."""

    crash_before: float = 0.0
    crash_after: float = 0.0
    lost_request: float = 0.0
    lost_answer: float = 0.0
    slow: float = 0.0
    message_dropped: float = 0.0
    answer_dropped: float = 0.0
    message_duplicated: float = 0.0
    message_late: float = 0.0
    stripe: float = 0.0
    # How often a majority gets a commit late.
    late_replica: float = 0.0
    # Seconds between two of them on average; 0 for never.
    kill_every: float = 0.0
    stop_every: float = 0.0
    database_away_every: float = 0.0
    redis_away_every: float = 0.0
    smtp_away_every: float = 0.0
    second_copy_every: float = 0.0
    lapse_every: float = 0.0
    election_every: float = 0.0
    # Redis loses what it had; a stream loses its beginning; a member of a group dies or stops. With the last of them
    # there is such a group.
    redis_lost_every: float = 0.0
    trim_every: float = 0.0
    member_every: float = 0.0
    # The same server loses what came last, or an entry as the next one of its entity is added. Of controls alone: only
    # while nothing else goes wrong somebody is there who notices.
    set_back_every: float = 0.0
    hole: float = 0.0
    # Seconds that clocks of processes are off, at most, and how many seconds they lose or win in one.
    skew: float = 0.0
    drift: float = 0.0
    # An operator changes the members; processes cannot read for a while who the members are.
    change_every: float = 0.0
    blind_every: float = 0.0
    # How often whoever is replaced lives on, and how often a message still finds it.
    zombies: float = 0.0
    to_zombies: float = 0.3

    @property
    def kinds(self) -> tuple[str, ...]:
        """The faults that there are."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) and field.name != "to_zombies")


CALM = Faults()


def drawn(random: Random) -> Faults:
    """The faults of a seed: each kind in about every second, as likely as is drawn for it."""
    faults = CALM
    for name in (
        "crash_before",
        "crash_after",
        "lost_request",
        "lost_answer",
        "slow",
        "message_dropped",
        "answer_dropped",
        "message_duplicated",
        "message_late",
    ):
        faults = _with(faults, name, random, *CALLS)
    faults = _with(faults, "stripe", random, 0.005, 0.08)
    for name in ("kill_every", "stop_every", "second_copy_every"):
        faults = _with(faults, name, random, 20.0, 120.0)
    # Money is set aside for moments only, so most of the times there is none that could lapse.
    faults = _with(faults, "lapse_every", random, 1.0, 6.0)
    for name in ("database_away_every", "redis_away_every"):
        faults = _with(faults, name, random, 40.0, 200.0)
    faults = _with(faults, "skew", random, 1.0, 600.0)
    faults = _with(faults, "drift", random, 1e-6, 1e-3)
    faults = _with(faults, "zombies", random, 0.2, 0.9)
    faults = _with(faults, "election_every", random, 20.0, 120.0)
    faults = _with(faults, "late_replica", random, 0.005, 0.1)
    return _with(faults, "smtp_away_every", random, 40.0, 200.0)


def with_losses(faults: Faults, random: Random) -> Faults:
    """The faults of the event stream and of those who read it."""
    for name in ("redis_lost_every", "trim_every"):
        faults = _with(faults, name, random, 20.0, 120.0)
    is_there = random.random() < GROUPS
    return replace(faults, member_every=5.0 + 25.0 * random.random()) if is_there else faults


def with_changes(faults: Faults, random: Random) -> Faults:
    """The faults of those who do not know that the membership changed, in some of the markets without most others."""
    if random.random() >= CHANGED:
        return faults
    if random.random() < GENTLE:
        kept = (
            "stop_every",
            "message_late",
            "message_dropped",
            "message_duplicated",
            "answer_dropped",
            "skew",
            "drift",
        )
        faults = replace(CALM, **{name: getattr(faults, name) for name in kept})
    return replace(faults, change_every=_between(random, 5.0, 40.0), blind_every=_between(random, 5.0, 60.0))


def _between(random: Random, low: float, high: float) -> float:
    between: float = low * (high / low) ** random.random()
    return between


def _with(faults: Faults, name: str, random: Random, low: float, high: float) -> Faults:
    is_there, size = random.random() < 0.5, low * (high / low) ** random.random()
    return replace(faults, **{name: size}) if is_there else faults
