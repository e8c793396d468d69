"""Generators as actors of a Ray cluster: they share one timetable, and leave the market's nodes alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import secret_file

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[2]


def test_generators_are_actors_on_nodes_without_a_market_and_share_one_timetable(tmp_path: Path) -> None:
    token = tmp_path / "ray.token"
    secret_file.read_or_create(token)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HOLDFAST_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.load.generators_on_nodes"], env={**inherited, "RAY_AUTH_TOKEN_PATH": str(token)},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-4_000:]
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["place"] == "actors on 1 node of the Ray cluster"
    assert found["used market nodes"] == [False]
    assert found["generators"] == [0, 1]
    # Poisson: within four deviations of 200.
    assert 144 <= found["asked"] == found["answered"] == found["heard"] <= 256
    assert not found["is still connected"]
