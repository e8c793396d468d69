"""`holdfast seed`: plausible, the same again by its number, through the actors, and never where money is real."""

import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from pydantic import SecretStr

from actors.domain.ticket_values import OrderStatus
from actors.storage.users import Users
from cli.seed import seeding
from cli.seed.plausible import plausible_ticket
from cli.seed.seeding import Plan, SeedError, seed
from config.settings import Settings
from serve_app.accounts.password_hashes import Argon2Cost, Passwords
from serve_app.schemas.body import Rules
from serve_app.schemas.tickets import TicketBody, details_view
from tests.support.local_market import LocalMarket, local_market

NOW = 1_900_000_000_000


@pytest.fixture
async def market(mongodb_url: str, redis_url: str) -> AsyncIterator[LocalMarket]:
    settings = Settings(
        holdfast_env="test",
        mongodb_url=urlsplit(mongodb_url)._replace(path=f"/s{ObjectId()}").geturl(),
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust"),
        argon2_memory_kib=8_192,
        argon2_iterations=1,
    )
    async with local_market(settings) as market:
        await Users(market.connections.database).create_indexes()
        yield market


def test_every_seeded_ticket_could_be_listed_by_a_person() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    for _ in range(500):
        details = plausible_ticket(chance, NOW, "usd")
        view = {**details_view(details)}
        assert TicketBody.of(view, Rules(NOW, "usd", 15)).details() == details
        assert details.timezone
        assert ZoneInfo(details.timezone).key == details.timezone


def test_seeded_tickets_keep_to_a_cap_of_prices() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    rules = Rules(NOW, "usd", 15, resale_cap=10_000)
    for _ in range(200):
        details = plausible_ticket(chance, NOW, "usd", 10_000)
        assert TicketBody.of({**details_view(details)}, rules).details() == details


def test_same_number_makes_the_same_tickets() -> None:
    first, second = random.Random(1), random.Random(1)  # noqa: S311 - no secret
    assert [plausible_ticket(first, NOW, "usd") for _ in range(20)] == [
        plausible_ticket(second, NOW, "usd") for _ in range(20)
    ]


async def test_seeding_lists_sells_and_lets_its_people_sign_in(market: LocalMarket) -> None:
    database = market.connections.database
    made = await seed(market, database, market.settings, Plan(tickets=30, people=4, sales=5, number=1))
    assert (made.tickets, made.sales) == (30, 5)
    assert await database["tickets"].count_documents({}) == 30
    assert await database["orders"].count_documents({"status": OrderStatus.COMPLETE.value}) == 5
    user = await Users(database).by_email(made.email)
    assert user is not None
    assert user.verified_at is not None
    passwords = Passwords(Argon2Cost(8_192, 1, 1))
    assert await passwords.verify(made.password, user.password_hash)
    passwords.close()


async def test_seeded_market_is_seeded_again_only_on_demand(market: LocalMarket) -> None:
    database = market.connections.database
    await seed(market, database, market.settings, Plan(tickets=2, people=2, sales=0, number=1))
    with pytest.raises(SeedError, match="--more"):
        await seed(market, database, market.settings, Plan(tickets=2, people=2, sales=0, number=1))
    await seed(market, database, market.settings, Plan(tickets=2, people=2, sales=0, number=1, more=True))
    assert await database["tickets"].count_documents({}) == 4
    assert await database["users"].count_documents({}) == 4


@pytest.mark.parametrize(
    "changed", [{"holdfast_env": "production"}, {"stripe_key": SecretStr("sk_test_1")}], ids=["production", "money"]
)
def test_seeding_is_refused_in_production_and_where_money_is_real(changed: dict[str, object]) -> None:
    settings = Settings(holdfast_env="test").model_copy(update=changed)
    with pytest.raises(SeedError, match="trying things out"):
        seeding.run(settings, Plan(tickets=1, people=2, sales=0, number=1))
