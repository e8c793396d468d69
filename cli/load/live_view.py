"""What one sees while a load runs: a table that is renewed in a terminal, a line now and then elsewhere."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from cli.load.generator.tally import ERRORS, Latencies, Outcome
from cli.load.measurement import Measurement, Second

# Of a log that somebody reads afterwards.
_LINE_SECONDS = 5.0
_REDRAWN_SECONDS = 0.25

OnNews = Callable[[Measurement], None]


@contextmanager
def live_view(console: Console) -> Iterator[OnNews]:
    """Give what is to be told of a measurement again and again."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield _at_most_every(_REDRAWN_SECONDS, lambda measurement: live.update(_table(measurement)))
    else:
        yield _at_most_every(_LINE_SECONDS, lambda measurement: console.print(_line(measurement), markup=False))


def _at_most_every(seconds: float, show: OnNews) -> OnNews:
    last = time.monotonic()

    def on_news(measurement: Measurement) -> None:
        nonlocal last
        if measurement.seconds and time.monotonic() - last >= seconds:
            last = time.monotonic()
            show(measurement)

    return on_news


@dataclass(frozen=True, slots=True)
class _Figures:
    """What is shown of a time: rates a second, latencies from the intended start."""

    asked: float
    started: float
    answers: float
    latencies: Latencies
    dropped: int
    outcomes: Counter[Outcome]

    def rows(self) -> list[str]:
        """Return the figures in the order of _ROWS."""
        rates = (f"{each:,.0f}" for each in (self.asked, self.started, self.answers))
        percentiles = (f"{self.latencies.percentile(percent) * 1_000:,.1f}" for percent in (50, 99))
        counts = (f"{self.outcomes[outcome]:,}" for outcome in Outcome)
        return [*rates, *percentiles, *counts, f"{self.dropped:,}"]


_ROWS = ("asked/s", "begun/s", "answers/s", "p50 ms", "p99 ms", *Outcome, "dropped")


def _table(measurement: Measurement) -> Table:
    at, last, whole = _figures(measurement)
    figures = Table("", "last second", "so far")
    for row in zip(_ROWS, last.rows(), whole.rows(), strict=True):
        figures.add_row(*row)
    seconds = measurement.plan.model.seconds
    table = Table.grid()
    table.add_row(f"{measurement.plan.scenario}, {measurement.plan.model_in_words}")
    table.add_row(ProgressBar(total=seconds, completed=min(at, seconds), width=60))
    table.add_row(figures)
    return table


def _line(measurement: Measurement) -> str:
    at, last, whole = _figures(measurement)
    p50, p99 = (last.latencies.percentile(percent) * 1_000 for percent in (50, 99))
    errors = sum(whole.outcomes[each] for each in ERRORS)
    return (
        f"{at:4.0f} s of {measurement.plan.model.seconds:g}: {last.started:,.0f} of {last.asked:,.0f} visits/s, "
        f"{last.answers:,.0f} answers/s, p50 {p50:,.1f} ms, p99 {p99:,.1f} ms; so far "
        f"{whole.outcomes[Outcome.REFUSED]:,} refused, {errors:,} errors, {whole.dropped:,} dropped"
    )


def _figures(measurement: Measurement) -> tuple[float, _Figures, _Figures]:
    """Return the seconds that are told of, the last of them, and all of them, the ramp included."""
    told = [
        number for number, each in measurement.seconds.items() if len(each.cpu_shares) == measurement.plan.generators
    ]
    number = max(told, default=0)
    second = measurement.seconds.get(number, Second())
    latencies = Latencies()
    for packed in second.latencies:
        latencies.add_packed(packed)
    one, starts = second.starts, measurement.starts(every := range(len(measurement.plan.model.stages)))
    last = _Figures(one.asked, one.started, second.outcomes.total(), latencies, one.dropped, second.outcomes)
    answers, at = measurement.answers(every), number + 1
    total = answers.outcomes.total() / at
    whole = _Figures(starts.asked / at, starts.started / at, total, answers.latencies, starts.dropped, answers.outcomes)
    return at, last, whole
