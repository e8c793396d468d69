"""A process is killed for its silence only while it is the one that spoke before."""

import subprocess
from collections.abc import Iterator

import psutil
import pytest

from actors.cluster.heartbeat import Heartbeat
from actors.processes.ray_directory import kill
from actors.runtime.host import Counters


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


def heartbeat(pid: int, started: float) -> Heartbeat:
    return Heartbeat("tickets-0", "tickets-0-a", pid, "node", Counters(), started=started)


def test_a_silent_process_is_killed(process: subprocess.Popen[bytes]) -> None:
    kill(heartbeat(process.pid, psutil.Process(process.pid).create_time()))
    assert process.wait(10) == -9


def test_another_process_with_the_same_pid_is_left_alone(process: subprocess.Popen[bytes]) -> None:
    kill(heartbeat(process.pid, psutil.Process(process.pid).create_time() - 3_600))
    # As an older release says it, which did not tell when its process started.
    kill(heartbeat(process.pid, 0.0))
    assert process.poll() is None


def test_a_process_that_has_gone_needs_no_killing(process: subprocess.Popen[bytes]) -> None:
    started = psutil.Process(process.pid).create_time()
    process.kill()
    process.wait(10)
    kill(heartbeat(process.pid, started))
