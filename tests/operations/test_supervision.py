import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from cli.up import data_dir, process_tree
from cli.up.restarter import Restarter
from cli.up.watchdog import HeartbeatTimer
from config import ports

# A process of its own: everything that it started belongs to one process tree, and the servers of these tests are ours.
ENDS_ITS_FAMILY = """
import subprocess, sys, time
import psutil
from cli.up import process_tree

LEAVES_AN_ORPHAN_WITHOUT_A_MARKER = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], env={});"
    "time.sleep(60)"
)
members = process_tree.ProcessTree("a market of this test")
parent = subprocess.Popen([sys.executable, "-c", LEAVES_AN_ORPHAN_WITHOUT_A_MARKER])
deadline = time.monotonic() + 10
while not psutil.Process(parent.pid).children():
    assert time.monotonic() < deadline
    time.sleep(0.02)
(orphan,) = psutil.Process(parent.pid).children()
members.look()
parent.kill()
parent.wait()
left = members.left()
process_tree.end(left, patience_seconds=5)
assert orphan in left
assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
"""


class FakeChild:
    """A child that has always just ended."""

    name = "fake"

    def __init__(self, clock: "FakeClock") -> None:
        self.process = subprocess.Popen(["/bin/false"])
        self.process.wait()
        self.started_at: list[float] = []
        self._clock = clock

    def restart(self) -> None:
        self.started_at.append(self._clock.now)

    def stop(self) -> None:
        pass

    def is_hung(self) -> bool:
        return False


class HangingChild(FakeChild):
    """A child that runs and says nothing."""

    def __init__(self, clock: "FakeClock") -> None:
        super().__init__(clock)
        self.process = subprocess.Popen(["/bin/sleep", "60"])

    def is_hung(self) -> bool:
        return not self.started_at


class FailingChild(FakeChild):
    def restart(self) -> None:
        super().restart()
        raise RuntimeError("the disk is full")


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_that_ended_is_started_again_at_once() -> None:
    clock = FakeClock()
    child = FakeChild(clock)

    Restarter(child, clock).look()

    assert child.started_at == [0.0]


def test_a_child_that_hangs_is_started_again() -> None:
    clock = FakeClock()
    child = HangingChild(clock)
    watch = Restarter(child, clock)

    watch.look()
    watch.look()
    child.process.kill()
    child.process.wait()

    assert child.started_at == [0.0]


def test_a_child_that_keeps_ending_is_restarted_with_backoff() -> None:
    clock = FakeClock()
    child = FakeChild(clock)
    watch = Restarter(child, clock)

    for _ in range(200):
        watch.look()
        clock.now += 0.5

    # Each end is noticed half a second after the start.
    waits = [later - earlier - 0.5 for earlier, later in pairwise(child.started_at)]
    assert waits == [2, 4, 8, 16, 30, 30]


def test_a_child_that_was_steady_for_a_minute_is_forgiven() -> None:
    clock = FakeClock()
    child = FakeChild(clock)
    watch = Restarter(child, clock)
    watch.look()

    clock.now += 61
    watch.look()

    assert child.started_at == [0, 61]


def test_a_start_that_fails_is_tried_again() -> None:
    clock = FakeClock()
    child = FailingChild(clock)
    watch = Restarter(child, clock)

    for _ in range(3):
        watch.look()
        clock.now += 10

    assert child.started_at == [0, 20]


def test_watchdog_sees_a_silent_child_and_a_child_sees_the_end_of_its_parent() -> None:
    program = """
import sys, threading
from cli.up.watchdog import Watchdog
gone = threading.Event()
line = Watchdog(on_parent_gone=gone.set)
line.beat()
sys.exit(0 if gone.wait(10) else 1)
"""
    heartbeat = HeartbeatTimer(first_beat_seconds=60)
    child = heartbeat.spawn(lambda line: subprocess.Popen([sys.executable, "-c", program], stdin=line))
    assert heartbeat.silence() < 0

    until(lambda: heartbeat.silence() >= 0)
    heartbeat.close()

    assert child.wait(10) == 0


def test_processes_are_found_by_the_marker_and_only_by_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(process_tree.MARKER, "this market")
    ours = subprocess.Popen(["/bin/sleep", "60"])
    monkeypatch.setenv(process_tree.MARKER, "this market too")
    others = subprocess.Popen(["/bin/sleep", "60"])

    try:
        until(lambda: {process.pid for process in process_tree.marked("this market")} == {ours.pid})
    finally:
        ours.kill()
        others.kill()
        ours.wait()
        others.wait()


def test_an_orphan_that_lost_its_marker_is_ended_with_the_rest() -> None:
    subprocess.run([sys.executable, "-c", ENDS_ITS_FAMILY], check=True, timeout=60)


def test_a_copied_folder_does_not_claim_the_processes_of_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(process_tree.MARKER, "")
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    copy.mkdir()
    marker, _ = process_tree.new_marker(original)
    (copy / "market").write_text((original / "market").read_text())

    assert process_tree.new_marker(original)[1] == marker
    assert process_tree.new_marker(copy)[1] is None
    data_dir.remember(original, "up", os.getpid())
    shutil.copytree(original / "pids", copy / "pids")
    assert data_dir.remembered(original).keys() == {"up"}
    assert data_dir.remembered(copy) == {}


def test_ports_of_markets_that_have_not_bound_theirs_yet_are_kept_apart() -> None:
    with ports.reserve() as one, ports.reserve() as other:
        assert abs(one.base - other.base) >= 200


def test_a_port_in_use_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        assert not ports.is_free(server.getsockname()[1])
