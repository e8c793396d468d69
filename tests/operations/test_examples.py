"""The examples do what their README says."""

import re
import subprocess
import sys
from pathlib import Path

from bson import ObjectId
from pydantic import SecretStr

from config.settings import Settings
from tests.models.served_market import served_market

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_example_purchase_prints_what_its_readme_shows(mongodb_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = Settings(
        holdfast_env="test",
        data_dir=tmp_path,
        mongodb_url=mongodb_url.replace("/holdfast", f"/example{ObjectId()}"),
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust and which is long enough for HS512 as well"),
        argon2_memory_kib=8_192,
        argon2_iterations=1,
    )
    with served_market(settings) as market:
        run = subprocess.run(
            [sys.executable, EXAMPLES / "buy_a_ticket.py", str(market.http.base_url)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    shown = re.search(r"It prints:\n\n```\n(.*?)```", (EXAMPLES / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert run.stdout == shown[1]
