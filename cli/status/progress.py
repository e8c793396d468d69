"""What the actors did between two looks at the market."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.status.document import ActorStatus


@dataclass(frozen=True, slots=True)
class Done:
    """What one actor did: how much of each counter, and how long its commits took, added up."""

    counters: Counter[str]
    commit_seconds: float


def done_since(before: Mapping[str, ActorStatus], now: Sequence[ActorStatus]) -> dict[str, Done]:
    """Return what each actor did since an earlier look, by name; nothing for actors that were silent at either.

    An actor that was started anew since counts from nothing.
    """
    return {
        actor["name"]: _done(before[actor["name"]], actor)
        for actor in now
        if actor["counters"] and actor["name"] in before and before[actor["name"]]["counters"]
    }


def _done(before: ActorStatus, now: ActorStatus) -> Done:
    is_same = before["writer"] == now["writer"]
    counters, seconds = (before["counters"], before["commitSeconds"] or 0.0) if is_same else ({}, 0.0)
    done = {name: count - counters.get(name, 0) for name, count in now["counters"].items()}
    return Done(Counter(done), (now["commitSeconds"] or 0.0) - seconds)
