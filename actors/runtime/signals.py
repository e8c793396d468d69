"""What can be seen of a host from outside: how full its mailbox is, how busy it is, and how long things take.

All of it is counted once a turn, not once a message, and read as often as anybody likes: reading changes nothing.
"""

import asyncio
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from operator import attrgetter
from typing import Any

from actors.domain.stored_events import NAMES
from actors.runtime.hottest import Hottest
from actors.runtime.mailbox import Envelope, Mailbox
from actors.runtime.ports import Commit, Instant

# The upper ends of the buckets that durations are counted in; one more has what is longer.
BUCKET_SECONDS = (0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0)
# After so many seconds of doing nothing a host that was always busy is 37 % busy.
BUSY_SECONDS = 2.0

_arrived, _command = attrgetter("arrived"), attrgetter("command")


@dataclass(frozen=True, slots=True)
class Signals:
    """One host as it is now.

    `mailbox_depth` counts messages, of which the first has waited `oldest_wait_seconds` (0 without one). `busy_share`
    is the share of the last seconds, 0 to 1, that passed inside turns, the database's part of them included. `entities`
    are in memory, `holds` are timers that run, `unapplied` and `unpublished` are commits whose documents or events are
    not written yet. `events` counts those of the commits, by stored name.

    The tuples count durations since the host started, cumulatively: the first number those of at most
    `BUCKET_SECONDS[0]`, the last one all. A message that is decided again has waited again, since it came.
    `turn_seconds` and `commit_seconds` are the sums of two of them.

    `message_rate` is how many messages came a second lately, and `hottest` how many of them at least were for each of
    the entities that most are for, by id (see hottest.py).
    """

    mailbox_depth: int = 0
    oldest_wait_seconds: float = 0.0
    busy_share: float = 0.0
    entities: int = 0
    holds: int = 0
    unapplied: int = 0
    unpublished: int = 0
    events: dict[str, int] = field(default_factory=dict)
    mailbox_wait: tuple[int, ...] = ()
    turn: tuple[int, ...] = ()
    commit: tuple[int, ...] = ()
    expiry_late: tuple[int, ...] = ()
    turn_seconds: float = 0.0
    commit_seconds: float = 0.0
    message_rate: float = 0.0
    hottest: dict[str, float] = field(default_factory=dict)


class Buckets:
    """Counts durations by their length."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKET_SECONDS) + 1)
        self.sum_seconds = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """Count so many of this length."""
        self._counts[bisect_left(BUCKET_SECONDS, seconds)] += count
        self.sum_seconds += seconds * count

    def cumulative(self) -> tuple[int, ...]:
        """Return how many are at most as long as each bucket, and how many there are."""
        return tuple(accumulate(self._counts))


class BusyShare:
    """The share of time that was busy, of which the last seconds count most: an exponentially weighted mean."""

    def __init__(self) -> None:
        self._is_busy = False
        self._share = self._at = 0.0

    def turn(self, now: float, *, is_busy: bool) -> None:
        """Take note that it is busy, or is not, from now on."""
        self._share, self._at, self._is_busy = self.at(now), now, is_busy

    def at(self, now: float) -> float:
        """Return the share, 0 to 1."""
        return self._is_busy + (self._share - self._is_busy) * math.exp((self._at - now) / BUSY_SECONDS)


class TurnMeter:
    """Measures the turns of one host.

    `entity_id` says whom a message is for, and `due_at` when an event was due that time alone causes, None for others.
    """

    def __init__(self, entity_id: Callable[[Any], str], due_at: Callable[[Any], Instant | None]) -> None:
        self.hottest = Hottest()
        self._entity_id = entity_id
        self.busy = BusyShare()
        self.events: Counter[type[Any]] = Counter()
        self.mailbox_wait, self.turn, self.commit, self.expiry_late = Buckets(), Buckets(), Buckets(), Buckets()
        self._due_at = due_at
        self._began = 0.0

    def on_turn_begin(self, envelopes: Sequence[Envelope]) -> None:
        """Take note of what a turn took out of the mailbox."""
        self._began = loop_time()
        self.busy.turn(self._began, is_busy=True)
        for arrived, together in groupby(envelopes, _arrived):
            self.mailbox_wait.add(self._began - arrived, sum(1 for _ in together))
        self.hottest.add(self._began, Counter(map(self._entity_id, map(_command, envelopes))))

    def on_turn_end(self) -> None:
        """Take note that the turn is over."""
        ended = loop_time()
        self.busy.turn(ended, is_busy=False)
        self.turn.add(ended - self._began)

    def on_committed(self, commit: Commit, asked: float) -> None:
        """Take note of a commit that the journal was asked for at `asked`."""
        self.commit.add(loop_time() - asked)
        self.events.update(type(record.event) for record in commit.records)
        for record in commit.records:
            due_at = self._due_at(record.event)
            if due_at is not None:
                self.expiry_late.add((record.at - due_at) / 1000)

    def signals(self, mailbox: Mailbox, **counts: int) -> Signals:
        """Return all of it, with what waits in the mailbox, and what others count."""
        at, oldest = loop_time(), mailbox.oldest()
        message_rate, hottest = self.hottest.rates(at)
        return Signals(
            mailbox_depth=len(mailbox),
            oldest_wait_seconds=0.0 if oldest is None else at - oldest,
            busy_share=self.busy.at(at),
            events={NAMES[event]: count for event, count in self.events.items()},
            mailbox_wait=self.mailbox_wait.cumulative(),
            turn=self.turn.cumulative(),
            commit=self.commit.cumulative(),
            expiry_late=self.expiry_late.cumulative(),
            turn_seconds=self.turn.sum_seconds,
            commit_seconds=self.commit.sum_seconds,
            message_rate=message_rate,
            hottest=dict(hottest),
            **counts,
        )


def loop_time() -> float:
    """Return the time of the event loop, in seconds."""
    return asyncio.get_running_loop().time()
