"""What the actors do a second: the difference between two looks at what they have done so far."""

from collections import Counter

from cli.status.document import ActorStatus, Status
from serve_app.http.timestamps import instant_of

# Of the counters of an actor, those that say how much the market does.
SHOWN = ("turns", "messages", "commits", "events")


def rates_between(before: Status | None, after: Status) -> dict[str, Counter[str]]:
    """Return how much of each counter is done a second, by actor; nothing for actors that were not seen before.

    One that was started anew since counts from nothing.
    """
    if before is None:
        return {}
    seconds = (instant_of(after["at"]) - instant_of(before["at"])) / 1_000
    earlier = {actor["name"]: actor for actor in before["actors"] if actor["counters"]}
    return {
        actor["name"]: _rates(earlier[actor["name"]], actor, seconds)
        for actor in after["actors"]
        if actor["counters"] and actor["name"] in earlier and seconds > 0
    }


def _rates(before: ActorStatus, after: ActorStatus, seconds: float) -> Counter[str]:
    is_same = before["writer"] == after["writer"]
    began = before["counters"] if is_same else {}
    return Counter({name: round((after["counters"][name] - began.get(name, 0)) / seconds) for name in SHOWN})
