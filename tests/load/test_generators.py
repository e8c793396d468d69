"""Generators in processes of their own, against a small server: the corrected latency, rates, models, and drops."""

import threading
import time
from collections import Counter

import pytest

from cli.load.errors import LoadError
from cli.load.fleet.processes import ProcessFleet
from cli.load.generator.connection import local
from cli.load.measurement import Measurement, measure
from cli.load.preparation import prepare
from cli.load.report.schema import VerificationView
from cli.load.report.verdict import Exit, generator_of, verdict_of
from cli.load.scenarios import SCENARIOS
from tests.load.support.plans import assignments, generated, measured, plan
from tests.load.support.server import Server, market, server

STALL_SECONDS = 2.0
AGREES: VerificationView = {"state": "agrees", "detail": ""}


@pytest.fixture(scope="module")
def stalled() -> Measurement:
    """300 visits a second for four seconds, of which the server stands still for two."""
    with server() as small:
        timer = threading.Timer(0.0, _stall_when_asked, (small,))
        timer.start()
        found = measured(small.port, rate=300.0, duration="4s", arrivals="constant", connections=4)
        timer.join()
    return found


def _stall_when_asked(small: Server) -> None:
    """Wait until the load has been running for a moment."""
    deadline = time.monotonic() + 60
    while len(small.asked) < 150 and time.monotonic() < deadline:
        time.sleep(0.01)
    small.stand_still(STALL_SECONDS)


def test_a_server_that_stands_still_shows_in_the_corrected_latency(stalled: Measurement) -> None:
    latencies = stalled.answers([0]).latencies
    assert latencies.count == 1_200
    assert STALL_SECONDS * 0.9 < latencies.percentile(99) < STALL_SECONDS + 5
    # Half of all came while it stood still, or waited behind those, and half of these for more than a second.
    assert latencies.percentile(75) > STALL_SECONDS / 4


def test_without_the_correction_the_standstill_is_not_seen(stalled: Measurement) -> None:
    """The control: only those few noticed that had sent a request before."""
    for cell in stalled.tally.cells.values():
        assert cell.uncorrected.percentile(98) < STALL_SECONDS / 2
    assert max(cell.uncorrected.longest for cell in stalled.tally.cells.values()) > STALL_SECONDS * 0.9


def test_the_asked_rate_is_kept_while_the_server_stands_still(stalled: Measurement) -> None:
    starts = stalled.starts([0])
    assert (starts.asked, starts.started, starts.dropped) == (1_200, 1_200, 0)
    # They wait for one of four connections.
    assert starts.late > 500


async def test_three_hundred_a_second_are_kept_within_two_percent_or_the_generator_says_that_it_was_the_limit() -> None:
    with server() as small:
        found = await generated(small.port, rate=300.0, duration="2s", arrivals="constant")
        asked = len(small.asked)
    starts = found.starts([0])
    assert starts.asked == 600
    assert asked == starts.started
    verdict = verdict_of(found, generator_of(found), AGREES)
    assert starts.started >= 0.98 * 600 or verdict["exitCode"] == Exit.SATURATED


async def test_two_generators_ask_what_one_asks_of_the_same_timetable() -> None:
    asked = []
    for generators in (1, 2):
        with server() as small:
            found = await generated(small.port, rate=200.0, duration="1s", generators=generators)
            asked.append(Counter(small.asked))
        assert found.starts([0]).asked == asked[-1].total()
        assert {index for second in found.seconds.values() for index in second.cpu_shares} == set(range(generators))
    assert asked[0] == asked[1]
    assert len(asked[0]) > 10


async def test_users_of_a_closed_model_wait_for_their_answer_and_think() -> None:
    with server() as small:
        found = await generated(small.port, rate=None, users=3, think="100ms", duration="1s")
    starts = found.starts([0])
    # Thirty thoughts fit into the second; answers take their time as well.
    assert 3 <= starts.started == len(small.asked) <= 60
    assert max(second.in_flight for second in found.seconds.values()) <= 3


async def test_visits_that_found_no_connection_until_the_end_are_dropped_and_the_load_was_not_met() -> None:
    with server() as small:
        small.stand_still(2.5)
        found = await generated(small.port, rate=100.0, duration="1s", arrivals="constant", connections=2)
    starts = found.starts([0])
    assert (starts.asked, starts.started, starts.dropped) == (100, 2, 98)
    verdict = verdict_of(found, {**generator_of(found), "saturated": False}, AGREES)
    assert (verdict["result"], verdict["reasons"]) == ("not met", ["98 of 100 visits could not begin"])


async def test_figures_of_the_ramp_do_not_count() -> None:
    with server() as small:
        found = await generated(small.port, rate=100.0, ramp="1s", duration="1s", arrivals="constant")
    assert (found.starts([0]).asked, found.starts([1]).asked) == (50, 100)
    assert found.measured_stages == [1]
    assert found.answers(found.measured_stages).outcomes.total() == 100


def test_a_stop_condition_ends_the_load_early() -> None:
    with server(lambda *_: (503, "")) as small:
        found = measured(small.port, rate=100.0, duration="1m", stop_if="p99>9s,errors>1%")
    assert found.stopped == "errors>1%"
    assert len(found.seconds) < 30
    verdict = verdict_of(found, {**generator_of(found), "saturated": False}, AGREES)
    assert (verdict["result"], verdict["reasons"]) == ("not met", ["stopped: errors>1%"])


def test_a_market_that_limits_its_clients_is_not_measured() -> None:
    with server(lambda *_: (429, "")) as small, pytest.raises(LoadError, match="RATE_LIMITS=off"):
        measured(small.port, rate=100.0, duration="1m")


def test_a_generator_that_dies_ends_the_load() -> None:
    with server() as small:
        wanted = plan(target=f"http://127.0.0.1:{small.port}", duration="1m")
        fleet = ProcessFleet(assignments(wanted))

        def kill(_: Measurement) -> None:
            fleet._processes[0].kill()

        try:
            with pytest.raises(LoadError, match="a generator ended"):
                measure(wanted, fleet, kill)
        finally:
            fleet.close()


async def test_a_market_is_prepared_over_http() -> None:
    with server() as small:
        told: list[tuple[str, int, int]] = []
        target = local(small.port)
        found = await prepare(target, SCENARIOS["reserve"], 30, 5, lambda *progress: told.append(progress))
    assert (len(found.buyers), len(found.tickets)) == (5, 30)
    assert found.buyers[0].cookie == "session=x"
    assert Counter(small.asked) == {("POST", "/api/users/signup"): 6, ("POST", "/api/tickets"): 30}
    assert told[-1] == ("tickets", 30, 30)


async def test_a_market_that_is_busy_for_a_moment_is_asked_again() -> None:
    answers = iter([(429, ""), (503, "")])
    with server(lambda *asked: next(answers, None) or market(*asked), retry_after=1) as small:
        found = await prepare(local(small.port), SCENARIOS["browse"], 1, 0, lambda *_: None)
    assert len(found.tickets) == 1
    assert Counter(small.asked) == {("POST", "/api/users/signup"): 3, ("POST", "/api/tickets"): 1}


@pytest.mark.parametrize(
    ("status", "said"), [(429, "RATE_LIMITS=off"), (403, "REQUIRE_VERIFIED_EMAIL=false"), (404, "a market of Holdfast")]
)
async def test_a_market_that_cannot_be_prepared_says_what_to_do(status: int, said: str) -> None:
    with server(lambda *_: (status, "")) as small, pytest.raises(LoadError, match=said):
        await prepare(local(small.port), SCENARIOS["reserve"], 3, 2, lambda *_: None)
