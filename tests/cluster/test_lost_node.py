"""A node of a cluster is lost with its actors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
# Nine on a quiet machine.
LIMIT_SECONDS = 30


def test_actors_of_a_lost_node_go_on_at_another_and_nothing_acknowledged_is_lost() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.chaos.second_raylet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.stdout, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    outcome, found = said["outcome"], said["found"]
    assert all(found.values()), found
    assert (outcome["lost"], outcome["violations"]) == ([], [])
    assert outcome["acknowledged"] > 10
    assert 0 < outcome["hits"][0]["served_after"] <= LIMIT_SECONDS
