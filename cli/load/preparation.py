"""Before the load: people sign up and tickets are listed, over HTTP like everybody else's."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from cli.load.errors import LoadError
from cli.load.generator.connection import Answer, Connection, Target, encode
from cli.load.generator.visit import Person
from cli.load.scenarios import Scenario
from cli.load.scenarios.stock import ARTISTS, PRICE, Stock

# The market hashes one password after the other, and says 429 with a short Retry-After when many wait for that.
_SIGNING_UP_AT_A_TIME, _LISTING_AT_A_TIME = 4, 16
_SHORT_SECONDS, _PATIENCE_SECONDS = 5, 60.0
_CREATED, _FORBIDDEN, _LIMITED, _UNAVAILABLE = 201, 403, 429, 503
LIMITED = "the market limits how often one address may ask (429): restart the market under test with RATE_LIMITS=off"

Done = TypeVar("Done")
# Hears how many are there of how many.
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Who and what is there for the load."""

    seller: Person | None
    buyers: Sequence[Person]
    tickets: Sequence[str]

    def stock(self, scenario: Scenario, index: int, generators: int) -> Stock:
        """Return what one of the generators works with: people of its own, and tickets unless all want the same."""
        tickets = self.tickets if scenario.shares_tickets else self.tickets[index::generators]
        return Stock(self.seller, self.buyers[index::generators], tickets)


async def prepare(target: Target, scenario: Scenario, tickets: int, buyers: int, on_progress: OnProgress) -> Prepared:
    """Sign people up and list tickets. Raises LoadError, which says what to do."""
    people = range(buyers + 1 if scenario.needs_buyers else 1)
    signing_up, listing = _Work(target, _SIGNING_UP_AT_A_TIME, "people"), _Work(target, _LISTING_AT_A_TIME, "tickets")
    seller, *others = await signing_up.each(people, lambda _, client: _sign_up(client), on_progress)
    listed = await listing.each(range(tickets), lambda number, client: _list(client, seller, number), on_progress)
    return Prepared(seller, others, listed)


class _Client:
    """Asks one thing after the other."""

    def __init__(self, target: Target) -> None:
        self.connection = Connection(target)
        self._host = target.authority

    async def post(self, path: str, body: dict[str, Any], cookie: str = "") -> tuple[Answer, dict[str, Any]]:
        """Return the answer and its JSON. Raises LoadError unless something came into being."""
        raw = encode("POST", path, self._host, cookie, orjson.dumps(body))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        answer = await self._asked(raw)
        while (pause := _busy_seconds(answer)) and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            answer = await self._asked(raw)
        if answer.status == _LIMITED:
            raise LoadError(LIMITED)
        if answer.status == _FORBIDDEN:
            raise LoadError(f"the market refuses POST {path} (403): a load test needs REQUIRE_VERIFIED_EMAIL=false")
        if answer.status != _CREATED:
            raise LoadError(f"POST {path} was answered with {answer.status}: is this a market of Holdfast's?")
        return answer, orjson.loads(answer.body)

    async def _asked(self, raw: bytes) -> Answer:
        try:
            return await self.connection.ask(raw)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise LoadError(f"the market at {self._host} does not answer ({type(error).__name__}): is it up?") from None


def _busy_seconds(answer: Answer) -> int:
    """Return how long a market that is busy wants to be left alone; 0 if that is not what it says."""
    seconds = answer.retry_after_seconds or 0
    return seconds if answer.status in (_LIMITED, _UNAVAILABLE) and seconds <= _SHORT_SECONDS else 0


async def _sign_up(client: _Client) -> Person:
    account = {"email": f"load-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(16)}
    answer, user = await client.post("/api/users/signup", account)
    person = Person(user["id"])
    person.keep(answer.cookies)
    return person


async def _list(client: _Client, seller: Person, number: int) -> str:
    body = {"title": f"Load test, {ARTISTS[number % len(ARTISTS)]}", "price": PRICE}
    _, ticket = await client.post("/api/tickets", body, seller.cookie)
    return str(ticket["id"])


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done so many at a time."""

    target: Target
    at_a_time: int
    name: str

    async def each(
        self, numbers: range, do: Callable[[int, _Client], Awaitable[Done]], on_progress: OnProgress
    ) -> list[Done]:
        """Return what came of each number, in any order."""
        done: list[Done] = []
        waiting = iter(numbers)

        async def work() -> None:
            client = _Client(self.target)
            try:
                for number in waiting:
                    done.append(await do(number, client))
                    on_progress(self.name, len(done), len(numbers))
            finally:
                client.connection.close()

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self.at_a_time):
                    workers.create_task(work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return done
