"""What the number of listed tickets costs: reservations, the first page, and a search, from a thousand to a million."""

import random
from typing import Any

from benchmarks import cost, load
from benchmarks.bench import RESERVED, Bench, MeasuredMarket, Outcome
from benchmarks.comparison import middle
from benchmarks.load.exchange import request
from benchmarks.load.result import Result, ratio
from benchmarks.scenarios.catalogue import READS, complaints_of_page, read
from benchmarks.scenarios.reservations import ALIVE, EMPTY

SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 2_000)
CONNECTIONS = 64
# Nearly all of the smallest market, so that each size reserves as many.
RESERVED_A_ROUND = 900
MOST_SECONDS = 20.0
READ_SECONDS, QUICK_READ_SECONDS = 10, 2
EMPTY_REQUESTS, QUICK_EMPTY_REQUESTS = 4_000, 500


def run(bench: Bench) -> Outcome:
    """One market that grows. What is reserved is chosen by chance, and as many new tickets take its place.

    Sizes are minutes apart, so the empty endpoint is asked beside each: it says what the machine was like meanwhile.
    """
    outcome = Outcome("size", "reservations (64 connections) and catalogue reads (8 readers) by listed tickets")
    sizes = QUICK_SIZES if bench.plan.quick else SIZES
    chance = random.Random(1)
    bench.expect(len(sizes) * (1 + bench.plan.rounds * 3))
    ids: list[str] = []
    with bench.market() as market:
        for size in sizes:
            bench.step(f"{size:,} tickets")
            for _ in range(bench.plan.rounds):
                ids += market.seed(size - len(ids), bench)
                cost.wait_until_quiet(market)
                bench.step(f"{size:,} tickets, reads")
                _read(bench, market, outcome, size)
                bench.step(f"{size:,} tickets, reservations")
                chance.shuffle(ids)
                cost.wait_until_quiet(market)  # what readers did not wait for is still being read
                wanted, ids = ids[:RESERVED_A_ROUND], ids[RESERVED_A_ROUND:]
                asked = market.reservations(wanted)
                _note(outcome, size, "reservations", load.run(market.port, asked, CONNECTIONS, RESERVED, MOST_SECONDS))
                bench.step(f"{size:,} tickets, empty endpoint")
                cost.wait_until_quiet(market)
                empty = [request("GET", "/healthz")] * bench.plan.much(EMPTY_REQUESTS, QUICK_EMPTY_REQUESTS)
                _note(outcome, size, EMPTY, load.run(market.port, empty, CONNECTIONS, ALIVE, MOST_SECONDS))
        market.judge(outcome)
    outcome.summary = _summary(outcome.rows)
    return outcome


def _read(bench: Bench, market: MeasuredMarket, outcome: Outcome, size: int) -> None:
    seconds = bench.plan.much(READ_SECONDS, QUICK_READ_SECONDS)
    for what in READS:
        _note(outcome, size, what, read(market, what, seconds))
        outcome.wrong.extend(complaints_of_page(market, what, size))


def _note(outcome: Outcome, size: int, what: str, result: Result) -> None:
    outcome.heard(f"{what} of {size:,}", result)
    outcome.rows.append({"tickets": size, "what": what, **result.figures()})


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    first: dict[str, float] = {}
    for size, what in dict.fromkeys((row["tickets"], row["what"]) for row in rows):
        found = [row for row in rows if (row["tickets"], row["what"]) == (size, what)]
        line = middle(found)
        first.setdefault(what, line["per_second"])
        of_first = ratio(line["per_second"], first[what])
        lines.append({"tickets": size, "what": what, **line, "of_the_smallest": of_first})
    return lines
