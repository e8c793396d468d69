"""What was handed on, in place of Ray."""

from collections import Counter

from actors.metrics.registry import Metric

Series = tuple[str, tuple[tuple[str, str], ...]]


class Recorded:
    """See emitter.Sink. Every label has one of the values that the registry allows, or is the name of a shared host."""

    def __init__(self) -> None:
        self.counted: Counter[Series] = Counter()
        self.gauges: dict[Series, float] = {}

    def add(self, metric: Metric, increase: float, labels: dict[str, str]) -> None:
        assert increase > 0
        self.counted[self._series(metric, labels)] += increase  # type: ignore[assignment]

    def put(self, metric: Metric, value: float, labels: dict[str, str]) -> None:
        self.gauges[self._series(metric, labels)] = value

    def value(self, metric: Metric, **labels: str) -> float:
        """The count or value of one series, 0 before there is one."""
        series = self._series(metric, labels)
        return round(self.counted[series] or self.gauges.get(series, 0), 6)

    @property
    def series(self) -> set[Series]:
        return {*self.counted, *self.gauges}

    @staticmethod
    def _series(metric: Metric, labels: dict[str, str]) -> Series:
        assert labels.keys() == metric.labels.keys()
        for name, value in labels.items():
            allowed = metric.labels[name]
            assert allowed is None or value in allowed, f"{metric.name} has the label {name}={value}"
        return metric.name, tuple(sorted(labels.items()))
