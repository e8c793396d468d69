"""Metrics on their way to Ray, whose agent on each node offers them to Prometheus."""

from typing import Any

from ray.util.metrics import Counter, Gauge

from actors.metrics.registry import PREFIX, Metric, MetricType


class RayMetrics:
    """See emitter.Sink. A call costs 1 us (measured), so that it is made once a second, not once a message."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def add(self, metric: Metric, increase: float, labels: dict[str, str]) -> None:
        """Raise a counter."""
        self._of(metric).inc(increase, labels)

    def put(self, metric: Metric, value: float, labels: dict[str, str]) -> None:
        """Set a gauge."""
        self._of(metric).set(float(value), labels)

    def _of(self, metric: Metric) -> Any:  # noqa: ANN401 - Ray's are not typed
        made = self._made.get(metric.name)
        if made is None:
            kind = Counter if metric.type is MetricType.COUNTER else Gauge
            made = self._made[metric.name] = kind(PREFIX + metric.name, metric.help, tuple(metric.labels))
        return made
