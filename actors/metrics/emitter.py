"""Hands metrics on once a second, as increases and values, to whatever exports them."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from actors.metrics.registry import METRICS, Metric, MetricType

EVERY_SECONDS = 1.0
# No exporter takes an increase of 0. This one begins a series, and stays far below what is counted.
ALMOST_ZERO = 1e-9


@dataclass(frozen=True, slots=True)
class Sample:
    """The count or value of one series now. `labels` are the values, in the order of the metric's labels."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


class Sink(Protocol):
    """What exports metrics."""

    def add(self, metric: Metric, increase: float, labels: dict[str, str]) -> None:
        """Raise a counter by more than 0."""

    def put(self, metric: Metric, value: float, labels: dict[str, str]) -> None:
        """Set a gauge."""


class Emitter:
    """Knows what every counter was the last time."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._last: dict[tuple[str, tuple[str, ...]], float] = {}

    def begin(self, metrics: Iterable[Metric] = METRICS.values()) -> None:
        """Begin the series of the counters that begin at zero."""
        for metric in metrics:
            if metric.begins_at_zero:
                for labels in product(*(sorted(values or ()) for values in metric.labels.values())):
                    self._sink.add(metric, ALMOST_ZERO, dict(zip(metric.labels, labels, strict=True)))

    async def run(self, samples: Callable[[], Iterable[Sample]]) -> None:
        """Emit what is known every second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self.emit(samples())

    def emit(self, samples: Iterable[Sample]) -> None:
        """Hand on what changed of counters, and all gauges."""
        for sample in samples:
            metric = sample.metric
            if metric.type is MetricType.GAUGE:
                self._sink.put(metric, sample.value, dict(zip(metric.labels, sample.labels, strict=True)))
                continue
            key = metric.name, sample.labels
            increase = sample.value - self._last.get(key, 0)
            if increase > 0:
                self._last[key] = sample.value
                self._sink.add(metric, increase, dict(zip(metric.labels, sample.labels, strict=True)))


def bucket_samples(
    metric: Metric, labels: tuple[str, ...], ends: tuple[str, ...], counts: tuple[int, ...]
) -> list[Sample]:
    """Return a sample for each bucket; `counts` are cumulative."""
    return [Sample(metric, count, (*labels, end)) for end, count in zip(ends, counts, strict=False)]
