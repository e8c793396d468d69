"""The part of the report that says what the market did while the load counted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from cli.load.market.samples import SERVERS, KindSample, Sample
from cli.load.measurement import Measurement
from cli.load.report.schema import ActorsView, MarketView, MeanAndHighest, SampleView, ServerView

Number = TypeVar("Number", int, float)


def market_of(measurement: Measurement) -> MarketView:
    """Return what the samples say. Those of the ramp are in the series only."""
    model, taken = measurement.plan.model, measurement.market.taken
    begin, end = measurement.began_at + model.ramp_seconds, measurement.began_at + model.seconds
    counted = [sample for sample in taken if begin <= sample.at <= end]
    kinds = sorted({kind for sample in counted for kind in sample.kinds})
    return {
        "samples": len(counted),
        "whyNone": (measurement.market.why_none or "the load was too short for a sample") if not counted else None,
        "actors": {kind: _actors(kind, counted) for kind in kinds},
        "servers": {name: _server([sample.servers[name] for sample in counted]) for name in SERVERS if counted},
        "series": [
            _sample(sample, measurement.began_at) for sample in taken if measurement.began_at <= sample.at <= end
        ],
    }


def _actors(kind: str, counted: Sequence[Sample]) -> ActorsView:
    seen = [sample.kinds[kind] for sample in counted if kind in sample.kinds]
    # What was done until the first sample was done before it counted.
    later = [sample.kinds[kind] for sample in counted[1:] if kind in sample.kinds]
    seconds = counted[-1].at - counted[0].at
    done = sum((each.counters for each in later), Counter[str]())
    return {
        "actors": max(each.actors for each in seen),
        "silent": sum(each.silent for each in seen),
        "busyShare": _mean_and_highest(
            (each.mean_busy_share for each in seen), (each.highest_busy_share for each in seen)
        ),
        "deepestMailbox": _highest(each.deepest_mailbox for each in seen),
        "longestWaitMilliseconds": _milliseconds(_highest(each.longest_wait_seconds for each in seen)),
        "mostBehind": _highest(each.most_behind for each in seen),
        "messagesPerSecond": round(done["messages"] / seconds, 2) if seconds else 0.0,
        "messagesPerTurn": round(done["messages"] / done["turns"], 2) if done["turns"] else None,
        "commitsPerSecond": round(done["commits"] / seconds, 2) if seconds else 0.0,
        "commitMilliseconds": _commits(later, done["commits"]),
        "fenced": done["fenced"],
    }


def _commits(later: Sequence[KindSample], commits: int) -> MeanAndHighest | None:
    """Return the mean of all commits, and the highest mean between two samples: nobody reports single commits."""
    if not commits:
        return None
    mean = sum(each.commit_seconds for each in later) / commits
    highest = max(each.commit_seconds / each.counters["commits"] for each in later if each.counters["commits"])
    return {"mean": round(mean * 1_000, 3), "highest": round(highest * 1_000, 3)}


def _server(seconds: Sequence[float | None]) -> ServerView:
    milliseconds = [each * 1_000 for each in seconds if each is not None]
    return {"answerMilliseconds": _mean_and_highest(milliseconds, milliseconds), "away": seconds.count(None)}


def _sample(sample: Sample, began_at: float) -> SampleView:
    return {
        "second": round(sample.at - began_at, 2),
        "busyShare": {
            kind: round(each.highest_busy_share, 3)
            for kind, each in sample.kinds.items()
            if each.highest_busy_share is not None
        },
    }


def _mean_and_highest(means: Iterable[float | None], highest: Iterable[float | None]) -> MeanAndHighest | None:
    known, most = [each for each in means if each is not None], _highest(highest)
    return None if most is None else {"mean": round(sum(known) / len(known), 3), "highest": round(most, 3)}


def _highest(values: Iterable[Number | None]) -> Number | None:
    return max((each for each in values if each is not None), default=None)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 3)
