"""A ticket that everybody wants beside a thousand others: it gets an actor of its own, and gives it back when quiet."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import pytest

from actors.cluster import membership, names
from actors.domain.ticket_events import OrderCompleted
from actors.runtime.hottest import WINDOW_SECONDS
from actors.storage.database import connect, database_of
from actors.storage.journal import MongoJournal
from actors.supervision.liveness import EVERY_SECONDS
from benchmarks import cost, seeding
from benchmarks.bench import MeasuredMarket
from benchmarks.support.running_market import RunningMarket
from benchmarks.support.session_cookies import cookie_for
from cli.load.generator import visit
from cli.load.generator.connection import local
from cli.load.generator.generator import Assignment, Generator, Model
from cli.load.generator.tally import Latencies, Outcome, Snapshot
from cli.load.generator.timetable import Stage
from cli.load.scenarios.stock import PRICE, Stock
from tests.cluster.conftest import People
from tests.support.client import Person, seconds_until

# One replica has one call to an actor under way at a time, so it takes several to keep an actor busy. That there is one
# shared actor at most leaves promotion as the only change.
SETTINGS = {"max_ticket_actors": 1, "api_replicas": 4}
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long]

TICKETS = 1_000
# Visits a second to cold tickets, a hold and its end each; and people who want the hot one, mostly are refused, and ask
# again at once. Together they keep an actor busy also on a fast machine: refusals alone leave it idle half of the time.
COLD_RATE, HOT_USERS = 100.0, 64
# So many that nobody has too many holds that ended unpaid.
COLD_BUYERS, HOT_BUYERS, PAYING_BUYERS = 2_400, 300, 8
CONNECTIONS = 400
LOAD_SECONDS = 600.0
MEASURED_SECONDS = 10.0

# Ten seconds after it became hot, which is known when its messages were counted once and a heartbeat told of it.
PROMOTED_SECONDS = 10.0 + WINDOW_SECONDS + EVERY_SECONDS
# An actor is asked at the latest so long after the promotion.
MOVED_SECONDS = 5.0
# After a quiet minute, with some patience for a machine that is busy.
DEMOTED_SECONDS = 90.0


class Crowd:
    """People who want some of the tickets, and what they were answered."""

    def __init__(self, market: RunningMarket, scenario: str, model: Model, buyers: int, tickets: Sequence[str]) -> None:
        stock = Stock(None, [signed_in(market) for _ in range(buyers)], tickets)
        everything = Assignment(scenario, local(market.port), model, stock, CONNECTIONS, index=0, generators=1)
        self._generator = Generator(everything, self._hear)
        self._heard: list[tuple[float, Snapshot]] = []

    @asynccontextmanager
    async def arrives(self) -> AsyncIterator[None]:
        """Visits begin; in the end no more do, and each gets its answers."""
        arriving = asyncio.create_task(self._generator.run(time.time()))
        try:
            yield
        finally:
            self._generator.stop()
            await arriving

    def outcomes(self) -> Mapping[Outcome, int]:
        """How often requests ended in which way."""
        found: Counter[Outcome] = Counter()
        for _, snapshot in self._heard:
            for cell in snapshot.cells.values():
                for (outcome, _), number in cell.outcomes.items():
                    found[outcome] += number
        return found

    def latencies(self, since: float, until: float) -> Latencies:
        """How long answers took that came between these moments, from when they were meant to be asked for."""
        found = Latencies()
        for at, snapshot in self._heard:
            if since + 1 <= at <= until:
                for cell in snapshot.cells.values():
                    found.add_packed(cell.corrected)
        return found

    def _hear(self, snapshot: Snapshot) -> None:
        self._heard.append((time.monotonic(), snapshot))


def signed_in(market: RunningMarket) -> visit.Person:
    user_id, cookie = cookie_for(market.key)
    person = visit.Person(user_id)
    person.keep([cookie])
    return person


@asynccontextmanager
async def journal_of(market: RunningMarket) -> AsyncIterator[MongoJournal]:
    async with connect(market.database_url) as client:
        yield MongoJournal(database_of(client))


async def pinned(journal: MongoJournal) -> tuple[str, ...]:
    """The tickets that have actors of their own, by the membership in force."""
    version = await membership.newest(journal, 0)
    return (await membership.read(journal, version)).hosts.pinned


@contextmanager
def figures(name: str, market: RunningMarket, few: Crowd) -> Iterator[None]:
    """Print what the cold tickets' buyers wait for meanwhile, and what takes the processor, in cores."""
    place = MeasuredMarket(market)
    began, before = time.monotonic(), cost.read_cpu(place)
    yield
    ended, after = time.monotonic(), cost.read_cpu(place)
    waited = few.latencies(began, ended)
    cores = {role: round(spent / (ended - began), 2) for role, spent in cost.cpu_between(before, after).items()}
    print(  # noqa: T201 - the figures of the run
        f"{name}: {waited.count} answers, p50 {waited.percentile(50):.3f}, p99 {waited.percentile(99):.3f} s; {cores}"
    )


async def buys(buyers: Sequence[Person], ticket_id: str) -> list[str]:
    """Want the ticket until one of them holds it, and pay for it. Return the orders that were paid."""
    paid: list[str] = []

    async def one_pays() -> bool:
        answers = await asyncio.gather(*(buyer.reserves(ticket_id) for buyer in buyers))
        assert {answer.status_code for answer in answers} <= {201, 409}
        for buyer, answer in zip(buyers, answers, strict=True):
            if answer.status_code == 201:
                assert (await buyer.pays(answer.json()["id"])).status_code == 201
                paid.append(answer.json()["id"])
        return bool(paid)

    await seconds_until(one_pays, 60)
    return paid


async def test_a_hot_ticket_gets_an_actor_of_its_own_within_ten_seconds_and_gives_it_back_after_a_quiet_minute(
    market: RunningMarket, people: People
) -> None:
    seller, buyers = people(), [people() for _ in range(PAYING_BUYERS)]
    hot = str((await seller.lists(price=PRICE))["id"])
    cold = await asyncio.to_thread(seeding.seed, market.database_url, TICKETS)
    at_a_rate = Model((Stage("cold", LOAD_SECONDS, COLD_RATE, COLD_RATE),), seed=7)
    again_and_again = Model((Stage("hot", LOAD_SECONDS, 0.0, 0.0),), seed=7, users=HOT_USERS)
    few = Crowd(market, "reserve", at_a_rate, COLD_BUYERS, cold)
    many = Crowd(market, "hot", again_and_again, HOT_BUYERS, [hot])
    async with journal_of(market) as journal, few.arrives():

        async def is_promoted() -> bool:
            return await pinned(journal) == (hot,)

        async def is_demoted() -> bool:
            return await pinned(journal) == ()

        with figures("without a hot ticket", market, few):
            await asyncio.sleep(MEASURED_SECONDS)
        assert await is_demoted()
        async with many.arrives():
            with figures("beside it", market, few):
                promoted_after = await seconds_until(is_promoted, 60)
            await asyncio.sleep(MOVED_SECONDS)
            with figures("beside it, with an actor of its own", market, few):
                await asyncio.sleep(MEASURED_SECONDS)
            paid = await buys(buyers, hot)
        demoted_after = await seconds_until(is_demoted, DEMOTED_SECONDS)
        print(f"promoted after {promoted_after:.1f} s, demoted after {demoted_after:.1f} s")  # noqa: T201 - as above
        history = await journal.history(f"ticket:{hot}")
    assert promoted_after < PROMOTED_SECONDS
    for crowd in (few, many):
        assert crowd.outcomes().keys() <= {Outcome.MADE, Outcome.REFUSED}, crowd.outcomes()
    assert [one.event.order.id for one in history if isinstance(one.event, OrderCompleted)] == paid
    assert len(paid) == 1
    assert await asyncio.to_thread(MeasuredMarket(market).complaints) == []

    async def has_ended() -> bool:
        return names.dedicated(hot) not in {one["name"] for one in await asyncio.to_thread(market.status)}

    await seconds_until(has_ended, 60)
    # The shared actor has it again, and knows what became of it.
    assert (await seller.reads_ticket(hot)).json()["status"] == "sold"
    assert (await buyers[0].reserves(hot)).status_code == 409
