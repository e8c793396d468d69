"""The metrics of all hosts, made of their signs of life.

The Supervisor hears every host each second, so it counts for them: a host that starts anew begins no new series, and a
thousand tickets with actors of their own are one, `dedicated`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from actors.cluster import names
from actors.cluster.heartbeat import Heartbeat
from actors.metrics import registry
from actors.metrics.emitter import Sample, bucket_samples
from actors.metrics.registry import DEDICATED, OTHER, REFUSALS, Metric
from actors.runtime.signals import BUCKET_SECONDS, Signals

_ENDS = registry.ends(BUCKET_SECONDS)
_Counts = dict[tuple[Metric, tuple[str, ...]], float]


class HostMetrics:
    """What all hosts did since this Supervisor started, whichever of them are still there."""

    def __init__(self) -> None:
        self._seen: dict[str, Heartbeat] = {}
        self._totals: Counter[tuple[Metric, tuple[str, ...]]] = Counter()

    def samples(
        self, heartbeats: Mapping[str, Heartbeat], watched: Collection[str], answering: Collection[str]
    ) -> Iterator[Sample]:
        """Yield everything about hosts.

        `watched` are the names of all that there should be, also of those that were never heard, `answering` those that
        gave a sign of life just now.
        """
        self._count(heartbeats.values())
        for (metric, labels), count in self._totals.items():
            yield Sample(metric, count, labels)
        yield from _gauges(heartbeats.values())
        for kind in (names.TICKETS, names.ORDERS, names.PAYMENTS):
            known = [name for name in watched if names.kind_of(name) == kind]
            heard = sum(name in answering for name in known)
            yield Sample(registry.HOSTS, heard, (kind, "answering"))
            yield Sample(registry.HOSTS, len(known) - heard, (kind, "silent"))
        yield Sample(registry.MEMBERSHIP, max((one.membership for one in heartbeats.values()), default=0))
        yield Sample(registry.DEDICATED_ACTORS, sum(names.is_dedicated(name) for name in heartbeats))

    def _count(self, heartbeats: Iterable[Heartbeat]) -> None:
        seen: dict[str, Heartbeat] = {}
        for heartbeat in heartbeats:
            before = self._seen.get(heartbeat.writer)
            seen[heartbeat.writer] = heartbeat
            # Nothing that is counted happens without a message or a turn: most tickets of their own are idle.
            if before is not None and _activity(before) == _activity(heartbeat):
                continue
            earlier = _counts(before) if before is not None else {}
            for key, count in _counts(heartbeat).items():
                self._totals[key] += int(count - earlier.get(key, 0))
        self._seen = seen


def _activity(heartbeat: Heartbeat) -> tuple[object, ...]:
    signals = heartbeat.signals
    return heartbeat.counters, heartbeat.refusals, heartbeat.stripe_calls, signals.turn if signals else ()


def _counts(heartbeat: Heartbeat) -> _Counts:
    kind, counters, signals = names.kind_of(heartbeat.name), heartbeat.counters, heartbeat.signals
    counts: _Counts = {(registry.MESSAGES, (kind,)): counters.messages}
    for reason, count in heartbeat.refusals.items():
        known = reason if reason in (REFUSALS.labels["reason"] or ()) else OTHER
        counts[REFUSALS, (kind, known)] = counts.get((REFUSALS, (kind, known)), 0) + count
    for outcome, count in heartbeat.stripe_calls.items():
        counts[registry.STRIPE_CALLS, (outcome,)] = count
    if signals is None:
        return counts
    counts[registry.TURNS, (kind,)] = counters.turns
    counts[registry.COMMITS, (kind,)] = counters.commits
    counts[registry.FENCED, (kind,)] = counters.fenced
    counts.update({(registry.EVENTS, (kind, event)): count for event, count in signals.events.items()})
    for metric, buckets in (
        (registry.MAILBOX_WAIT, signals.mailbox_wait),
        (registry.TURN_SECONDS, signals.turn),
        (registry.COMMIT_SECONDS, signals.commit),
        (registry.EXPIRY_LATE, signals.expiry_late),
    ):
        counts.update({(metric, each.labels): each.value for each in bucket_samples(metric, (kind,), _ENDS, buckets)})
    return counts


def _gauges(heartbeats: Iterable[Heartbeat]) -> Iterator[Sample]:
    hosts: dict[tuple[str, str], list[Signals]] = {}
    for heartbeat in heartbeats:
        if heartbeat.signals is not None:
            host = DEDICATED if names.is_dedicated(heartbeat.name) else heartbeat.name
            hosts.setdefault((names.kind_of(heartbeat.name), host), []).append(heartbeat.signals)
    for labels, signals in hosts.items():
        yield Sample(registry.MAILBOX_DEPTH, sum(one.mailbox_depth for one in signals), labels)
        yield Sample(registry.OLDEST_WAIT, max(one.oldest_wait_seconds for one in signals), labels)
        yield Sample(registry.BUSY_SHARE, max(one.busy_share for one in signals), labels)
        yield Sample(registry.ENTITIES, sum(one.entities for one in signals), labels)
        yield Sample(registry.HOLDS, sum(one.holds for one in signals), labels)
        yield Sample(registry.UNAPPLIED, sum(one.unapplied for one in signals), labels)
        yield Sample(registry.UNPUBLISHED, sum(one.unpublished for one in signals), labels)
