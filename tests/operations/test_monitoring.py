"""Alerts, dashboard and runbooks agree with each other and with what is measured."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from actors.metrics.registry import METRICS
from cli.main import app
from tests.support import promql

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/monitoring"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
CASES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana/holdfast.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{f"{panel['title']}, {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]},
}
RUNBOOKS = (ROOT / "docs/runbooks.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", RUNBOOKS, re.DOTALL)
# Run against a market in tests/cluster/test_metrics.py.
COMMANDS = sorted({line for block in BLOCKS for line in block.splitlines()})

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool, of Debian's package prometheus")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *words], check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_asks_for_metrics_and_labels_that_exist(name: str) -> None:
    assert list(promql.mistakes(EXPRESSIONS[name])) == []


@pytest.mark.parametrize(
    "expression",
    [
        "sum(ray_holdfast_no_such_metric) > 1",
        "sum(ray_serve_no_such_metric) > 1",
        "sum(ray_node_mem_used < 1",
        'sum(ray_holdfast_events_total{kinds="tickets"})',
        'sum(ray_holdfast_events_total{event="TicketStolen"})',
        "sum by (route) (ray_holdfast_events_total)",
        'rate(ray_serve_num_http_error_requests_total{status="500"}[5m]) > 1',
        "1 > 2",
    ],
)
def test_an_expression_that_asks_for_something_else_is_found(expression: str) -> None:
    assert list(promql.mistakes(expression)) != []


def test_every_metric_is_shown_or_watched() -> None:
    asked = {one.name for expression in EXPRESSIONS.values() for one in promql.asked(expression)}
    assert {metric.exported for metric in METRICS.values()} - asked == set()


@needs_promtool
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    for words in (("check", "rules", FOLDER / "alerts.yml"), ("check", "config", FOLDER / "prometheus.yml")):
        done = promtool(*words)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_alert_fires_when_it_should_and_not_otherwise() -> None:
    done = promtool("test", "rules", FOLDER / "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires: dict[str, set[bool]] = {}
    for case in CASES:
        alert = case["name"].partition(" ")[0]
        (expected,) = case["promql_expr_test"]
        assert f'alertname="{alert}"' in expected["expr"]
        assert expected["exp_samples"] in ([], [{"labels": "{}", "value": 1}])
        fires.setdefault(alert, set()).add(bool(expected["exp_samples"]))
    assert fires == {rule["alert"]: {True, False} for rule in RULES}


@needs_promtool
@pytest.mark.parametrize(("instead", "fails"), [("vector(1) < 0", "value: 1"), ("vector(1)", "exp: nil")])
def test_without_its_condition_every_alert_fails_one_of_its_cases(tmp_path: Path, instead: str, fails: str) -> None:
    broken = [{**rule, "expr": instead} for rule in RULES]
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": [{"name": "holdfast", "rules": broken}]}))
    shutil.copy(FOLDER / "alerts_test.yml", tmp_path)
    done = promtool("test", "rules", tmp_path / "alerts_test.yml")
    assert done.returncode == 1, fails
    found = set(re.findall(r'alertname=\\?"(\w+)\\?"', done.stdout + done.stderr))
    assert found == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_it_means_and_where_its_runbook_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "runbook_url"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"


def test_every_alert_has_a_runbook_with_the_same_questions_and_no_runbook_is_left_over() -> None:
    titles = re.findall(r"^## (Holdfast\w+)$", RUNBOOKS, re.MULTILINE)
    assert titles == [rule["alert"] for rule in RULES]
    for title, text in zip(titles, re.split(r"^## Holdfast\w+$", RUNBOOKS, flags=re.MULTILINE)[1:], strict=True):
        asked = re.findall(r"^\*\*([\w ]+)\.\*\*", text, re.MULTILINE)
        assert asked == ["What it means", "What users notice", "Look at", "Do"], title


@pytest.mark.parametrize("words", [line.split() for line in COMMANDS if line.startswith("holdfast ")], ids=" ".join)
def test_a_command_of_a_runbook_is_one_of_holdfast_with_all_that_it_needs(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context = command.make_context(words[0], words[1:])
    while isinstance(context.command, TyperGroup):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    assert context.args == []


def test_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        covered = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not covered & taken, panel["title"]
        taken |= covered
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
