"""However often a ticket was held and let go of, a page that shows it reads the one order that counts."""

from collections.abc import AsyncIterator

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient

from actors.domain.codec import Document
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from actors.read_model.projections import order_document
from actors.storage.database import Database, create_indexes, database_of
from actors.storage.orders import Orders
from tests.support.commands import Commands
from tests.support.examples import BUYER, NOW, SELLER, TICKET, WINDOW, new_id


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
async def database(mongodb_url: str, commands: Commands) -> AsyncIterator[Database]:
    url = mongodb_url.replace("/holdfast?", f"/live-{ObjectId()}?")
    client: AsyncMongoClient[Document] = AsyncMongoClient(url, event_listeners=[commands])
    async with client:
        # It ends with its server: to drop so much takes the embedded database longer than all else here.
        yield database_of(client)


def an_order(ticket_id: str, status: OrderStatus) -> Order:
    over = status is OrderStatus.CANCELLED
    return Order(
        id=new_id(), ticket_id=ticket_id, seller_id=SELLER, buyer_id=BUYER, title="Chamber music", price=5_000,
        currency="usd", status=status, expires_at=NOW + WINDOW, created_at=NOW, updated_at=NOW, version=1,
        cancel_reason=CancelReason.BUYER if over else None,
    )  # fmt: skip


async def test_four_thousand_cancelled_orders_of_a_ticket_are_not_read_for_its_page(
    database: Database, commands: Commands
) -> None:
    await create_indexes(database)
    other = new_id()
    held, sold = an_order(TICKET, OrderStatus.CREATED), an_order(other, OrderStatus.COMPLETE)
    cancelled = [an_order(TICKET, OrderStatus.CANCELLED) for _ in range(4_000)]
    await database["orders"].insert_many([order_document(order) for order in (*cancelled, held, sold)])

    assert await Orders(database).live([TICKET, other, new_id()], NOW) == {TICKET: held, other: sold}

    asked = next(asked for kind, asked in commands.finds.items() if kind[0] == "orders")
    explained = await database.command("explain", dict(asked), verbosity="executionStats")
    assert explained["executionStats"]["totalDocsExamined"] == 2
