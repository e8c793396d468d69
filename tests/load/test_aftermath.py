"""After a load: the books are checked, and changes of the market's members are found in the journal."""

import asyncio

import pytest
from bson import ObjectId
from pydantic import SecretStr

from actors.domain.ticket_events import TicketCreated
from actors.runtime.ports import Commit, RecordedEvent
from actors.storage.database import connect, create_indexes, database_of
from actors.storage.journal import MongoJournal
from cli.load import aftermath
from cli.load.aftermath import MEMBERSHIP, scale_events, shown_settings, verified
from config.settings import Settings
from tests.support.examples import DETAILS, SELLER

BEGAN_AT = 1_000.0


@pytest.fixture
def settings(mongodb_url: str) -> Settings:
    return Settings(holdfast_env="test", mongodb_url=mongodb_url.replace("/holdfast", f"/load{ObjectId()}"))


async def change(settings: Settings, *versions: tuple[int, int]) -> None:
    """Commit versions of the membership at these times; what is in them does not matter here."""
    async with connect(str(settings.mongodb_url)) as client:
        await create_indexes(database_of(client))
        journal = MongoJournal(database_of(client))
        for version, at in versions:
            record = RecordedEvent(MEMBERSHIP, version, at, TicketCreated(SELLER, DETAILS))
            await journal.append(Commit(f"writer-{version}", 1, at, (record.key,), (record,)))


def test_changes_of_members_since_the_begin_are_found_with_their_time(settings: Settings) -> None:
    asyncio.run(change(settings, (1, 900_000), (2, 1_002_500), (3, 1_004_000)))
    assert scale_events(settings, BEGAN_AT) == [{"second": 2.5, "version": 2}, {"second": 4.0, "version": 3}]


def test_a_market_that_was_never_scaled_has_no_changes(settings: Settings) -> None:
    assert scale_events(settings, BEGAN_AT) == []


def test_a_long_history_is_read_to_its_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aftermath, "HISTORY_BATCH", 2)
    monkeypatch.setattr(MongoJournal.history, "__defaults__", (0, 2))
    asyncio.run(change(settings, *((version, 1_000_000 + version * 1_000) for version in range(1, 6))))
    assert [event["version"] for event in scale_events(settings, BEGAN_AT)] == [1, 2, 3, 4, 5]


def test_the_books_of_a_market_without_sales_agree(settings: Settings) -> None:
    assert verified(settings) == {"state": "agrees", "detail": "0 orders and 0 charges agree with Stripe"}


def test_no_secret_is_among_the_settings_of_a_report(settings: Settings) -> None:
    secret = settings.model_copy(update={"jwt_key": SecretStr("hunter2hunter2"), "redis_url": "redis://:hunter2@x"})
    assert "hunter2" not in str(shown_settings(secret))
    assert shown_settings(settings)["ticket_actors"] == 1
