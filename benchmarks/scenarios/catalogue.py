"""Reading the catalogue while others reserve: the first page, and a search."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from benchmarks import cost, load
from benchmarks.bench import RESERVED, Bench, MeasuredMarket, Outcome
from benchmarks.comparison import middle
from benchmarks.load.exchange import OK, UNAVAILABLE, Expected, request
from benchmarks.load.result import Result
from benchmarks.seeding import ARTISTS, artist

READERS = 8
BUYERS = 32
# Too many readers are told so: 503, counted apart.
PAGE = Expected(OK, frozenset({UNAVAILABLE}), begins='[{"id":"', parts=('"status":"available"', '"price":25.0,'))
FOUND = replace(PAGE, parts=(*PAGE.parts, f'"title":"{artist(7)} '))
READS: Mapping[str, tuple[str, Expected]] = {
    "first page": ("/api/tickets", PAGE),
    "search": (f"/api/tickets?q={artist(7)}", FOUND),
}
PAGE_LENGTH = 20
# One ticket of so many is found; with twice a page of them a page is full although half of them may be reserved.
_ENOUGH_TO_SEARCH = 2 * PAGE_LENGTH * ARTISTS
_PATIENCE_SECONDS = 30
# More than can be read or reserved in the time.
_MOST_A_SECOND = 3_000


def run(bench: Bench) -> Outcome:
    """Each kind of reading by itself, and beside reservations of the newest tickets, those on the first page."""
    outcome = Outcome("catalogue", f"GET /api/tickets, {READERS} readers, alone and beside {BUYERS} buyers")
    seconds = bench.plan.much(8, 3)
    tickets = bench.plan.much(50_000, 1_000)
    bench.expect(1 + bench.plan.rounds * len(READS) * 2)
    with bench.market() as market:
        bench.step("seeding")
        ids = market.seed(tickets, bench)
        for _ in range(bench.plan.rounds):
            for what in READS:
                bench.step(f"{what}, alone")
                cost.wait_until_quiet(market)
                _note(outcome, what, "alone", read(market, what, seconds))
                outcome.wrong.extend(complaints_of_page(market, what, len(ids)))
                bench.step(f"{what}, beside reservations")
                wanted = [ids.pop() for _ in range(min(len(ids) // 2, _MOST_A_SECOND * seconds))]
                reading, reserving = _beside(market, what, wanted, seconds)
                _note(outcome, what, "beside", reading)
                _note(outcome, f"reservations beside {what}", "beside", reserving)
        market.judge(outcome)
    for what, when in dict.fromkeys((row["what"], row["when"]) for row in outcome.rows):
        rows = [row for row in outcome.rows if (row["what"], row["when"]) == (what, when)]
        outcome.summary.append({"what": what, "when": when, **middle(rows)})
    return outcome


def read(market: MeasuredMarket, what: str, seconds: float) -> Result:
    """Read this for so long."""
    path, expected = READS[what]
    asked = [request("GET", path)] * int(_MOST_A_SECOND * seconds)
    return load.run(market.port, asked, READERS, expected, seconds)


def complaints_of_page(market: MeasuredMarket, what: str, listed: int) -> list[str]:
    """What is wrong with one page, read to its end, where so many tickets are for sale: the load looks less closely."""
    path, _ = READS[what]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{market.port}{path}", timeout=_PATIENCE_SECONDS) as answer:
            page = json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return [] if error.code == UNAVAILABLE else [f"{what}: {error.code}"]
    except OSError as error:
        return [f"{what}: no answer: {error}"]
    is_search = what == "search"
    least = PAGE_LENGTH if not is_search or listed >= _ENOUGH_TO_SEARCH else 0
    return [f"{what}: {complaint}" for complaint in wrong_with(page, artist(7) if is_search else "", least)]


def wrong_with(page: Sequence[Mapping[str, Any]], word: str, least: int) -> list[str]:
    """What is wrong with a page that is to have at least so many tickets for sale, with the word, newest first."""
    complaints = []
    if not least <= len(page) <= PAGE_LENGTH:
        complaints.append(f"{len(page)} tickets on a page")
    if len({ticket["id"] for ticket in page}) < len(page):
        complaints.append("a ticket is twice on a page")
    if any((ticket["status"], ticket["orderId"]) != ("available", None) for ticket in page):
        complaints.append("a ticket that is not for sale")
    if any(word and word not in ticket["title"].split() for ticket in page):
        complaints.append(f"a ticket without {word}")
    positions = [(ticket["createdAt"], ticket["id"]) for ticket in page]
    if positions != sorted(positions, reverse=True):
        complaints.append("not the newest first")
    return complaints


def _beside(market: MeasuredMarket, what: str, wanted: Sequence[str], seconds: float) -> tuple[Result, Result]:
    """The reading and the reserving at the same time."""
    asked = market.reservations(wanted)
    with ThreadPoolExecutor(max_workers=1) as beside:
        reserving = beside.submit(load.run, market.port, asked, BUYERS, RESERVED, seconds)
        return read(market, what, seconds), reserving.result()


def _note(outcome: Outcome, what: str, when: str, result: Result) -> None:
    outcome.heard(f"{what}, {when}", result)
    outcome.rows.append({"what": what, "when": when, **result.figures()})
