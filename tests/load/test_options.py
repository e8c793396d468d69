"""What is asked for on the command line: what is understood, and what is refused in one line that says why."""

from collections import Counter

import pytest

from cli.load.conditions import Answers, Condition, conditions
from cli.load.generator.connection import Target
from cli.load.generator.tally import Latencies, Outcome
from cli.load.plan import PlanError, seconds
from cli.load.scenarios import SCENARIOS
from cli.load.summaries import SUMMARIES
from tests.load.support.plans import plan


def answers(milliseconds: float, **outcomes: int) -> Answers:
    """A hundred answers that took so long, the slowest of them ten times as long."""
    latencies = Latencies()
    for each in [milliseconds] * 99 + [milliseconds * 10]:
        latencies.record(each / 1_000)
    return Answers(latencies, Counter({Outcome(name): count for name, count in outcomes.items()}))


def test_every_scenario_says_what_it_does() -> None:
    assert SUMMARIES.keys() == SCENARIOS.keys()


def test_an_open_model_has_a_ramp_that_does_not_count_and_steps_that_share_the_duration() -> None:
    model = plan(rate=None, steps="200,400,800", ramp="30s", duration="2m").model
    found = [(stage.seconds, stage.first_rate, stage.last_rate, stage.is_measured) for stage in model.stages]
    assert found == [(30, 0, 200, False), (40, 200, 200, True), (40, 400, 400, True), (40, 800, 800, True)]
    assert model.users is None


def test_a_closed_model_has_users_and_no_arrivals() -> None:
    model = plan(rate=None, users=64, think="500ms", ramp="0s", duration="1m").model
    assert (model.users, model.think_seconds, model.seconds) == (64, 0.5, 60)
    assert model.stages[0].arrivals == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 500.0, "duration": "2m", "ramp": "30s"}, "open: 500 arrivals a second (Poisson, whatever"),
        ({"rate": None, "steps": "1,2", "arrivals": "constant"}, "open: 1 then 2 arrivals a second (constant"),
        ({"rate": None, "users": 64, "think": "1s"}, "closed: 64 users who think for 1 s on average"),
    ],
)
def test_the_model_is_named_in_words(changes: dict[str, object], words: str) -> None:
    assert words in plan(**changes).model_in_words


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate": None}, "give one of --rate, --steps (open model) and --users (closed model)"),
        ({"users": 3}, "give one of"),
        ({"rate": None, "steps": "200,x"}, "--steps several such as 200,400,800"),
        ({"rate": None, "steps": "0"}, "--steps several"),
        ({"rate": -3.0}, "--rate"),
        ({"duration": "soon"}, "--duration must be a duration such as 30s, 2m or 1h, at most 4h"),
        ({"duration": "5h"}, "at most 4h"),
        ({"duration": "0s"}, "--duration must be more than nothing"),
        ({"stop_if": "p98>2s"}, "p98 must be one of p50, p90, p95, p99, p99.9, max"),
        ({"stop_if": "errors>2s"}, "errors must be one of p50"),
        ({"stop_if": "p99>2s,slow"}, "'slow' must be like p99>2s or errors>1%"),
        ({"target": "ftp://x"}, "must be an address without a path"),
        ({"target": "http://x/api"}, "must be an address without a path"),
        ({"target": "http://me:hunter2@x"}, "must not have a user or a password in it"),
        ({"target": "http://x:99999"}, "Port out of range"),
        ({"generators": 5}, "--buyers must be 5 at least"),
        ({"scenario": "reserve", "generators": 4, "tickets": 3}, "--tickets must be as many as there are generators"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_the_reason(changes: dict[str, object], said: str) -> None:
    with pytest.raises(PlanError) as refused:
        plan(**changes)
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(("text", "expected"), [("30s", 30), ("2m", 120), ("1.5h", 5400), ("500ms", 0.5), ("7", 7)])
def test_durations_have_units(text: str, expected: float) -> None:
    assert seconds(text, "--x") == expected


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("http://127.0.0.1:8000", Target("127.0.0.1", 8000), "127.0.0.1:8000"),
        ("https://tickets.example.com/", Target("tickets.example.com", 443, is_tls=True), "tickets.example.com"),
        ("http://[::1]:81", Target("::1", 81), "[::1]:81"),
    ],
)
def test_an_address_is_a_target(url: str, target: Target, authority: str) -> None:
    assert Target.of(url) == target
    assert target.authority == authority


@pytest.mark.parametrize(
    ("condition", "found", "holds"),
    [
        ("p50>100ms", answers(150, made=100), True),
        ("p50>100ms", answers(90, made=100), False),
        ("max>1s", answers(150, made=100), True),
        ("p95>1s", answers(150, made=100), False),
        ("errors>1%", answers(1, made=98, unknown=1, unavailable=1), True),
        ("errors>2%", answers(1, made=98, unknown=1, unavailable=1), False),
        ("errors>1%", answers(1, refused=99, made=1), False),
        ("refused>50%", answers(1, refused=99, made=1), True),
        ("limited>0%", answers(1, made=99, limited=1), True),
    ],
)
def test_a_condition_holds_beyond_its_limit(condition: str, found: Answers, *, holds: bool) -> None:
    assert Condition.of(condition).holds(found) is holds


def test_a_condition_says_nothing_of_few_answers() -> None:
    latencies = Latencies()
    latencies.record(9)
    assert not Condition.of("max>1s").holds(Answers(latencies, Counter({Outcome.MADE: 1})))


def test_conditions_are_listed_with_commas() -> None:
    assert [each.text for each in conditions("p99>2s, errors>1%")] == ["p99>2s", "errors>1%"]
    assert conditions("") == ()
