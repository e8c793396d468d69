"""Indexes are there before anybody writes, and whoever starts again does not have them made again."""

from collections.abc import AsyncIterator

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError

from actors.domain.codec import Document
from actors.storage.database import INDEXES, Database, create_indexes, database_of
from tests.support.commands import Commands


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
async def database(mongodb_url: str, commands: Commands) -> AsyncIterator[Database]:
    url = mongodb_url.replace("/holdfast?", f"/indexes-{ObjectId()}?")
    client: AsyncMongoClient[Document] = AsyncMongoClient(url, event_listeners=[commands])
    async with client:
        yield database_of(client)
        await client.drop_database(database_of(client).name)


async def test_every_index_is_made_and_a_second_time_none(database: Database, commands: Commands) -> None:
    await create_indexes(database)
    assert commands.names.count("createIndexes") == len(INDEXES)
    for collection, indexes in INDEXES.items():
        there = await database[collection].index_information()
        assert {index.document["name"] for index in indexes} <= set(there)
    await create_indexes(database)
    assert commands.names.count("createIndexes") == len(INDEXES)


async def test_a_dropped_index_is_made_again(database: Database) -> None:
    await create_indexes(database)
    await database["journal"].drop_index("keys_1")
    await create_indexes(database)
    await database["journal"].insert_one({"_id": "a:1", "keys": ["ticket:1:1"]})
    with pytest.raises(DuplicateKeyError):
        await database["journal"].insert_one({"_id": "b:1", "keys": ["ticket:1:1"]})
