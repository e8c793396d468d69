"""A market whose actors' calls get lost now and then: Ray's own failure injection, under load."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.support.running_market import RunningMarket
from tests.chaos.campaign import audit
from tests.chaos.judgement import longest_gap, slowest, wrong_answers
from tests.chaos.outcome import Hit, Outcome
from tests.chaos.probe import probing
from tests.chaos.records import Verb

NAME = "calls between actors lost"
# In per cent of all calls each: the call is lost, its answer is lost, or both sides see an error while it is carried
# out. Three per cent together; at nine, Ray's own waits for news of the actor use up what callers are ready to wait.
EACH = 1
RPCS = ("CoreWorkerService.grpc_client.PushTask", "ray::rpc::ActorInfoGcsService.grpc_client.GetNamedActorInfo")
# Serve takes one lost question after a replica's health for the death of the replica, and replaces it.
REPLICAS_ARE_REPLACED = True
STOCK = 50
STARTS = 4


def failures() -> str:
    """The value of RAY_testing_rpc_failure: JSON since Ray 2.5x, -1 means any number of them."""
    each = {
        "num_failures": -1,
        "req_failure_prob": EACH,
        "resp_failure_prob": EACH,
        "in_flight_failure_prob": EACH,
    }
    return json.dumps(dict.fromkeys(RPCS, each))


@contextmanager
def _started(folder: Path) -> Iterator[RunningMarket]:
    """A running market. Ray Serve's own start has calls that must not get lost, so it may take a few attempts."""
    market = RunningMarket(folder, max_holds_per_buyer=10_000, RAY_testing_rpc_failure=failures())
    try:
        for attempts_left in reversed(range(STARTS)):
            try:
                market.start()
                break
            except TimeoutError:
                market.stop()
                if not attempts_left:
                    raise
        yield market
    finally:
        market.stop()


async def under_lost_calls(folder: Path, seconds: float) -> Outcome:
    """What comes of a market that runs like this for so long: nothing ends, so nothing recovers; the gap counts."""
    outcome = Outcome(NAME)
    with _started(folder) as market:
        async with probing(market, stock=STOCK) as probe:
            began = time.monotonic()
            await asyncio.sleep(seconds)
            await probe.pause()
            gap = longest_gap(probe.answers, Verb.RESERVE, began, began + seconds)
            outcome.hits.append(Hit(0.0, None, gap, slowest(probe.answers, Verb.RESERVE, began)))
            outcome.wrong = wrong_answers(probe.answers, may_break=REPLICAS_ARE_REPLACED)
            outcome.count(probe.answers)
            await audit(market, probe, outcome)
    return outcome
