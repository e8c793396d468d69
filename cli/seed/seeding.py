"""Seeding through the actors: what is seeded is journaled, published and held to the rules like everything else."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bson import ObjectId
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from actors.cluster.market import MarketClient
from actors.cluster.members import Members
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import Overloaded, Refusal, Unavailable
from actors.domain.ticket_commands import CreateTicket, Reserve
from actors.runtime.clock import wall_clock
from actors.storage.clock import database_clock
from actors.storage.database import Database, connect, database_of
from actors.storage.journal import MongoJournal
from actors.storage.users import User, Users
from cli.running_market import PATIENCE_MS, attached, with_database
from cli.seed.plausible import plausible_ticket
from config.settings import Settings
from serve_app.accounts.password_hashes import Argon2Cost, Passwords

PASSWORD_BYTES = 12
_DOMAIN = "seed.example"
_LISTING_AT_A_TIME = 500
_BUYING_AT_A_TIME = 16
_SIGNING_UP_AT_A_TIME = 20
_TRIES = 5
_PAUSE_SECONDS = 0.2
_CARD = "pm_card_visa"

Item = TypeVar("Item")
Done = TypeVar("Done")


class SeedError(Exception):
    """The market cannot be seeded. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many of each, and the number that makes the same ones again. `more` adds to what was seeded before."""

    tickets: int
    people: int
    sales: int
    number: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Seeded:
    """What came of it. Everybody has the same password."""

    tickets: int
    sales: int
    email: str
    password: str
    listing_seconds: float


def run(settings: Settings, plan: Plan) -> Seeded:
    """Seed the running market. Raises SeedError, NotRunningError, and what the database raises."""
    if settings.holdfast_env == "production" or not settings.sandbox_payments:
        raise SeedError("seeding is for trying things out: not in production, and not where real money is paid")
    settings = with_database(settings)
    with attached(settings):
        return asyncio.run(_seed(settings, plan))


async def _seed(settings: Settings, plan: Plan) -> Seeded:
    from actors.processes import on_ray  # noqa: PLC0415 - Ray reads its settings when it is imported

    async with connect(str(settings.mongodb_url), patience_ms=PATIENCE_MS) as client:
        database = database_of(client)
        clock = database_clock(database)
        await clock.refresh()
        members = Members(MongoJournal(database))
        await members.refresh()
        market = on_ray.client(settings, members, clock)
        return await seed(market, database, settings, plan)


async def seed(market: MarketClient, database: Database, settings: Settings, plan: Plan) -> Seeded:
    """Seed a market. Raises SeedError."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), transient=True
    )
    with progress:
        people = await _people(database, settings, plan, password, progress)
        seeding = _Seeding(market, settings, people, random.Random(plan.number), progress)  # noqa: S311 - no secret
        begun = asyncio.get_running_loop().time()
        tickets = await seeding.list_tickets(plan.tickets)
        listing_seconds = asyncio.get_running_loop().time() - begun
        sales = await seeding.sell(tickets, plan.sales)
    return Seeded(len(tickets), sales, people[0].email, password, listing_seconds)


async def _people(database: Database, settings: Settings, plan: Plan, password: str, progress: Progress) -> list[User]:
    """Return new people, stored. Their password is hashed once: each hash takes as long as a sign-in is to take."""
    users = Users(database)
    known = await database["users"].count_documents({"email_key": {"$regex": f"@{_DOMAIN}$"}})
    if known and not plan.more:
        raise SeedError(f"this market was seeded before, with {known} people: with --more it gets others as well")
    cost = Argon2Cost(settings.argon2_memory_kib, settings.argon2_iterations, settings.argon2_parallelism)
    passwords = Passwords(cost)
    password_hash = await passwords.hash(password)
    passwords.close()
    now = wall_clock()
    people = [
        User(str(ObjectId()), f"person-{known + number + 1}@{_DOMAIN}", password_hash, now)
        for number in range(plan.people)
    ]

    async def sign_up(user: User) -> User:
        if not await users.add(user):
            raise SeedError("somebody else is seeding this market: wait, then use --more")
        await users.verify_email(user, now)
        return user

    return await _each(people, sign_up, _SIGNING_UP_AT_A_TIME, progress, "people")


@dataclass(frozen=True, slots=True)
class _Seeding:
    """People who trade at a market."""

    market: MarketClient
    settings: Settings
    people: list[User]
    chance: random.Random
    progress: Progress

    async def list_tickets(self, count: int) -> list[CreateTicket]:
        now, currency, cap = wall_clock(), self.settings.currency, self.settings.resale_cap_hundredths
        wanted = [
            CreateTicket(
                str(ObjectId()), self.chance.choice(self.people).id, plausible_ticket(self.chance, now, currency, cap)
            )
            for _ in range(count)
        ]

        async def list_ticket(command: CreateTicket) -> CreateTicket:
            await _until_answered(lambda: self.market.ask_ticket(command))
            return command

        return await _each(wanted, list_ticket, _LISTING_AT_A_TIME, self.progress, "tickets")

    async def sell(self, tickets: list[CreateTicket], count: int) -> int:
        """Return how many of the tickets were bought."""
        chosen = self.chance.sample(tickets, min(count, len(tickets)))
        done = await _each(chosen, self._buy, _BUYING_AT_A_TIME, self.progress, "sales")
        return sum(done)

    async def _buy(self, ticket: CreateTicket) -> bool:
        buyer = self.chance.choice([person for person in self.people if person.id != ticket.seller_id])
        window_ms = self.settings.reservation_window_ms
        command = Reserve(ticket.ticket_id, str(ObjectId()), buyer.id, window=window_ms, is_limited=False)
        held = await _until_answered(lambda: self.market.ask_ticket(command))
        if isinstance(held, Refusal):
            return False
        paid = await _until_answered(lambda: self.market.pay(Pay(command.order_id, _CARD)))
        return not isinstance(paid, Refusal)


async def _until_answered(ask: Callable[[], Awaitable[Done]]) -> Done:
    """Return the answer. A busy market is asked again: commands are idempotent. Raises SeedError when it stays busy."""
    for _ in range(_TRIES):
        answer = await ask()
        if not isinstance(answer, Unavailable | Overloaded):
            return answer
        await asyncio.sleep(_PAUSE_SECONDS)
    raise SeedError("the market does not answer: look at its log, then go on with --more")


async def _each(
    items: Sequence[Item], do: Callable[[Item], Awaitable[Done]], at_a_time: int, progress: Progress, name: str
) -> list[Done]:
    """Return what was done, so many at a time."""
    task = progress.add_task(name, total=len(items))
    finished: list[Done] = []
    for start in range(0, len(items), at_a_time):
        finished += await asyncio.gather(*(do(item) for item in items[start : start + at_a_time]))
        progress.update(task, completed=len(finished))
    return finished
