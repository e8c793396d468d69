"""What nobody has any more is free: the one thing that the fast database of the benchmarks does not promise."""

import pytest
from bson import ObjectId

from actors.storage.database import connect, database_of
from actors.storage.users import User, Users
from benchmarks.support import databases

NOW = 1_000
# In this release an update leaves the old value in a unique index; see benchmarks/fast_database_fault.py.
FAULTY = "SecantusDB 0.5.3-beta.196"


async def test_an_address_of_a_closed_account_can_be_used_again(
    mongodb_url: str, request: pytest.FixtureRequest
) -> None:
    if databases.described(mongodb_url).startswith(FAULTY):
        request.applymarker(pytest.mark.xfail(reason="its unique indexes keep old values", strict=True))
    async with connect(mongodb_url.replace("/holdfast?", f"/given-up-{ObjectId()}?")) as client:
        users = Users(database_of(client))
        await users.create_indexes()
        assert await users.add(User("first", "somebody@example.org", "", NOW, 1))
        assert not await users.add(User("second", "somebody@example.org", "", NOW, 1))
        assert await users.close("first", NOW)
        assert await users.add(User("third", "somebody@example.org", "", NOW, 1))
