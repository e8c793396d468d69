"""The README's first purchase, run as it stands there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.running_market import RunningMarket

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

README = Path(__file__).parents[2] / "README.md"


def test_the_first_purchase_of_the_readme_ends_with_a_complete_order(market: RunningMarket, tmp_path: Path) -> None:
    after_the_mark = README.read_text().partition("tests/cluster/test_readme.py -->")[2]
    block = re.search(r"```sh\n(.*?)```", after_the_mark, re.DOTALL)
    assert block is not None
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "-euo", "pipefail", "-c", block[1]],
        cwd=tmp_path,
        env={**market.environment, "HOST": market.url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"status":"complete"' in done.stdout
    assert '"status":"completed"' in done.stdout
    assert '"errors"' in done.stdout, "the seller was to be refused a new price"
