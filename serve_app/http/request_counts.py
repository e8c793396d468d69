"""Counts answers and how long they took, for metrics: two additions a request, read once a second."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from actors.metrics.emitter import Sample, bucket_samples
from actors.metrics.registry import (
    OTHER,
    PAGES,
    REQUEST_BUCKET_SECONDS,
    REQUEST_SECONDS,
    REQUESTS,
    ROUTES,
    ends,
)  # fmt: skip

# Their requests last as long as somebody listens.
STREAMS = frozenset({"/live", "/api/events"})
# What programs ask that watch the market.
PROBES = frozenset({"/healthz", "/readyz"})
_OUTCOMES = {1: "ok", 2: "ok", 3: "ok", 4: "refused", 5: "failed"}
_OWN_OUTCOMES = {429: "limited", 503: "unavailable"}
_TEMPLATES = {f"{route.partition('{')[0]}{{}}" if "{" in route else route: route for route in ROUTES}
_ENDS = ends(REQUEST_BUCKET_SECONDS)


class RequestCounts:
    """What one replica answered since it started."""

    def __init__(self) -> None:
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, list[int]] = {}

    def add(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an answer, unless it is a stream."""
        if path in STREAMS:
            return
        route = route_of(method, path)
        self._outcomes[route, _OWN_OUTCOMES.get(status) or _OUTCOMES[status // 100]] += 1
        durations = self._durations.get(route)
        if durations is None:
            durations = self._durations[route] = [0] * len(_ENDS)
        durations[bisect_left(REQUEST_BUCKET_SECONDS, seconds)] += 1

    def samples(self) -> Iterator[Sample]:
        """Yield all of it."""
        for labels, count in self._outcomes.items():
            yield Sample(REQUESTS, count, labels)
        for route, durations in self._durations.items():
            yield from bucket_samples(REQUEST_SECONDS, (route,), _ENDS, tuple(accumulate(durations)))


def route_of(method: str, path: str) -> str:
    """Return the route as metrics name it: never anything that a client made up."""
    route = _TEMPLATES.get(f"{method} {path}") or _TEMPLATES.get(f"{method} {path.rpartition('/')[0]}/{{}}")
    if route is not None:
        return route
    return OTHER if path.startswith("/api") or path in PROBES else PAGES
