"""Before the load: people sign up and tickets are listed, over HTTP like everybody else's."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from cli.load.errors import LoadError
from cli.load.generator.connection import Answer, Connection, Target, encode
from cli.load.generator.visit import Person
from cli.load.scenarios import Scenario
from cli.load.scenarios.stock import ARTISTS, PRICE, Stock

_AT_A_TIME = 16
_CREATED, _FORBIDDEN, _LIMITED = 201, 403, 429
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
    seller, *others = await _each(
        range(buyers + 1 if scenario.needs_buyers else 1), lambda _, by: _sign_up(by), target, ("people", on_progress)
    )
    listed = await _each(range(tickets), lambda number, by: _list(by, seller, number), target, ("tickets", on_progress))
    return Prepared(seller, others, listed)


class _Client:
    """Asks one thing after the other."""

    def __init__(self, target: Target) -> None:
        self.connection = Connection(target)
        self._host = target.authority

    async def post(self, path: str, body: dict[str, Any], cookie: str = "") -> tuple[Answer, dict[str, Any]]:
        """Return the answer and its JSON. Raises LoadError unless something came into being."""
        try:
            answer = await self.connection.ask(encode("POST", path, self._host, cookie, orjson.dumps(body)))
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise LoadError(f"the market at {self._host} does not answer ({type(error).__name__}): is it up?") from None
        if answer.status == _LIMITED:
            raise LoadError(LIMITED)
        if answer.status == _FORBIDDEN:
            raise LoadError(f"the market refuses POST {path} (403): a load test needs REQUIRE_VERIFIED_EMAIL=false")
        if answer.status != _CREATED:
            raise LoadError(f"POST {path} was answered with {answer.status}: is this a market of Holdfast's?")
        return answer, orjson.loads(answer.body)


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


async def _each(
    numbers: range, do: Callable[[int, _Client], Awaitable[Done]], target: Target, progress: tuple[str, OnProgress]
) -> list[Done]:
    """Return what came of each number, some at a time, in any order."""
    done: list[Done] = []
    waiting = iter(numbers)
    name, on_progress = progress

    async def work() -> None:
        client = _Client(target)
        try:
            for number in waiting:
                done.append(await do(number, client))
                on_progress(name, len(done), len(numbers))
        finally:
            client.connection.close()

    workers = [asyncio.create_task(work()) for _ in range(_AT_A_TIME)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
    return done
