"""The way to the actors on Ray keeps the promises that the simulated one keeps; see tests/simulation/contracts."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import ray_environment, secret_file
from config.settings import Settings
from tests.simulation.contracts.transport import PROMISES

SECONDS = 120
ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def environment(mongodb_url: str, redis_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """That of a program with a Ray of its own."""
    token = tmp_path / "ray.token"
    secret_file.read_or_create(token)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HOLDFAST_"))}
    yield {
        **inherited,
        **ray_environment.RAY_SETTINGS,
        "RAY_AUTH_TOKEN_PATH": str(token),
        "MONGODB_URL": mongodb_url,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(tmp_path),
        # A message may go to any host: none says that another one owns its ticket.
        "TICKET_PLACEMENT": "dedicated",
    }
    shutil.rmtree(ray_environment.runtime_folder(Settings(data_dir=tmp_path)))


def test_the_transport_on_ray_keeps_its_promises(environment: dict[str, str]) -> None:
    program = [sys.executable, "-m", "tests.cluster.promises_on_ray"]
    ended = subprocess.run(
        program, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    held = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("[")]
    assert {name: broken for name, broken, _ in held if broken} == {}, ended.stderr[-4_000:]
    assert [name for name, _, _ in held] == [promise.__name__ for promise in PROMISES], ended.stderr[-4_000:]
