"""How loaded a host was between two of its heartbeats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.runtime.signals import BUCKET_SECONDS, Signals

# Of the messages, so many waited no longer than is said.
_MOST = 0.95
_LONGER_SECONDS = 2 * BUCKET_SECONDS[-1]


@dataclass(frozen=True, slots=True)
class HostLoad:
    """What a host told of itself.

    `busy_share` is the share of time inside turns, 0 to 1, and `commit_share` that of the turns in which the journal
    was waited for. `waited_seconds` is how long the 95th of 100 messages waited, or the oldest one, if that is more.
    `message_rate` is messages a second, and `hottest` what of it is for each of the entities that get most.
    """

    busy_share: float = 0.0
    waited_seconds: float = 0.0
    commit_share: float = 0.0
    message_rate: float = 0.0
    hottest: Mapping[str, float] = field(default_factory=dict)


def load_between(before: Signals | None, after: Signals) -> HostLoad:
    """Return the load between two heartbeats of one writer, or since it started."""
    since = before or Signals()
    in_turns = after.turn_seconds - since.turn_seconds
    in_commits = after.commit_seconds - since.commit_seconds
    waited = _quantile_seconds(since.mailbox_wait, after.mailbox_wait)
    return HostLoad(
        busy_share=after.busy_share,
        waited_seconds=max(waited, after.oldest_wait_seconds),
        commit_share=min(1.0, in_commits / in_turns) if in_turns > 0 else 0.0,
        message_rate=after.message_rate,
        hottest=after.hottest,
    )


def _quantile_seconds(before: Sequence[int], after: Sequence[int]) -> float:
    """The end of the bucket that the 95th of 100 durations is in; 0 without any."""
    counts = [late - early for late, early in zip(after, before or [0] * len(after), strict=True)]
    if not counts or not counts[-1]:
        return 0.0
    wanted = counts[-1] * _MOST
    return next((end for end, count in zip(BUCKET_SECONDS, counts, strict=False) if count >= wanted), _LONGER_SECONDS)
