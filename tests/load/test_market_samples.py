"""What a report says of the market meanwhile: which samples count, what is added up, and why there may be none."""

from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from cli.load.market import watch
from cli.load.market.samples import Samples
from cli.load.measurement import Measurement
from cli.load.report.build import report_of
from cli.load.report.files import write
from cli.load.report.market import market_of
from cli.load.report.schema import MarketView, Report, json_schema
from cli.load.report.text import markdown
from cli.status.document import ActorStatus, Status
from config.settings import Settings
from serve_app.http.timestamps import instant_of, iso
from tests.load.support.plans import plan, snapshot
from tests.operations.test_status import NOBODY, a_status, an_actor
from tests.support.eventually import eventually

BEGAN = "2026-11-28T20:00:00.000Z"
RAMP_SECONDS = 10


def at(second: float, *actors: ActorStatus, database: float | None = 0.002) -> Status:
    """The market so long after the load began."""
    status = a_status(*actors)
    status["at"] = iso(instant_of(BEGAN) + round(second * 1_000))
    status["servers"]["database"]["answerSeconds"] = database
    return status


def tickets(
    name: str = "tickets-0", *, messages: int = 0, commits: int = 0, fenced: int = 0, **more: object
) -> ActorStatus:
    counters = {
        "deliveries": 1,
        "messages": messages,
        "turns": messages // 2,
        "commits": commits,
        "events": 1,
        "fenced": fenced,
    }
    return an_actor(name, counters=counters, **more)


def measured(*statuses: Status) -> Measurement:
    """A load of ten seconds after a ramp of ten, during which the market was as these say."""
    samples = Samples()
    for status in statuses:
        samples.add(status)
    found = Measurement(plan(ramp=f"{RAMP_SECONDS}s", duration="10s"), "here", instant_of(BEGAN) / 1_000)
    found.add(snapshot({"page": [1.0]}))
    found.market = samples
    return found


def market(*statuses: Status) -> MarketView:
    return market_of(measured(*statuses))


def report(measurement: Measurement) -> Report:
    return report_of(measurement, "http://x", None, {"state": "not done", "detail": "away"}, [])


def test_shares_depths_and_waits_have_their_mean_and_the_highest_of_one_actor() -> None:
    found = market(
        at(12, tickets(busyShare=0.2, mailboxDepth=3), tickets("tickets-1", busyShare=0.4, oldestWaitSeconds=0.25)),
        at(14, tickets(busyShare=0.9, mailboxDepth=70, unapplied=500), tickets("tickets-1", busyShare=0.5)),
    )
    actors = found["actors"]["tickets"]
    assert actors["actors"] == 2
    assert actors["busyShare"] == {"mean": 0.5, "highest": 0.9}
    assert (actors["deepestMailbox"], actors["longestWaitMilliseconds"], actors["mostBehind"]) == (70, 250.0, 500)


def test_rates_and_commits_are_what_was_done_between_the_first_sample_that_counts_and_the_last() -> None:
    found = market(
        at(9, tickets(messages=1_000, commits=1_000, commitSeconds=500.0)),
        at(11, tickets(messages=2_000, commits=2_000, fenced=1, commitSeconds=1_000.0)),
        at(13, tickets(messages=2_100, commits=2_010, fenced=3, commitSeconds=1_000.1)),
        at(15, tickets(messages=2_400, commits=2_040, fenced=3, commitSeconds=1_001.0)),
        at(21, tickets(messages=9_000, commits=9_000, commitSeconds=9_000.0)),
    )
    actors = found["actors"]["tickets"]
    assert found["samples"] == 3
    assert (actors["messagesPerSecond"], actors["messagesPerTurn"]) == (100.0, 2.0)
    assert (actors["commitsPerSecond"], actors["fenced"]) == (10.0, 2)
    assert actors["commitMilliseconds"] == {"mean": 25.0, "highest": 30.0}


def test_an_idle_market_has_no_commit_whose_time_could_be_told() -> None:
    found = market(*(at(second, tickets(messages=7, commits=7, commitSeconds=1.0)) for second in (12, 14)))
    actors = found["actors"]["tickets"]
    assert (actors["messagesPerSecond"], actors["messagesPerTurn"], actors["commitMilliseconds"]) == (0.0, None, None)


def test_what_a_silent_actor_did_meanwhile_is_counted_when_it_answers_again() -> None:
    silent = an_actor("tickets-0", state="silent", busyShare=None, mailboxDepth=None, counters={}, commitSeconds=None)
    found = market(at(12, tickets(messages=100)), at(14, silent), at(16, tickets(messages=500)))
    assert found["actors"]["tickets"]["silent"] == 1
    assert found["actors"]["tickets"]["messagesPerSecond"] == 100.0


def test_an_actor_that_was_started_anew_counts_from_nothing() -> None:
    found = market(at(12, tickets(messages=900)), at(14, tickets(messages=50, writer="another")))
    assert found["actors"]["tickets"]["messagesPerSecond"] == 25.0


def test_a_server_that_was_away_is_counted_and_its_answers_are_those_that_came() -> None:
    found = market(at(12, database=0.002), at(14, database=None), at(16, database=0.004))
    assert found["servers"]["database"] == {"answerMilliseconds": {"mean": 3.0, "highest": 4.0}, "away": 1}
    assert market(at(12, database=None))["servers"]["database"] == {"answerMilliseconds": None, "away": 1}


def test_the_series_has_the_busiest_actor_of_each_kind_and_the_ramp() -> None:
    found = market(
        at(-1, tickets()),
        at(4, tickets(busyShare=0.1), tickets("tickets-1", busyShare=0.7)),
        at(12, an_actor("orders-0", busyShare=None), tickets(busyShare=0.3)),
    )
    assert found["series"] == [
        {"second": 4.0, "busyShare": {"tickets": 0.7}}, {"second": 12.0, "busyShare": {"tickets": 0.3}},
    ]  # fmt: skip


def test_the_report_shows_the_market_as_a_table_as_json_and_in_a_taller_picture(tmp_path: Path) -> None:
    busy = report(measured(at(12, tickets(busyShare=0.87)), at(14, tickets(messages=8, busyShare=0.87))))
    unknown = report(measured())
    jsonschema.validate(busy, json_schema())
    jsonschema.validate(unknown, json_schema())
    section = markdown(busy).partition("## What the market did meanwhile")[2]
    assert "| busy, mean " in section
    assert "87%" in section
    assert "| redis " in section
    heights = []
    for each, name in ((busy, "busy"), (unknown, "unknown")):
        (tmp_path / name).mkdir()
        *_, picture = write(each, "", tmp_path / name)
        heights.append(int.from_bytes(picture.read_bytes()[20:24]))
    assert heights[0] > heights[1]


def test_without_a_sample_that_counts_the_report_says_so_in_a_line() -> None:
    short = report(measured(at(4, tickets())))
    assert "## What the market did meanwhile\n\nthe load was too short for a sample\n" in markdown(short)
    assert short["market"]["actors"] == {}


class StandIn:
    """Answers in place of the collector, a second later each time."""

    def __init__(self, *_: object) -> None:
        self.asked = 0
        self.is_closed = False
        STARTED.append(self)

    async def collect(self) -> Status:
        self.asked += 1
        return at(self.asked, tickets())

    async def close(self) -> None:
        self.is_closed = True


STARTED: list[StandIn] = []


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[StandIn]]:
    monkeypatch.setattr(watch, "Collector", StandIn)
    monkeypatch.setattr(watch, "EVERY_SECONDS", 0.01)
    yield STARTED
    STARTED.clear()


async def test_samples_are_taken_from_before_the_load_until_it_ends(tmp_path: Path, stand_in: list[StandIn]) -> None:
    (tmp_path / "ray.address").write_text(NOBODY)
    with watch.watched(Settings(data_dir=tmp_path), is_own_market=True) as samples:
        assert samples.taken
        await eventually(lambda: len(samples.taken) >= 3)
    (collector,) = stand_in
    assert collector.is_closed
    assert collector.asked == len(samples.taken)


def test_a_market_that_is_given_by_its_address_only_is_not_asked(tmp_path: Path, stand_in: list[StandIn]) -> None:
    with watch.watched(Settings(data_dir=tmp_path), is_own_market=False) as samples:
        pass
    assert (samples.taken, samples.why_none, stand_in) == ([], watch.ELSEWHERE, [])


def test_a_market_whose_ray_is_away_is_asked_once_and_the_load_goes_on(tmp_path: Path) -> None:
    (tmp_path / "ray.address").write_text(NOBODY)
    with watch.watched(Settings(data_dir=tmp_path), is_own_market=True) as samples:
        pass
    assert samples.taken == []
    assert samples.why_none == f"not known here: ray: nothing answers at {NOBODY}"


def test_a_load_that_fails_ends_the_samples_too(tmp_path: Path, stand_in: list[StandIn]) -> None:
    (tmp_path / "ray.address").write_text(NOBODY)
    with pytest.raises(OSError, match="broken"), watch.watched(Settings(data_dir=tmp_path), is_own_market=True):
        raise OSError("broken")
    assert stand_in[0].is_closed
