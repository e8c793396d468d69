"""`holdfast top`: a picture that fits the terminal, rates from what changed, and keys that end it."""

import os
import pty
import select
import subprocess
import termios
import time
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.status.document import Status
from cli.top.frame import frame
from cli.top.rates import rates_between
from tests.operations.test_status import NOBODY, WHOLE, a_status, an_actor
from tests.support.command_line import run
from tests.support.examples import new_id

PATIENCE_SECONDS = 60.0


def shown(status: Status, rates: dict[str, Counter[str]] | None = None, height: int = 24) -> list[str]:
    console = Console(width=80, record=True, file=StringIO())
    console.print(frame(status, rates or {}, height))
    return console.export_text().splitlines()


def at(status: Status, second: int) -> Status:
    return {**status, "at": f"2026-11-28T20:00:{second:02}.000Z"}


def counted(**counters: int) -> dict[str, int]:
    return {"turns": 0, "messages": 0, "commits": 0, "events": 0, **counters}


def test_rates_are_what_was_done_between_two_looks_a_second() -> None:
    before = at(a_status(an_actor("tickets-0", counters=counted(messages=100, commits=10))), 0)
    after = at(a_status(an_actor("tickets-0", counters=counted(messages=300, commits=14))), 2)
    assert rates_between(before, after) == {"tickets-0": Counter(messages=100, commits=2, turns=0, events=0)}


def test_rates_of_an_actor_that_was_started_anew_count_from_nothing() -> None:
    before = at(a_status(an_actor("tickets-0", counters=counted(messages=1_000))), 0)
    after = at(a_status(an_actor("tickets-0", writer="another", counters=counted(messages=50))), 1)
    assert rates_between(before, after)["tickets-0"]["messages"] == 50


def test_there_are_no_rates_of_actors_that_were_not_seen_twice() -> None:
    first = a_status(an_actor("tickets-0"))
    silent = at(a_status(an_actor("tickets-0", state="silent", counters={}), an_actor("tickets-1")), 2)
    assert rates_between(None, first) == {}
    assert rates_between(first, silent) == {}


def test_a_picture_shows_each_actor_its_rates_and_the_sums_in_80_columns() -> None:
    rates = {"tickets-0": Counter(turns=11, messages=2_222, commits=333, events=44), "orders-0": Counter(messages=1)}
    lines = shown(a_status(*WHOLE), rates)
    (row,) = [line for line in lines if line.startswith("tickets-0")]
    assert row.split() == ["tickets-0", "0", "0", "ms", "50%", "2", "4", "2,222", "333"]
    assert "messages 2,223/s" in lines[0]
    assert "turns 11/s" in lines[0]
    assert "replicas 1 of 1" in " ".join(lines[1:3])
    assert max(map(len, lines)) <= 80


def test_a_picture_of_many_actors_fits_the_terminal_and_shows_the_silent_and_the_busiest() -> None:
    many = [an_actor(f"ticket-{new_id()}", kind="tickets", busyShare=0.1) for _ in range(300)]
    silent = an_actor("tickets-7", state="silent", busyShare=None, mailboxDepth=None)
    busiest = an_actor("tickets-9", busyShare=0.99)
    lines = shown(a_status(*many, silent, busiest), height=24)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.startswith("tickets-")] == ["tickets-7", "tickets-9"]
    assert any(line.startswith("and 29") for line in lines)


def test_without_a_terminal_top_prints_one_picture_and_ends(mongodb_url: str, redis_url: str, tmp_path: Path) -> None:
    done = run(tmp_path, "top", "--address", NOBODY, MONGODB_URL=mongodb_url, REDIS_URL=redis_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("holdfast ") == 1
    # On a machine with much to do nobody has found out in time that nothing answers there.
    assert done.stdout.splitlines()[-1].startswith("ray is away: ")


def test_without_a_market_top_says_how_to_start_one(tmp_path: Path) -> None:
    done = run(tmp_path, "top")
    assert done.returncode == 1
    assert "holdfast up" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_top_is_ended_by_q_and_by_ctrl_c_and_leaves_the_terminal_as_it_was(
    key: bytes, mongodb_url: str, redis_url: str, tmp_path: Path
) -> None:
    terminal, own = pty.openpty()
    before = termios.tcgetattr(own)
    environment = {
        **RunningMarket(tmp_path).environment, "MONGODB_URL": mongodb_url, "REDIS_URL": redis_url, "TERM": "xterm"
    }  # fmt: skip
    words = [str(HOLDFAST), "top", "--address", NOBODY]
    # A session of its own, whose terminal this is: otherwise Ctrl-C is a letter like any other.
    with subprocess.Popen(
        words, env=environment, cwd=tmp_path, stdin=own, stdout=own, stderr=own,
        preexec_fn=lambda: os.login_tty(own),  # noqa: PLW1509 - one system call after the other
    ) as top:  # fmt: skip
        told = read_until(terminal, b"ray is away")
        os.write(terminal, key)
        assert top.wait(PATIENCE_SECONDS) == 0
    assert b"Traceback" not in told + read_rest(terminal)
    assert termios.tcgetattr(own) == before
    os.close(own)
    os.close(terminal)


def read_until(terminal: int, wanted: bytes) -> bytes:
    told, until = b"", time.monotonic() + PATIENCE_SECONDS
    while wanted not in told:
        assert time.monotonic() < until, told
        if select.select([terminal], [], [], 1.0)[0]:
            told += os.read(terminal, 65_536)
    return told


def read_rest(terminal: int) -> bytes:
    told = b""
    while select.select([terminal], [], [], 0.1)[0]:
        told += os.read(terminal, 65_536)
    return told
