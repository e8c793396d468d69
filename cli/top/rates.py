"""What the actors do a second: the difference between two looks at what they have done so far."""

from collections import Counter

from cli.status.document import Status
from cli.status.progress import done_since
from serve_app.http.timestamps import instant_of

# Of the counters of an actor, those that say how much the market does.
SHOWN = ("turns", "messages", "commits", "events")


def rates_between(before: Status | None, after: Status) -> dict[str, Counter[str]]:
    """Return how much of each counter is done a second, by actor; nothing for actors that were not seen before."""
    if before is None:
        return {}
    seconds = (instant_of(after["at"]) - instant_of(before["at"])) / 1_000
    done = done_since({actor["name"]: actor for actor in before["actors"]}, after["actors"]) if seconds > 0 else {}
    return {
        name: Counter({counter: round(one.counters[counter] / seconds) for counter in SHOWN})
        for name, one in done.items()
    }
