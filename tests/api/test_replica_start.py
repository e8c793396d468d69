import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect

from actors.processes import on_ray
from actors.runtime.ports import Commit, StoreUnavailableError
from actors.storage.database import connect, database_of
from actors.storage.journal import MongoJournal
from config.settings import Settings
from serve_app.replica import once_the_database_answers, open_replica


async def watch_nobody(*_: object) -> None:
    await asyncio.Event().wait()


def opened_after(*failures: Exception) -> Callable[[], AbstractAsyncContextManager[str]]:
    left = list(failures)

    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        if left:
            raise left.pop(0)
        yield "services"

    return opened


@pytest.mark.parametrize("failure", [AutoReconnect, StoreUnavailableError])
async def test_replica_waits_for_the_database_whoever_finds_it_away(failure: type[Exception]) -> None:
    async with AsyncExitStack() as stack:
        services = await once_the_database_answers(stack, opened_after(failure(), failure()), retry_seconds=0)
    assert services == "services"


async def test_replica_does_not_start_over_a_fault_of_its_own() -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(LookupError):
            await once_the_database_answers(stack, opened_after(LookupError()), retry_seconds=0)


async def test_replica_begins_the_membership_of_a_new_database_when_keys_are_unique(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = settings.model_copy(update={"mongodb_url": str(settings.mongodb_url).replace("/api", "/new", 1)})
    are_unique: list[bool] = []
    append = MongoJournal.append

    async def recorded(journal: MongoJournal, commit: Commit) -> int:
        database = database_of(client)
        are_unique.append(bool((await database["journal"].index_information()).get("keys_1", {}).get("unique")))
        return await append(journal, commit)

    monkeypatch.setattr(MongoJournal, "append", recorded)
    monkeypatch.setattr(on_ray, "watch", watch_nobody)  # there is no Ray here
    async with connect(str(new.mongodb_url)) as client, open_replica(new):
        assert are_unique == [True]


async def test_closed_replica_leaves_no_task_that_asks_the_closed_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "watch", watch_nobody)  # there is no Ray here
    before = asyncio.all_tasks()
    async with open_replica(settings):
        meanwhile = asyncio.all_tasks() - before
    assert meanwhile
    assert asyncio.all_tasks() - before == set()


async def test_replica_opens_one_client_of_the_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[AsyncMongoClient[Any]] = []
    open_client = AsyncMongoClient.__init__

    def recorded(client: AsyncMongoClient[Any], *words: object, **named: object) -> None:
        opened.append(client)
        open_client(client, *words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(AsyncMongoClient, "__init__", recorded)
    monkeypatch.setattr(on_ray, "watch", watch_nobody)  # there is no Ray here
    async with open_replica(settings) as services:
        assert await services.users.by_email("nobody@example.com") is None
    assert len(opened) == 1
