"""Many purchases while the sandbox fails and actors are killed: in the end money and tickets agree."""

import json
import os
import random
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from tests.support.killing import kill_one

SETTINGS = {"reservation_seconds": 60, "payment_grace_seconds": 5, "max_holds_per_buyer": 1000}
# The load alone may take LONGEST_LOAD_SECONDS.
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1_500)]

# `make chaos` makes two thousand.
PURCHASES = int(os.environ.get("PURCHASES", "250"))
FAULTS = 0.05
BUYERS = 64
# Often enough that purchases meet it in every step, rarely enough that there is time to make some.
BETWEEN_KILLS_SECONDS = (4.0, 9.0)
LONGEST_LOAD_SECONDS = 900
SETTLING_SECONDS = 240


def _verified(market: RunningMarket) -> dict[str, Any]:
    answer = subprocess.run(
        [HOLDFAST, "verify", "--json"], env=market.environment, check=False, capture_output=True, text=True
    )
    assert answer.stdout, answer.stderr
    return dict(json.loads(answer.stdout))


def _settled(market: RunningMarket) -> dict[str, Any]:
    """What `holdfast verify` finds once nothing is in progress."""
    deadline = time.monotonic() + SETTLING_SECONDS
    while (found := _verified(market))["inProgress"] and time.monotonic() < deadline:
        time.sleep(2)
    return found


def test_purchases_under_faults_and_kills_end_with_every_cent_accounted_for(
    market: RunningMarket, tmp_path: Path
) -> None:
    victims = random.Random(7)  # noqa: S311 - whom to kill is no secret
    kills = 0
    output = tmp_path / "load.txt"
    with output.open("wb") as log:
        load = subprocess.Popen(
            [
                HOLDFAST, "load", "purchases-under-faults",
                "--purchases", str(PURCHASES), "--buyers", str(BUYERS), "--faults", str(FAULTS),
            ],
            env={**market.environment, "COLUMNS": "120"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    deadline = time.monotonic() + LONGEST_LOAD_SECONDS
    try:
        next_kill = time.monotonic() + victims.uniform(*BETWEEN_KILLS_SECONDS)
        while load.poll() is None:
            assert time.monotonic() < deadline, output.read_text()
            if time.monotonic() >= next_kill:
                kills += kill_one(market, victims, "OrderActor", "PaymentActor") is not None
                next_kill = time.monotonic() + victims.uniform(*BETWEEN_KILLS_SECONDS)
            time.sleep(0.1)
    finally:
        load.kill()
        load.wait()
    said = output.read_text()
    assert load.returncode == 0, said
    complete = re.search(r"│ complete +│ ([0-9,]+) +│", said)
    assert complete is not None, said

    found = _settled(market)

    print(f"{kills} kills\n{said}\n{json.dumps(found, indent=1)}")  # noqa: T201 - the figures of the run
    assert kills >= 3
    assert found["violations"] == []
    assert found["inProgress"] == 0
    # Whoever was told that the order is complete has it; a buyer whose patience ended may have one more.
    assert found["completedOrders"] >= int(complete[1].replace(",", "")) > PURCHASES / 2
    assert found["captured"]["usd"] - found["refunded"]["usd"] == found["sold"]["usd"]


def test_the_logs_tell_nothing_of_cards_keys_and_secrets(market: RunningMarket) -> None:
    """After thousands of payments with every kind of failure."""
    secrets = [b"pm_card_", b"_secret_", b"whsec_", b"sk_test_", market.key.encode()]
    own = [path for path in (market.folder / "logs").rglob("*") if path.is_file()]
    logs = [*own, market.folder / "up.log", *_ray_logs(market)]
    assert logs
    for log in logs:
        content = log.read_bytes()
        assert not [secret for secret in secrets if secret in content], log


def _ray_logs(market: RunningMarket) -> list[Path]:
    """What actors and replicas wrote, wherever Ray keeps it."""
    (session,) = {
        Path(word.partition("=")[2])
        for process in market.processes("raylet")
        for word in process.cmdline()
        if word.startswith("--session_dir=")
    }
    return [path for path in (session / "logs").rglob("*") if path.is_file() and path.stat().st_size]
