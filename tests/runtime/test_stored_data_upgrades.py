"""What an older release stored is brought over, once, whatever happens meanwhile."""

import asyncio
from typing import Any

import structlog

from actors.domain.codec import Document
from actors.read_model.projections import PROJECTIONS
from actors.runtime.ports import DocumentStore, StoreUnavailableError
from actors.storage.documents import MongoDocuments
from actors.storage.upgrades import DocumentUpgrade, convert_email_keys
from actors.storage.user_flags import EMAIL_RULE, email_key
from tests.support.local_market import LocalMarket
from tests.support.trading import held, listed

DERIVED_NOW = {"orders": "by_live_ticket", "tickets": "words"}


async def documents_of_an_older_release(market: LocalMarket, how_many: int) -> None:
    """Tickets and orders whose documents have no number and lack what is derived today."""
    for ticket_id in await listed(market, how_many):
        await held(market, ticket_id)
    await market.writes_everything()
    for collection, derived in DERIVED_NOW.items():
        await market.connections.database[collection].update_many({}, {"$unset": {"projection": "", derived: ""}})


async def all_of(market: LocalMarket, collection: str) -> list[Document]:
    return await market.connections.database[collection].find().to_list()


async def is_brought_over(market: LocalMarket) -> bool:
    for collection, derived in DERIVED_NOW.items():
        for document in await all_of(market, collection):
            if document.get("projection") != PROJECTIONS[collection] or derived not in document:
                return False
    return True


def upgrade_of(market: LocalMarket, documents: DocumentStore | None = None, **projections: int) -> DocumentUpgrade:
    own = market.connections
    return DocumentUpgrade(own.database, documents or own.documents, {**PROJECTIONS, **projections}, pause_seconds=0)


async def test_documents_of_an_older_release_are_written_anew(market: LocalMarket) -> None:
    await documents_of_an_older_release(market, 3)
    assert not await is_brought_over(market)
    await upgrade_of(market).bring_over()
    assert await is_brought_over(market)


class CountsPages(MongoDocuments):
    pages = 0

    async def write(self, updates: Any) -> None:  # noqa: ANN401 - as MongoDocuments has it
        self.pages += 1
        await super().write(updates)


async def test_documents_are_brought_over_once(market: LocalMarket) -> None:
    await documents_of_an_older_release(market, 1)
    counting = CountsPages(market.connections.database)
    for _ in range(2):
        await upgrade_of(market, counting).bring_over()
    assert counting.pages == len(DERIVED_NOW)


async def test_after_a_release_that_went_back_documents_are_brought_over_again(market: LocalMarket) -> None:
    await upgrade_of(market).bring_over()
    await upgrade_of(market, tickets=1, orders=1, charges=1).bring_over()
    await documents_of_an_older_release(market, 1)
    await upgrade_of(market).bring_over()
    assert await is_brought_over(market)


class Crashes(MongoDocuments):
    """The process dies after its first page."""

    async def write(self, updates: Any) -> None:  # noqa: ANN401 - as MongoDocuments has it
        await super().write(updates)
        raise StoreUnavailableError


async def test_a_crash_in_the_middle_leaves_the_rest_to_the_next_start(market: LocalMarket) -> None:
    await documents_of_an_older_release(market, 2)
    try:
        await upgrade_of(market, Crashes(market.connections.database)).bring_over()
    except StoreUnavailableError:
        await upgrade_of(market).bring_over()
    assert await is_brought_over(market)


async def test_two_processes_bring_documents_over_while_their_tickets_change(market: LocalMarket) -> None:
    await documents_of_an_older_release(market, 5)
    for_sale = await listed(market, 20)
    upgrades = [asyncio.create_task(upgrade_of(market).bring_over()) for _ in range(2)]
    orders = await asyncio.gather(*(held(market, ticket_id) for ticket_id in for_sale))
    await asyncio.gather(*upgrades)
    await market.writes_everything()
    assert await is_brought_over(market)
    stored = {document["_id"] for document in await all_of(market, "orders")}
    assert stored >= {order.order_id for order in orders}


async def test_a_document_that_is_not_understood_does_not_hold_up_the_others(market: LocalMarket) -> None:
    await documents_of_an_older_release(market, 2)
    orders = market.connections.database["orders"]
    strange = (await all_of(market, "orders"))[0]["_id"]
    await orders.update_one({"_id": strange}, {"$set": {"status": "insured"}})
    await upgrade_of(market).bring_over()
    left = [document["_id"] for document in await all_of(market, "orders") if "by_live_ticket" not in document]
    assert left == [strange]


async def test_sellers_whom_the_first_release_forgot_are_watched_before_documents_are_brought_over(
    market: LocalMarket,
) -> None:
    await documents_of_an_older_release(market, 1)
    users = market.connections.database["users"]
    await users.insert_many([{"_id": "banned", "email_key": "b", "banned_at": 5}, {"_id": "well", "email_key": "w"}])
    try:
        await upgrade_of(market, Crashes(market.connections.database)).bring_over()
    except StoreUnavailableError:
        found = await users.find({"unlisted_since": {"$gt": 0}}).to_list()
    assert [user["_id"] for user in found] == ["banned"]


# Email keys


async def accounts(market: LocalMarket, *emails: str) -> None:
    """Accounts as a release made them whose keys were the casefolded address."""
    users = market.connections.database["users"]
    await users.create_index("email_key", unique=True)
    for number, email in enumerate(emails):
        await users.insert_one({"_id": str(number), "email": email, "email_key": email.casefold()})
    await users.insert_one({"_id": "gone", "email_key": "closed gone"})


async def keys(market: LocalMarket) -> dict[str, str]:
    return {user["_id"]: user["email_key"] for user in await all_of(market, "users")}


async def test_email_keys_become_those_of_todays_rule(market: LocalMarket) -> None:
    await accounts(market, "Ann@Bücher.example", "jörg.straße@example.org", "bo@example.org")
    await convert_email_keys(market.connections.database)
    assert await keys(market) == {
        "0": "ann@xn--bcher-kva.example",
        "1": "jörg.straße@example.org",
        "2": "bo@example.org",
        "gone": "closed gone",
    }


async def test_two_accounts_of_one_mailbox_are_logged_and_stay(market: LocalMarket) -> None:
    await accounts(market, "ann@bücher.example", "ann@xn--bcher-kva.example")
    with structlog.testing.capture_logs() as logs:
        await convert_email_keys(market.connections.database)
    (collision,) = [line for line in logs if line["event"] == "email_key_collision"]
    assert (collision["user"], collision["other"]) == ("0", "1")
    assert (await keys(market))["1"] == "ann@xn--bcher-kva.example"


async def test_email_keys_are_converted_by_two_processes_at_once_and_then_never_again(market: LocalMarket) -> None:
    await accounts(market, *(f"p{number}@bücher.example" for number in range(30)))
    database = market.connections.database
    await asyncio.gather(convert_email_keys(database), convert_email_keys(database))
    assert {key for key in (await keys(market)).values() if "bücher" in key} == set()
    mark = await database["upgrades"].find_one({"_id": "email_keys"})
    assert mark == {"_id": "email_keys", "rule": EMAIL_RULE}
    assert email_key("p1@bücher.example") in (await keys(market)).values()
