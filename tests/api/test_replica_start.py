from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest
from pymongo.errors import AutoReconnect

from actors.runtime.ports import StoreUnavailableError
from serve_app.app import once_the_database_answers


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
