"""What the README has people type, run as it stands there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.support.running_market import RunningMarket

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

README = Path(__file__).parents[3] / "README.md"


def blocks() -> list[str]:
    """The first purchase, and what the sections on payments and on programs do after it."""
    marked = README.read_text().partition("tests/cluster/one_market/test_readme.py -->")[2]
    return re.findall(r"```sh\n(.*?)```", marked, re.DOTALL)[:3]


def typed(market: RunningMarket, folder: Path, script: str) -> str:
    """What a person sees who types this."""
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**market.environment, "HOST": market.url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_the_first_purchase_of_the_readme_ends_with_a_complete_order(market: RunningMarket, tmp_path: Path) -> None:
    shown = typed(market, tmp_path, blocks()[0])
    assert '"status":"complete"' in shown
    assert '"status":"completed"' in shown
    assert '"errors"' in shown, "the seller was to be refused a new price"


def test_the_refund_and_the_3d_secure_of_the_readme_end_with_a_complete_order(
    market: RunningMarket, tmp_path: Path
) -> None:
    bought, more, _ = blocks()
    shown = typed(market, tmp_path, f"{bought}\necho AND THEN\n{more}").partition("AND THEN")[2]
    assert '"cancelReason":"refunded"' in shown
    assert '"status":"complete"' in shown


def test_the_program_of_the_readme_lists_a_ticket_with_its_token(market: RunningMarket, tmp_path: Path) -> None:
    bought, _, program = blocks()
    shown = typed(market, tmp_path, f"{bought}\necho AND THEN\n{program}").partition("AND THEN")[2]
    assert shown.count("stalls A13") == 2
    assert "stalls A12" in shown
