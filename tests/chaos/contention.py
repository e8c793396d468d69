"""The contended load beside the nemeses, and its history checked: can what people were told be explained?"""

import asyncio
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.history.linearizability import violations
from cli.history.operations import read_history
from tests.chaos.campaign import verified
from tests.chaos.nemeses import NEMESES
from tests.chaos.outcome import Outcome

NAME = "contended, and struck"
BUYERS = 6
# Long enough for a stopped actor to be replaced, and for some trade after that.
BETWEEN_SECONDS = 12.0
LATEST_ANSWER_SECONDS = 60.0
STRIKES = (
    "TicketActor killed",
    "OrderActor killed",
    "TicketActor stopped",
    "PaymentActor killed",
    "Api replica killed",
    "TicketActor killed",
    "database killed",
    "HAProxy killed",
    "Supervisor killed",
    "TicketActor killed",
    "Redis killed",
    "database away",
)


async def under_contention(market: RunningMarket, strikes: Sequence[str] = STRIKES) -> Outcome:
    """Strike one after the other while many people contend for few tickets.

    No window of the history is excused from being right: nothing that was struck answers any more.
    """
    outcome = Outcome(NAME)
    file = market.folder / "history.jsonl"
    seconds = BETWEEN_SECONDS * (len(strikes) + 1)
    load = await asyncio.create_subprocess_exec(
        HOLDFAST, "load", "contend", str(file), "--seconds", str(seconds), "--buyers", str(BUYERS),
        env=market.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        next_at = time.monotonic()
        for name in strikes:
            next_at += BETWEEN_SECONDS
            await asyncio.sleep(next_at - time.monotonic())
            nemesis = NEMESES[name]
            await nemesis.strike(market, nemesis.find)
        said, _ = await asyncio.wait_for(load.communicate(), BETWEEN_SECONDS + LATEST_ANSWER_SECONDS)
    finally:
        if load.returncode is None:
            load.kill()
            await load.wait()
    if load.returncode:
        outcome.wrong = said.decode().splitlines()[-20:]
    outcome.reservations, outcome.violations = await asyncio.to_thread(_checked, file)
    report = await asyncio.to_thread(verified, market)
    # Holds of the last moments are still open: nobody lets go of them.
    outcome.violations += report["violations"]
    return outcome


def _checked(file: Path) -> tuple[int, list[str]]:
    history = read_history(file)
    return len(history.operations), [str(violation) for violation in violations(history)]
