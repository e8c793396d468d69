"""`holdfast load SCENARIO` as one calls it: its output, its exit codes, and one line for each mistake."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.load import command
from cli.load.market.watch import ELSEWHERE
from cli.load.report.schema import REPORT
from cli.load.summaries import SUMMARIES
from cli.main import app
from tests.load.support.server import Server, market, server
from tests.support.command_line import run
from tests.support.eventually import eventually

BRIEF = ("--ramp", "0s", "--duration", "500ms", "--buyers", "2")


@pytest.fixture
def small() -> Iterator[Server]:
    with server() as serving:
        yield serving


def load(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["load", *words], env={"DATA_DIR": str(folder), "COLUMNS": "200"})


def target(serving: Server) -> tuple[str, str]:
    return "--target", f"http://127.0.0.1:{serving.port}"


def test_every_scenario_is_a_command_with_help(tmp_path: Path) -> None:
    said = load(tmp_path, "--help").output
    for name, summary in SUMMARIES.items():
        assert name in said
        assert summary.partition(".")[0] in load(tmp_path, name, "--help").output


def test_a_load_that_is_met_reports_and_exits_with_0(tmp_path: Path, small: Server) -> None:
    done = load(tmp_path, "browse", "--rate", "50", "--report", str(tmp_path / "new" / "r"), *target(small), *BRIEF)
    assert done.exit_code in (0, 3), done.output  # 3 on a machine so busy that the generator was late
    assert "open: 50 arrivals a second" in done.stdout
    assert "set MONGODB_URL to have its books checked" in done.stdout
    assert f"## What the market did meanwhile\n\n{ELSEWHERE}\n" in done.stdout
    assert "report.png" in done.stderr
    assert (
        REPORT.validate_json((tmp_path / "new" / "r" / "report.json").read_bytes())["verdict"]["exitCode"]
        == done.exit_code
    )


def test_a_database_that_is_away_leaves_the_books_unverified(tmp_path: Path, small: Server) -> None:
    done = run(
        tmp_path, "load", "browse", "--rate", "50", *target(small), *BRIEF,
        MONGODB_URL="mongodb://127.0.0.1:1/holdfast",
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    assert "not done: the ledgers could not be read" in done.stdout
    assert "Traceback" not in done.stderr


def test_with_json_the_output_is_the_report_alone(tmp_path: Path, small: Server) -> None:
    done = load(tmp_path, "browse", "--users", "3", "--think", "50ms", "--json", *target(small), *BRIEF)
    report = REPORT.validate_python(json.loads(done.stdout))
    assert (report["load"]["model"], report["load"]["users"]) == ("closed", 3)
    assert report["starts"]["started"] == report["all"]["answers"] > 3


async def test_after_ctrl_c_there_is_a_report_of_what_was_measured(tmp_path: Path, small: Server) -> None:
    words = ("load", "browse", "--rate", "100", "--ramp", "0s", "--duration", "1m", *target(small))
    process = await asyncio.create_subprocess_exec(
        HOLDFAST, *words, env=RunningMarket(tmp_path).environment, cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await eventually(lambda: len(small.asked) > 250, 60)
        process.send_signal(signal.SIGINT)
        output, errors = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode in (1, 3), errors.decode()
    assert "# Load test: browse" in output.decode()
    assert process.returncode == 3 or "stopped: Ctrl-C" in output.decode()


def test_wrong_answers_exit_with_1(tmp_path: Path) -> None:
    def answers(method: str, path: str, body: str) -> tuple[int, str]:
        return (500, "") if (method, path) == ("GET", "/api/tickets") else market(method, path, body)

    with server(answers) as broken:
        done = load(tmp_path, "browse", "--rate", "50", *target(broken), *BRIEF)
    assert done.exit_code == 1
    assert "page: answered with 500" in done.stdout


def test_a_generator_that_is_the_limit_exits_with_3(tmp_path: Path, small: Server) -> None:
    done = load(tmp_path, "browse", "--rate", "50000", "--arrivals", "constant", *target(small), *BRIEF)
    assert done.exit_code == 3, done.output
    assert re.search(r"the generator was the limit \(\d+% of a core", done.stdout)


def test_a_figure_that_became_worse_exits_with_1(tmp_path: Path, small: Server) -> None:
    words = ("browse", "--rate", "50", *target(small), *BRIEF)
    load(tmp_path, *words, "--report", str(tmp_path))
    report = json.loads((tmp_path / "report.json").read_text())
    for operation in report["operations"].values():
        operation["corrected"]["p99"] = 0.001
    (tmp_path / "report.json").write_text(json.dumps(report))
    done = load(tmp_path, *words, "--compare", str(tmp_path / "report.json"))
    assert done.exit_code in (1, 3), done.output
    assert "**worse**" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reserve",), "give one of --rate, --steps (open model) and --users (closed model)"),
        (("reserve", "--rate", "5", "--stop-if", "p98>2s"), "p98 must be one of"),
        (("reserve", "--rate", "5", "--target", "nowhere"), "must be an address without a path"),
        (("reserve", "--rate", "5", "--compare", "nowhere.json"), "--compare: nowhere.json cannot be read"),
        (("reserve", "--rate", "x"), "--rate"),
        (("reserve", "--users", "0"), "--users"),
        (("no-such-scenario", "--rate", "5"), "no-such-scenario"),
    ],
)
def test_wrong_usage_is_said_in_a_line_and_exits_with_2(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = load(tmp_path, *words)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("status", "said"), [(429, "RATE_LIMITS=off"), (403, "REQUIRE_VERIFIED_EMAIL=false"), (404, "a market of Holdfast")]
)
def test_a_market_that_cannot_be_loaded_says_what_to_do(tmp_path: Path, status: int, said: str) -> None:
    with server(lambda *_: (status, "")) as closed:
        done = load(tmp_path, "reserve", "--rate", "5", *target(closed))
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_report_that_cannot_be_written_is_refused_before_the_load(tmp_path: Path, small: Server) -> None:
    (tmp_path / "file").touch()
    done = load(tmp_path, "browse", "--rate", "5", *target(small), "--report", str(tmp_path / "file" / "r"))
    assert done.exit_code == 1
    assert done.stderr == f"{tmp_path / 'file' / 'r'} cannot be written: Not a directory\n"
    assert small.asked == []


def test_a_market_that_is_away_is_said_in_a_line(tmp_path: Path) -> None:
    done = load(tmp_path, "reserve", "--rate", "5", "--target", "http://127.0.0.1:1")
    assert done.exit_code == 1
    assert "does not answer" in done.stderr


def test_without_the_extra_the_command_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    done = load(tmp_path, "reserve", "--rate", "5")
    assert done.exit_code == 1
    assert done.stderr == "measured load needs what `pip install 'holdfast[load]'` brings\n"
