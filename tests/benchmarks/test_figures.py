"""The arithmetic of the figures, and the report of them."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import bench, cost, plot, report, seeding, steps
from benchmarks.bench import Outcome, Plan
from benchmarks.comparison import middle, summary
from benchmarks.load import wrk
from benchmarks.load.result import Result, percentile, ratio
from benchmarks.scenarios import catalogue, dedicated
from config.settings import Settings


def row(who: str, number: int, rate: float, *, connections: int = 64, wrong: int = 0) -> dict[str, Any]:
    measured = {"per_second": rate, "p50_ms": rate / 10, "p99_ms": rate / 5, "wrong": wrong}
    return {"connections": connections, "round": number, "who": who, **measured}


def outcome(**changes: Any) -> Outcome:  # noqa: ANN401 - whatever a test wants different
    rows = [row("Holdfast", 1, 900.0), row("PostgreSQL", 1, 600.0)]
    found = Outcome("reservations", "a title", rows, summary(rows), verified=True)
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (51.0, 100.0, 100.0)
    assert percentile([], 0.5) == 0.0


def test_rates_count_successes_only() -> None:
    result = Result(seconds=2.0, sent=120, successes=50, refusals=Counter({409: 60}), wrong_count=5)
    assert (result.rate, result.refusal_rate, result.unanswered) == (25.0, 30.0, 5)


def test_nothing_to_compare_with_makes_no_ratio() -> None:
    assert (ratio(3.0, 2.0), ratio(3.0, 0.0)) == (1.5, 0.0)


def test_the_summary_has_medians_and_the_median_of_the_rounds_ratios() -> None:
    rows = [
        *(row("Holdfast", number, rate) for number, rate in enumerate((100.0, 300.0, 800.0))),
        *(row("PostgreSQL", number, rate, wrong=1) for number, rate in enumerate((50.0, 300.0, 1_600.0))),
    ]
    ours, theirs = summary(rows)
    assert (ours["per_second"], ours["holdfast_ratio"]) == (300.0, 1.0)
    # 2.0, 1.0 and 0.5: a noisy round moves it by one place.
    assert (theirs["per_second"], theirs["holdfast_ratio"], theirs["wrong"]) == (300.0, 1.0, 3)


def test_unanswered_requests_have_no_latency() -> None:
    nothing = {**row("reads", 1, 0.0), "refusals": {"503": 3}}
    assert middle([nothing]) == {"per_second": 0.0, "refused": 3, "wrong": 0}
    assert middle([nothing, {**row("reads", 2, 8.0), "refusals": {}}])["p50_ms"] == 0.4


def test_dedicated_actors_are_compared_with_shared_ones_of_the_same_round() -> None:
    rows = [
        {
            "placement": placement,
            **dict.fromkeys(("p50_ms", "longest_ms", "seconds", "actors_after_seconds"), 1.0),
            "p99_ms": p99,
            "actors": actors,
            "wrong": 0,
        }
        for placement, p99, actors in (
            ("shared", 100.0, 0), ("dedicated", 150.0, 20), ("dedicated", 900.0, 20), ("shared", 300.0, 0),
        )
    ]  # fmt: skip
    shared, own = dedicated._summary(rows)
    assert (shared["placement"], shared["p99_ms"], shared["actors"], shared["p99_of_shared"]) == ("shared", 200.0, 0, 1)
    # 1.5 and 3: each of its own round, not 525 of 200.
    assert (own["p99_ms"], own["actors"], own["p99_of_shared"]) == (525.0, 20, 2.25)


def test_each_number_of_connections_has_lines_of_its_own() -> None:
    rows = [row("Holdfast", 1, 100.0, connections=8), row("Holdfast", 1, 200.0, connections=128)]
    assert [(line["connections"], line["per_second"]) for line in summary(rows)] == [(8, 100.0), (128, 200.0)]


@pytest.mark.parametrize(
    ("command", "role"),
    [
        (["ray::ServeReplica:holdfast:Api.handle_request"], "Api replica"),
        (["ray::TicketActor.deliver"], "TicketActor"),
        (["ray::Supervisor"], "Supervisor"),
        (["ray::ServeController"], "Ray"),
        (["/x/haproxy", "-f", "y"], "HAProxy"),
        (["/v/python", "/v/secantusd-py", "--port", "1"], "database"),
        (["/x/redis-server", "127.0.0.1:1"], "Redis"),
        (["/v/python", "/v/holdfast", "up"], "holdfast up"),
        (["/v/ray/raylet", "--z"], "Ray"),
        ([], "Ray"),
    ],
)
def test_a_process_is_counted_for_what_it_does(command: list[str], role: str) -> None:
    assert cost.role_of(command) == role


def test_the_cost_of_a_success_is_the_difference_of_two_readings() -> None:
    counted = {"calls": 10, "messages": 200, "turns": 20, "commits": 8, "events": 160}
    counted |= {"all_calls": 30, "all_commits": 16, "calls to OrderActor": 20}
    before = cost.Reading({(1, "TicketActor"): 5.0, (2, "Ray"): 1.0}, Counter(), 100)
    after = cost.Reading({(1, "TicketActor"): 5.4, (3, "Api replica"): 0.6}, Counter(counted), 130)
    found = cost.cost(before, after, successes=200, generator_seconds=0.2)
    assert found["cpu_ms"] == pytest.approx({"TicketActor": 2.0, "Api replica": 3.0, "load generator": 1.0})
    assert (found["ray_calls"], found["commits"], found["database_commands"]) == (0.15, 0.08, 0.15)
    assert found["calls to OrderActor"] == pytest.approx(0.1)
    assert (found["messages_per_call"], found["messages_per_turn"], found["events_per_commit"]) == (20.0, 10.0, 20.0)


def test_the_costs_of_rounds_become_one_line() -> None:
    line = cost.medians([{"cpu_ms": {"Ray": 1.0}, "commits": 0.1}, {"cpu_ms": {"Ray": 3.0}, "commits": 0.3}])
    assert line == {"Ray ms": 2.0, "commits": pytest.approx(0.2)}


def test_the_report_says_what_was_wrong_and_what_reconciliation_found() -> None:
    said = io.StringIO()
    report.show(
        Console(file=said, width=120), "Database 1.0", [outcome(wrong=["a lie"], verified=False, notes=["mind this"])]
    )
    for words in ("Database 1.0", "900", "1.5", "PostgreSQL", "a lie", "mind this", "1 wrong", "complains"):
        assert words in said.getvalue()


def test_the_json_has_every_round_the_machine_and_the_generator() -> None:
    written = json.loads(
        report.as_json(Plan(3, (8, 64), quick=False, database="mongodb://u:secret@h"), "Database 1.0", [outcome()])
    )
    assert written["scenarios"]["reservations"]["rows"][0]["per_second"] == 900.0
    assert (written["machine"]["database"], "secret" in json.dumps(written)) == ("Database 1.0", False)
    assert {"cores", "python", "load_generator", "versions", "commit"} <= written["machine"].keys()


def test_the_plots_are_pictures(tmp_path: Path) -> None:
    plot.draw(outcome().summary, "wrk", tmp_path / "plot.png")
    sizes = [{"events_a_commit": size, "writers": 1, "claims": "none"} for size in (1, 64)]
    figures = {"events_per_second": 1_000.0, "database_cpu_ms": 2.5}
    plot.draw_journal([size | figures for size in sizes], "Database 1.0", tmp_path / "journal.png")
    for name in ("plot.png", "journal.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_figures_are_spoken_with_three_digits_or_whole() -> None:
    spoken = [report.spoken(value) for value in (0.04951, 44.44, 1234.5, 7, None, {"409": 1200})]
    assert spoken == ["0.0495", "44.4", "1,234", "7", "-", "409 1,200"]


def test_a_script_without_output_gives_no_result() -> None:
    with pytest.raises(wrk.WrkError):
        wrk.read(["successes\tmany\tfew"])


def test_seeded_tickets_are_what_their_commits_say() -> None:
    turns = list(seeding.turns("seed-1", seeding.TURN + 7))
    assert [(commit.seq, len(listed)) for commit, listed in turns] == [(1, seeding.TURN), (2, 7)]
    for commit, listed in turns:
        assert commit.keys == tuple(f"ticket:{ticket.id}:1" for ticket in listed)
        assert {ticket.status for ticket in listed} == {"available"}
    assert len({ticket.id for _, listed in turns for ticket in listed}) == seeding.TURN + 7


def test_no_buyer_asks_for_more_tickets_than_the_market_allows() -> None:
    asked = list(bench.reservations("k" * 32, [f"{number:024x}" for number in range(100)]))
    wanted = Counter(one.parts for one in asked)
    assert len(asked) == 100
    assert max(wanted.values()) <= Settings.model_fields["max_holds_per_buyer"].default


def page_of(*numbers: int, **changes: object) -> list[dict[str, object]]:
    return [
        {"id": f"{number:024x}", "title": f"artist7 {number}", "status": "available", "orderId": None, **changes}
        | {"createdAt": f"2026-11-25T00:00:{number:02d}Z"}
        for number in numbers
    ]


def test_a_right_page_is_not_complained_of() -> None:
    assert catalogue.wrong_with(page_of(3, 2, 1), "artist7", 3) == []
    assert catalogue.wrong_with([], "artist7", 0) == []


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        (page_of(2, 1), "2 tickets on a page"),
        (page_of(3, 3, 1), "a ticket is twice on a page"),
        (page_of(3, 2, 1, status="sold"), "a ticket that is not for sale"),
        (page_of(3, 2, 1, orderId="0" * 24), "a ticket that is not for sale"),
        (page_of(3, 2, 1, title="artist71"), "a ticket without artist7"),
        (page_of(1, 2, 3), "not the newest first"),
    ],
)
def test_a_wrong_page_is_complained_of(page: list[dict[str, object]], complaint: str) -> None:
    assert catalogue.wrong_with(page, "artist7", 3) == [complaint]


def test_the_samples_of_a_profile_are_counted_for_the_innermost_step_that_is_known() -> None:
    loop = 'thread (1): "AsyncIO Thread: default";Thread.run (threading.py:982)'
    lines = [
        f"{loop};RequestResponseCycle.run_asgi (uvicorn/http.py:1);authenticate (serve_app/accounts/x.py:2) 3",
        f"{loop};Host.run (actors/runtime/host.py:1);append (actors/storage/journal.py:9);ask (pymongo/x.py:1) 5",
        f"{loop};unheard (of.py:1) 2",
        f"{loop} 90",
        "thread (2): MainThread;main_loop (ray/_private/worker.py:1) 90",
        f"{loop};first_request (fastapi/routing.py:1);TypeAdapter.__init__ (pydantic/type_adapter.py:1) 90",
    ]
    assert steps.shares(lines) == {"journal": 0.5, "session": 0.3, steps.OTHERS: 0.2}
