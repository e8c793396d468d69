"""A thousand open pages, and what they cost those who buy and those who open a page meanwhile."""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from benchmarks import cost, load
from benchmarks.bench import RESERVED, Bench, MeasuredMarket, Outcome
from benchmarks.load.result import percentile, ratio
from benchmarks.load.streams import Streams, open_streams

STREAMS = 1_000
BUYERS = 64
# A page shows 20 tickets, and its stream listens to them.
SHOWN = 20
PAGE_EVERY_SECONDS = 0.05
PAGES_SECONDS = 5.0
MOST_SECONDS = 12.0
FIRST_STATE_SECONDS = 60.0
ALONE, BESIDE = "alone", f"beside {STREAMS:,} open pages"
PAGE = b"Tickets that stay yours while you pay"


def run(bench: Bench) -> Outcome:
    """In each round reservations alone and beside the streams, in turn, on one market with one replica."""
    title = f"POST /api/orders, {BUYERS} connections, and GET /, alone and beside {STREAMS:,} open pages of one replica"
    outcome = Outcome("live_pages", title)
    tickets = bench.plan.much(4_000, 300)
    bench.expect(1 + bench.plan.rounds * 2)
    with bench.market(live_streams=STREAMS + 100, rate_limits="off") as market:
        for number in range(bench.plan.rounds):
            # The other way around in every second round: the machine may get busier or quieter meanwhile.
            for when in (ALONE, BESIDE) if number % 2 == 0 else (BESIDE, ALONE):
                bench.step(when)
                ids = market.list_tickets(tickets)
                # Listed last, so that the first page shows them. One whose newest tickets are all being bought has
                # to be looked for behind those, which the embedded database is slow at; that is not measured here.
                shown = market.list_tickets(SHOWN)
                if when == ALONE:
                    cost.wait_until_quiet(market)
                    outcome.rows.append({"when": when, **_measure(market, outcome, ids, when)})
                    continue
                path = f"/live?view=cards&tickets={','.join(f'{ticket}.0' for ticket in shown)}"
                with open_streams(market.port, path, STREAMS) as streams:
                    _wait_for_first_state(streams)
                    cost.wait_until_quiet(market)
                    outcome.rows.append({"when": when, **_measure(market, outcome, ids, when)})
                    counted = streams.counted()
                    if counted["open"] < STREAMS * 0.9 or counted["events"] < STREAMS:
                        outcome.wrong.append(f"the streams were not as they should be: {counted}")
        market.judge(outcome)
    outcome.summary = _summary(outcome.rows)
    return outcome


def _wait_for_first_state(streams: Streams) -> None:
    """Wait until every page has been told how its tickets are. Raises SystemExit."""
    ends = time.monotonic() + FIRST_STATE_SECONDS
    while streams.counted()["events"] < STREAMS * SHOWN:
        if time.monotonic() > ends:
            raise SystemExit(f"the pages were not told how their tickets are: {streams.counted()}")
        time.sleep(0.2)


def _measure(market: MeasuredMarket, outcome: Outcome, ids: Sequence[str], when: str) -> dict[str, Any]:
    """Reserve the tickets while somebody opens the first page ten times a second."""
    reserving = market.reservations(ids)
    with ThreadPoolExecutor(max_workers=1) as beside:
        pages = beside.submit(_open_pages, market, outcome, when)
        result = load.run(market.port, reserving, BUYERS, RESERVED, MOST_SECONDS)
        pages_took = pages.result()
    outcome.heard(when, result)
    return {**result.figures(), "page_p99_ms": percentile(pages_took, 0.99) * 1_000, "pages": len(pages_took)}


def _open_pages(market: MeasuredMarket, outcome: Outcome, when: str) -> list[float]:
    """Return how long each page took in seconds."""
    took: list[float] = []
    ends = time.monotonic() + PAGES_SECONDS
    while time.monotonic() < ends:
        began = time.monotonic()
        try:
            page = urllib.request.Request(f"http://127.0.0.1:{market.port}/", headers={"Accept": "text/html"})
            with urllib.request.urlopen(page, timeout=MOST_SECONDS) as answer:  # noqa: S310 - our own address
                is_right = PAGE in answer.read()
        except OSError as error:
            outcome.wrong.append(f"pages {when}: {_why(error)}")
            time.sleep(PAGE_EVERY_SECONDS)
            continue
        took.append(time.monotonic() - began)
        if not is_right:
            outcome.wrong.append(f"pages {when}: not the first page")
        time.sleep(PAGE_EVERY_SECONDS)
    return took


def _why(error: OSError) -> str:
    """The refused page's own heading, where it has one."""
    page = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    return f"{error} {heading[1].strip() if heading else ''}".strip()


def _summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians, and the rate beside the streams for that alone, round by round."""
    names = ("per_second", "p50_ms", "p99_ms", "page_p99_ms")
    by = {when: [row for row in rows if row["when"] == when] for when in (ALONE, BESIDE)}
    rounds = zip(by[ALONE], by[BESIDE], strict=True)
    of_alone = {
        ALONE: 1.0,
        BESIDE: median(ratio(beside["per_second"], alone["per_second"]) for alone, beside in rounds),
    }
    return [
        {"when": when, **{name: median(row[name] for row in found) for name in names}, "rate_of_alone": of_alone[when]}
        for when, found in by.items()
    ]
