"""Samples of the market while it is under load: a few figures for each kind of actor."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cli.status.document import ActorStatus, Status
from cli.status.progress import Done, done_since
from serve_app.http.timestamps import instant_of

SERVERS: Final = ("database", "redis")


@dataclass(frozen=True, slots=True)
class KindSample:
    """The actors of one kind. What no actor of the kind says is None.

    `silent` actors gave no answer in time. `counters` and `commit_seconds` are what was done since the sample before.
    """

    actors: int
    silent: int
    mean_busy_share: float | None
    highest_busy_share: float | None
    deepest_mailbox: int | None
    longest_wait_seconds: float | None
    most_behind: int | None
    counters: Counter[str]
    commit_seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The market at one time, in seconds of the wall clock. `servers` has the seconds to an answer, None if away."""

    at: float
    kinds: Mapping[str, KindSample]
    servers: Mapping[str, float | None]


@dataclass(slots=True)
class Samples:
    """All samples of one load. If there are none, `why_none` says in a line why."""

    why_none: str = ""
    taken: list[Sample] = field(default_factory=list)
    _answered: dict[str, ActorStatus] = field(default_factory=dict)

    def add(self, status: Status) -> None:
        """Keep what the report needs of a status."""
        actors = status["actors"]
        # An actor that was silent meanwhile is compared with its last answer, so that nothing it did is missing.
        done = done_since(self._answered, actors)
        self._answered.update({actor["name"]: actor for actor in actors if actor["counters"]})
        kinds = sorted({actor["kind"] for actor in actors})
        by_kind = {kind: [actor for actor in actors if actor["kind"] == kind] for kind in kinds}
        self.taken.append(
            Sample(
                instant_of(status["at"]) / 1_000,
                {kind: _kind(members, done) for kind, members in by_kind.items()},
                {name: status["servers"][name]["answerSeconds"] for name in SERVERS},
            )
        )


def _kind(actors: Sequence[ActorStatus], done: Mapping[str, Done]) -> KindSample:
    busy = [actor["busyShare"] for actor in actors if actor["busyShare"] is not None]
    depths = [actor["mailboxDepth"] for actor in actors if actor["mailboxDepth"] is not None]
    waits = [actor["oldestWaitSeconds"] for actor in actors if actor["oldestWaitSeconds"] is not None]
    behind = [actor[name] for actor in actors for name in ("unapplied", "unpublished")]
    work = [done[actor["name"]] for actor in actors if actor["name"] in done]
    return KindSample(
        actors=len(actors),
        silent=sum(actor["state"] == "silent" for actor in actors),
        mean_busy_share=sum(busy) / len(busy) if busy else None,
        highest_busy_share=max(busy, default=None),
        deepest_mailbox=max(depths, default=None),
        longest_wait_seconds=max(waits, default=None),
        most_behind=max((count for count in behind if count is not None), default=None),
        counters=sum((each.counters for each in work), Counter[str]()),
        commit_seconds=sum(each.commit_seconds for each in work),
    )
