"""The report of a load test: its form, its verdict, its comparison with an earlier one, and its files."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from cli.load.generator.tally import Outcome, Starts
from cli.load.measurement import Measurement
from cli.load.plan import PlanError
from cli.load.report import files
from cli.load.report.build import report_of
from cli.load.report.comparison import compare, earlier
from cli.load.report.schema import Report, VerificationView, json_schema
from cli.load.report.text import markdown
from cli.load.report.verdict import Exit
from tests.load.support.plans import plan, snapshot

AGREES: VerificationView = {"state": "agrees", "detail": "3 orders"}
VIOLATED: VerificationView = {"state": "violated", "detail": "1 violations"}
PUBLISHED = Path(__file__).parents[2] / "docs" / "load-report.schema.json"


def a_measurement(milliseconds: float = 10.0, **changes: object) -> Measurement:
    """A hundred visits of one second, each with a request of the page and one of a ticket."""
    found = Measurement(plan(rate=100.0, stop_if="p99>1s"), "processes of this machine", 1_000.0)
    told = snapshot({"page": [milliseconds] * 100, "ticket": [milliseconds / 2] * 100})
    found.add(replace(told, starts={0: Starts(asked=100, started=100, late=3)}))
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def a_report(measurement: Measurement | None = None, verification: VerificationView = AGREES) -> Report:
    events = [{"second": 0.4, "version": 7}]
    return report_of(measurement or a_measurement(), "http://x", {"ticket_actors": 1}, verification, events)  # type: ignore[arg-type]


def with_outcomes(**counts: int) -> Measurement:
    """A measurement whose pages were answered so."""
    found = a_measurement()
    found.tally.cell(0, "page").outcomes = Counter({(Outcome(name), ""): count for name, count in counts.items()})
    return found


def test_the_published_schema_is_that_of_the_program() -> None:
    made = "make it anew: python -m cli.load.report.schema > docs/load-report.schema.json"
    assert json.loads(PUBLISHED.read_text()) == json_schema(), made


def test_a_report_has_the_form_that_is_published() -> None:
    jsonschema.validate(json.loads(json.dumps(a_report())), json.loads(PUBLISHED.read_text()))


@pytest.mark.parametrize("missing", sorted(Report.__required_keys__))
def test_a_report_without_one_of_its_parts_has_not_that_form(missing: str) -> None:
    broken = {name: value for name, value in a_report().items() if name != missing}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, json_schema())


def test_a_report_says_what_was_asked_for_and_achieved() -> None:
    report = a_report()
    assert report["starts"] == {
        "asked": 100, "started": 100, "late": 3, "dropped": 0, "askedPerSecond": 100.0, "achievedPerSecond": 100.0,
    }  # fmt: skip
    assert report["answersPerSecond"] == 200.0
    assert report["operations"]["page"]["corrected"]["p99"] == pytest.approx(10, rel=0.001)
    assert report["operations"]["ticket"]["corrected"]["p99"] == pytest.approx(5, rel=0.001)
    assert report["all"]["answers"] == 200
    assert [each["answers"] for each in report["series"]] == [200]
    assert report["load"]["model"] == "open"
    assert {"holdfast", "ray"} <= report["machine"]["versions"].keys()


@pytest.mark.parametrize(
    ("measurement", "verification", "result", "code", "reason"),
    [
        (a_measurement(), AGREES, "met", Exit.MET, None),
        (a_measurement(), {"state": "not done", "detail": "away"}, "met", Exit.MET, None),
        (with_outcomes(made=50, refused=50), AGREES, "met", Exit.MET, None),
        (a_measurement(2_000), AGREES, "not met", Exit.NOT_MET, "p99>1s"),
        (a_measurement(stopped="Ctrl-C"), AGREES, "not met", Exit.NOT_MET, "stopped: Ctrl-C"),
        (with_outcomes(made=99, wrong=1), AGREES, "wrong", Exit.NOT_MET, "1 answers were wrong"),
        (a_measurement(), VIOLATED, "wrong", Exit.NOT_MET, "holdfast verify: 1 violations"),
    ],
)
def test_the_verdict_and_its_exit_code(
    measurement: Measurement, verification: VerificationView, result: str, code: Exit, reason: str | None
) -> None:
    verdict = a_report(measurement, verification)["verdict"]
    assert (verdict["result"], verdict["exitCode"]) == (result, code)
    assert verdict["reasons"] == ([] if reason is None else [reason])


@pytest.mark.parametrize(
    ("lagging", "cpu_share", "is_saturated"), [(0, 0.5, False), (6, 0.5, True), (0, 0.99, True), (5, 0.95, False)]
)
def test_a_generator_that_was_the_limit_is_named(lagging: int, cpu_share: float, *, is_saturated: bool) -> None:
    told = snapshot({"page": [1.0] * 100}, starts={0: Starts(asked=100, started=100, lagging=lagging)})
    measurement = Measurement(plan(), "here")
    measurement.add(replace(told, cpu_share=cpu_share))
    report = a_report(measurement)
    assert report["generator"]["saturated"] is is_saturated
    assert report["verdict"]["exitCode"] == (Exit.SATURATED if is_saturated else Exit.MET)


def test_wrong_answers_matter_more_than_a_busy_generator() -> None:
    measurement = with_outcomes(made=1, wrong=1)
    measurement.seconds[0].cpu_shares[0] = 1.0
    assert a_report(measurement)["verdict"]["exitCode"] == Exit.NOT_MET


def test_the_text_has_the_model_the_figures_and_the_verdict() -> None:
    slow = a_report(a_measurement(2_000))
    text = markdown(slow, compare(a_report(), slow, 0.2))
    for words in ("# Load test: browse", "**not met**", "- p99>1s", "open: 100 arrivals a second", "corrected", "p99.9",
                  "agrees: 3 orders", "ticket_actors=1", "membership 7", "**worse**"):  # fmt: skip
        assert words in text


def test_figures_beyond_the_tolerance_are_worse() -> None:
    before, slower, slow = a_report(), a_report(a_measurement(11.5)), a_report(a_measurement(13))
    assert not any(each.is_worse for each in compare(before, slower, 0.2))
    worse = {each.name for each in compare(before, slow, 0.2) if each.is_worse}
    assert worse == {"page: p50 ms", "page: p99 ms", "ticket: p50 ms", "ticket: p99 ms"}
    assert not any(each.is_worse for each in compare(slow, before, 0.2))


def test_more_errors_and_fewer_answers_are_worse() -> None:
    fewer = compare(a_report(), a_report(with_outcomes(made=10, unknown=30)), 0.2)
    assert {each.name for each in fewer if each.is_worse} == {"answers a second", "errors"}


def test_a_report_is_compared_with_one_of_the_same_load_only(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(a_report()))
    assert earlier(file, plan(rate=100.0)) == a_report() | {"machine": earlier(file, plan(rate=100.0))["machine"]}
    for other in (plan(rate=200.0), plan(rate=None, users=3), plan(scenario="hot", rate=100.0)):
        with pytest.raises(PlanError, match="is of another load"):
            earlier(file, other)
    file.write_text("{}")
    with pytest.raises(PlanError, match=r"is not the report\.json of a load test"):
        earlier(file, plan(rate=100.0))
    with pytest.raises(PlanError, match="cannot be read"):
        earlier(tmp_path / "nowhere", plan(rate=100.0))


def test_a_report_of_before_the_market_was_watched_can_be_compared_with(tmp_path: Path) -> None:
    file, now = tmp_path / "report.json", a_report()
    file.write_text(json.dumps({name: value for name, value in now.items() if name != "market"}))
    before = earlier(file, plan(rate=100.0))
    assert "market" not in before
    assert not any(each.is_worse for each in compare(before, now, 0.2))
    assert "What the market did" not in markdown(before)
    file.write_text(json.dumps({**now, "market": {"samples": 1}}))
    with pytest.raises(PlanError, match=r"is not the report\.json of a load test"):
        earlier(file, plan(rate=100.0))


def test_the_files_are_json_text_and_a_picture(tmp_path: Path) -> None:
    written = files.write(a_report(), markdown(a_report()), tmp_path)
    assert [file.name for file in written] == ["report.json", "report.md", "report.png"]
    as_json, as_text, picture = written
    jsonschema.validate(json.loads(as_json.read_text()), json_schema())
    assert "![over time](report.png)" in as_text.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_a_report_without_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "can_draw", lambda: False)
    assert [file.name for file in files.write(a_report(), "text", tmp_path)] == ["report.json", "report.md"]
    assert "holdfast[load]" in files.WITHOUT_PICTURE
