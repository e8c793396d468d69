"""What the event stream keeps in the database, in a simulation. It holds to the same contract tests as the real one."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

from actors.domain.instants import Instant
from actors.runtime.ports import StoreUnavailableError
from actors.storage.event_stream import StreamState
from tests.simulation.accounts import Accounts
from tests.simulation.database import Tables
from tests.simulation.stores import Caller


class FakePositions:
    """See holdfast.events.Positions."""

    def __init__(self, server: Caller, tables: Tables) -> None:
        self._server = server
        self._tables = tables

    async def load(self, durable: str) -> Mapping[int, int] | None:
        with _raising_connection_error():
            kept = await self._server.call("positions.load", lambda: self._tables.positions.get(durable))
        return None if kept is None else dict(kept)

    async def save(self, durable: str, times: Mapping[int, int]) -> None:
        with _raising_connection_error():
            await self._server.call("positions.save", lambda: self._tables.keep_positions(durable, times))


class FakeStreamStates:
    """See events.epochs.StreamStates."""

    def __init__(self, server: Caller, tables: Tables) -> None:
        self._server = server
        self._tables = tables

    async def load(self) -> StreamState | None:
        return await self._server.call("stream_state.load", lambda: self._tables.stream_state)

    async def save_the_first(self, state: StreamState) -> StreamState:
        return await self._server.call(
            "stream_state.save_the_first", lambda: self._tables.keep_first_stream_state(state)
        )

    async def save(self, state: StreamState) -> None:
        await self._server.call("stream_state.save", lambda: self._tables.keep_stream_state(state))


class FakeChangedUsers:
    """See events.journal_history.ChangedUsers."""

    def __init__(self, server: Caller, accounts: Accounts) -> None:
        self._server = server
        self._accounts = accounts

    async def changed_since(self, at: Instant) -> AsyncIterator[str]:
        for user_id in await self._server.call("users.changed", lambda: self._accounts.changed_since(at)):
            yield user_id


@contextmanager
def _raising_connection_error() -> Iterator[None]:
    try:
        yield
    except StoreUnavailableError as error:
        raise ConnectionError(str(error)) from error
