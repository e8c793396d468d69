"""Each scenario of `holdfast load` on a real market, the example of docs/load.md, and the rehearsal of the runbooks."""

import asyncio
import json
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.load.report.schema import REPORT, Report
from cli.load.summaries import SUMMARIES
from tests.cluster.conftest import People

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long]

DOCUMENT = Path(__file__).parents[2] / "docs" / "load.md"
RUNBOOKS = DOCUMENT.with_name("runbooks.md")
REHEARSAL = r"<!-- run by tests/cluster/test_load.py -->\n```console\n(.*?)```"
EXAMPLE = r"<!-- run by tests/cluster/test_load.py -->\n```sh\n(.*?)```.*?```sh\n(.*?)```"
_OPEN = "--rate 12 --ramp 0s --duration 3s --buyers 6 --tickets 30 --seed 3"
BRIEF = {
    "hot": _OPEN,
    "flash-sale": _OPEN,
    "browse": _OPEN,
    "mixed": f"{_OPEN} --generators 2",
    "purchase": "--users 6 --think 200ms --ramp 0s --duration 6s --buyers 6",
}
# What a visit that is not refused does last.
LAST = {"hot": "cancel", "flash-sale": "read order", "browse": "page", "mixed": "page", "purchase": "read order"}
# Of what people want at the same time somebody is refused.
CONTENDED = {"hot", "flash-sale"}
PATIENCE_SECONDS = 240


async def typed(market: RunningMarket, folder: Path, line: str) -> tuple[int, str, str]:
    """The exit code and the output of a command that somebody types."""
    program, *words = shlex.split(line)
    assert program == "holdfast"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        HOLDFAST, *words, env={**market.environment, "PATH": path}, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@dataclass(frozen=True)
class Done:
    """The reports of the scenarios, and what came of the two commands of the example in this folder."""

    reports: dict[str, Report]
    example: list[tuple[int, str, str]]
    folder: Path


@pytest.fixture(scope="module")
async def done(market: RunningMarket, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All at the same time on one market, which has to bear it. The example is the scenario `reserve`."""
    folder = tmp_path_factory.mktemp("load")

    async def report(scenario: str) -> Report:
        code, output, errors = await typed(market, folder, f"holdfast load {scenario} {BRIEF[scenario]} --json")
        assert output, errors
        found = REPORT.validate_python(json.loads(output))
        assert found["verdict"]["exitCode"] == code
        return found

    async def example() -> list[tuple[int, str, str]]:
        found = re.search(EXAMPLE, DOCUMENT.read_text(), re.DOTALL)
        assert found is not None
        return [await typed(market, folder, line) for line in found.groups()]

    typed_there = asyncio.create_task(example())
    reports = await asyncio.gather(*map(report, BRIEF))
    return Done(dict(zip(BRIEF, reports, strict=True)), await typed_there, folder)


@pytest.mark.parametrize("scenario", LAST)
def test_a_scenario_does_what_it_says_on_a_real_market_and_the_books_agree(done: Done, scenario: str) -> None:
    report = done.reports[scenario]
    outcomes = report["all"]["outcomes"]
    assert (outcomes["wrong"], report["wrong"]) == (0, [])
    assert report["verification"]["state"] == "agrees"
    # On a machine with nothing to spare a generator may say that it was the limit, but it says nothing wrong.
    assert report["verdict"]["result"] in {"met", "generator saturated"}
    assert report["operations"][LAST[scenario]]["outcomes"]["made"] > 0
    assert (outcomes["refused"] > 0) or scenario not in CONTENDED
    assert report["starts"]["started"] == report["starts"]["asked"] > 15


def test_a_report_says_what_the_actors_of_the_market_did_meanwhile(done: Done) -> None:
    market = done.reports["purchase"]["market"]
    assert market["whyNone"] is None
    assert market["actors"].keys() >= {"orders", "payments", "supervisor", "tickets"}
    assert market["actors"]["tickets"]["messagesPerSecond"] > 0
    assert market["actors"]["tickets"]["commitMilliseconds"] is not None
    assert market["servers"]["database"]["answerMilliseconds"] is not None


def test_every_scenario_was_tried_here() -> None:
    assert {*LAST, "reserve"} == SUMMARIES.keys()


def test_the_worked_example_of_the_document_measures_reports_and_compares(done: Done) -> None:
    (first_code, *first), (second_code, *second) = done.example
    assert first_code in (0, 3), first
    assert second_code in (0, 1, 3), second
    assert "## Compared with the earlier report" in second[0]
    for name in ("before", "after"):
        report = REPORT.validate_json((done.folder / "reports" / name / "report.json").read_bytes())
        assert report["operations"].keys() == {"reserve", "cancel"}
        assert report["verification"]["state"] == "agrees"
        assert report["settings"] is not None
        assert (done.folder / "reports" / name / "report.png").stat().st_size > 10_000


async def test_the_rehearsal_of_an_on_sale_scales_pins_loads_and_goes_back(
    done: Done, market: RunningMarket, people: People
) -> None:
    ticket = await people().lists()
    found = re.search(REHEARSAL, RUNBOOKS.read_text(), re.DOTALL)
    assert found is not None
    members = {one["name"] for one in market.status()}
    for line in found[1].splitlines():
        code, *said = await typed(market, done.folder, line.replace("TICKET", ticket["id"]))
        # A generator that shares the machine with the market may say that it was the limit.
        assert code == 0 or (code, line.split()[1]) == (3, "load"), (line, said)
    assert {one["name"] for one in market.status()} == members
