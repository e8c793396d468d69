"""What one sees while a load runs, in a terminal and in a log."""

import io
from collections import Counter

import pytest
from rich.console import Console

from cli.load import live_view
from cli.load.generator.tally import Outcome
from cli.load.measurement import Measurement
from tests.load.support.plans import plan, snapshot


@pytest.fixture
def measurement() -> Measurement:
    found = Measurement(plan(rate=100.0, duration="10s"))
    found.add(snapshot({"page": [10.0] * 98 + [500.0] * 2}))
    found.seconds[0].outcomes = Counter({Outcome.MADE: 90, Outcome.REFUSED: 10})
    return found


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "_LINE_SECONDS", 0.0)
    monkeypatch.setattr(live_view, "_REDRAWN_SECONDS", 0.0)


def shown(measurement: Measurement, *, is_terminal: bool) -> str:
    said = io.StringIO()
    console = Console(file=said, force_terminal=is_terminal, width=120)
    with live_view.live_view(console) as on_news:
        on_news(measurement)
    return said.getvalue()


def test_a_terminal_shows_rates_latencies_and_outcomes(measurement: Measurement) -> None:
    said = shown(measurement, is_terminal=True)
    for words in ("browse, open: 100 arrivals a second", "asked/s", "begun/s", "p99 ms", "500.", "refused", "dropped"):
        assert words in said


def test_a_log_gets_a_line_now_and_then(measurement: Measurement) -> None:
    said = shown(measurement, is_terminal=False)
    assert said.count("\n") == 1
    assert "1 s of 10: 100 of 100 visits/s, 100 answers/s, p50 10.0 ms, p99 500." in said


def test_before_the_first_second_nothing_is_shown() -> None:
    assert shown(Measurement(plan()), is_terminal=False) == ""
