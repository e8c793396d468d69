"""A hundred thousand tickets held at a time: their memory, ten thousand of them ending in one second, and a restart."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import cost
from benchmarks.bench import Bench, MeasuredMarket, Outcome
from benchmarks.load import buyers
from benchmarks.load.exchange import OK, request
from benchmarks.load.result import Result, percentile
from cli.load.generator.connection import Connection
from cli.running_market import ADDRESS_FILE

_REPOSITORY = Path(__file__).parents[2]
LONG_MS = 7_200_000
# Those that end together must all be held before the first one ends: twice the time that it takes, and this.
SPARE_MS = 15_000
SAMPLE = 200
READERS = 8
CHUNK = 500
POLL_SECONDS = 0.25
DOCUMENTS_WITHIN_SECONDS = 180.0
WARM_UP = 200


def run(bench: Bench) -> Outcome:
    """Hold, weigh, wait for the end of some, and start the market again with the others."""
    outcome = Outcome("live holds", "many tickets held at a time; holds made through the actors, without HTTP")
    stay, end = bench.plan.much(100_000, 1_000), bench.plan.much(10_000, 200)
    bench.expect(6)
    with bench.market() as market:
        bench.step("seeding")
        ids = market.seed(WARM_UP + stay + end, bench)
        _hold(market, outcome, ids[:WARM_UP], _now() + LONG_MS)
        bench.step(f"holding {stay:,}")
        row: dict[str, Any] = {"holds": stay, **_weighed(market, outcome, ids[WARM_UP : WARM_UP + stay])}
        bench.step(f"holding {end:,} that end together")
        until = _now() + SPARE_MS + int(2_000 * end / row["held_per_second"])
        ending = _hold(market, outcome, ids[-end:], until)
        bench.step(f"{end:,} end together")
        row |= {"ending_together": len(ending), **_ended(market, outcome, ids[-end:], ending, until)}
        bench.step("verifying")
        market.judge(outcome)
        bench.step("starting again")
        row |= _restarted(market, outcome, ids[WARM_UP])
        again = market.complaints()
        outcome.wrong.extend(again)
        outcome.verified = outcome.verified and not again
    outcome.rows = [row]
    outcome.summary = [{"figure": name.replace("_", " "), "value": value} for name, value in row.items()]
    return outcome


def _weighed(market: MeasuredMarket, outcome: Outcome, ids: Sequence[str]) -> dict[str, Any]:
    """What the memory of TicketActor grew by, in KB for each hold; the tickets were not in it before."""
    before = _resident(market)
    began = time.monotonic()
    held = _hold(market, outcome, ids, _now() + LONG_MS)
    seconds = time.monotonic() - began
    cost.wait_until_quiet(market)
    return {
        "held": len(held),
        "held_per_second": len(held) / seconds,
        "kb_per_hold": (_resident(market) - before) / 1024 / max(len(held), 1),
        "ticket_actor_mb": _resident(market) / 2**20,
    }


def _ended(
    market: MeasuredMarket, outcome: Outcome, tickets: Sequence[str], orders: Sequence[str], until: int
) -> dict[str, Any]:
    """How late they ended: in the journal, in reads by id, and in their documents."""
    last = _last_end(market, orders)
    if _now() > until:
        outcome.wrong.append("the holds took longer than they were to last: their end was not measured")
        return {}
    time.sleep(max(last - _now(), 0) / 1_000)
    asked = [(ticket_id, "available") for ticket_id in tickets[-SAMPLE:]]
    reads = buyers.run(market.port, asked, READERS, _read, DOCUMENTS_WITHIN_SECONDS)
    outcome.heard("read of a ticket whose hold is over", reads)
    documents = _documents_after(market, outcome, orders, last)
    late = _lateness(market, set(orders))
    if len(late) != len(orders):
        outcome.wrong.append(f"{len(orders)} holds ended, and the journal has the end of {len(late)}")
    return {
        "ends_within_ms": last - until,
        "journal_late_p50_ms": percentile(late, 0.5),
        "journal_late_p99_ms": percentile(late, 0.99),
        "journal_late_max_ms": max(late, default=0.0),
        "reads_right_at_once": reads.successes,
        "read_p99_ms": reads.milliseconds(0.99),
        "documents_right_after_seconds": documents,
    }


def _last_end(market: MeasuredMarket, orders: Sequence[str]) -> int:
    """The instant at which the last of them ends: each is held from its own answer on."""
    with market.database() as database:
        return max(
            int(document["expires_at"])
            for begin in range(0, len(orders), CHUNK)
            for document in database["orders"].find({"_id": {"$in": list(orders[begin : begin + CHUNK])}})
        )


async def _read(connection: Connection, wanted: tuple[str, str], result: Result) -> None:
    """Read a ticket by its id; only one with the wanted status is a success."""
    ticket_id, wanted_status = wanted
    began = time.perf_counter()
    result.sent += 1
    status, body, _ = await connection.ask(request("GET", f"/api/tickets/{ticket_id}").raw)
    if status == OK and json.loads(body)["status"] == wanted_status:
        result.successes += 1
        result.took.append(time.perf_counter() - began)
    else:
        result.complain(f"not {wanted_status}: {status} {body[:200]!r}")


def _documents_after(market: MeasuredMarket, outcome: Outcome, orders: Sequence[str], last: int) -> float:
    """Seconds after the last end at which the document of each of these orders said that it is over."""
    deadline = time.monotonic() + DOCUMENTS_WITHIN_SECONDS
    with market.database() as database:
        for begin in range(0, len(orders), CHUNK):
            open_ones = {"_id": {"$in": list(orders[begin : begin + CHUNK])}, "status": {"$ne": "cancelled"}}
            while database["orders"].find_one(open_ones, {"_id": 1}) is not None:
                if time.monotonic() > deadline:
                    outcome.wrong.append("documents of orders that are over still say that they are open")
                    return DOCUMENTS_WITHIN_SECONDS
                time.sleep(POLL_SECONDS)
    return (_now() - last) / 1_000


def _lateness(market: MeasuredMarket, orders: set[str]) -> list[float]:
    """Milliseconds from each order's end to the turn that committed it."""
    with market.database() as database:
        return [
            float(commit["at"] - event["data"]["order"]["expires_at"])
            for commit in database["journal"].find({"events.type": "OrderExpired"})
            for event in commit["events"]
            if event["type"] == "OrderExpired" and event["data"]["order"]["id"] in orders
        ]


def _restarted(market: MeasuredMarket, outcome: Outcome, held: str) -> dict[str, float]:
    """Seconds from when Ray is up until the market is ready, and until it knows a hold from before."""
    began = time.time()
    market.running.stop()
    stopped = time.time()
    market.running.start()
    ready = time.time()
    ray_up = (market.running.folder / ADDRESS_FILE).stat().st_mtime
    answer = buyers.run(market.port, [(held, "reserved")], 1, _read, DOCUMENTS_WITHIN_SECONDS)
    outcome.heard("read of a hold after the restart", answer)
    return {
        "stop_seconds": stopped - began,
        "start_seconds": ready - stopped,
        "ready_seconds": ready - ray_up,
        "first_read_ms": answer.milliseconds(0.5),
    }


def _hold(market: MeasuredMarket, outcome: Outcome, ids: Sequence[str], until: int) -> list[str]:
    """The orders that hold these tickets until that instant."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.holding"],
        input=json.dumps({"tickets": list(ids), "until": until}),
        env={**market.running.environment, "REDIS_URL": market.running.redis_url},
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"the tickets could not be held: {done.stderr}")
    said = json.loads(done.stdout)
    outcome.wrong.extend(f"not held: {refusal}" for refusal in said["refused"])
    return list(said["orders"])


def _resident(market: MeasuredMarket) -> int:
    """Bytes of the ticket actors in memory."""
    return sum(process.memory_info().rss for process in market.running.actors("TicketActor"))


def _now() -> int:
    return time.time_ns() // 1_000_000
