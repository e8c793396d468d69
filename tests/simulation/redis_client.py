"""redis-py in a simulation: each call of a method is one command over a network that is late, lost or away.

It holds to the same contract tests as redis-py on a real Redis.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any, Self, cast

from redis.asyncio import Redis

from tests.simulation.redis_data import RedisData
from tests.simulation.redis_scripts import evaluate
from tests.simulation.stores import Caller

Answers = list[Any]


class FakeRedis:
    """A client. Its commands are the methods of RedisData."""

    def __init__(self, server: Caller, data: RedisData) -> None:
        self.connection_pool = SimpleNamespace(connection_kwargs={})
        self._server = server
        self._data = data

    def __getattr__(self, command: str) -> Callable[..., Awaitable[Any]]:
        return lambda *args, **options: self._server.call(command, _operation(self._data, command, *args, **options))

    async def xread(self, last_ids: Mapping[str, str], count: int, block: int) -> Answers:
        """Waits so many milliseconds for an entry; who waits is told of the next one at once."""
        found = await self._server.call("xread", partial(self._data.xread, last_ids, count))
        if not found and await self._data.wait(frozenset(last_ids), block / 1000):
            found = await self._server.call("xread", partial(self._data.xread, last_ids, count))
        return found

    def register_script(self, text: str) -> "_Script":
        return _Script(self, text)

    def pipeline(self, *, transaction: bool) -> "_Pipeline":
        assert not transaction
        return _Pipeline(self._server, self._data)


class _Script:
    def __init__(self, redis: FakeRedis, text: str) -> None:
        self._redis = redis
        self._text = text

    async def __call__(self, keys: Sequence[str], args: Sequence[Any] = (), client: Any = None) -> Any:  # noqa: ANN401
        return await (client or self._redis).eval(self._text, len(keys), *keys, *args)


class _Pipeline:
    """Commands that are sent together and answered together."""

    def __init__(self, server: Caller, data: RedisData) -> None:
        self._server = server
        self._data = data
        self._operations: list[Callable[[], Any]] = []

    def __getattr__(self, command: str) -> Callable[..., "_Pipeline"]:
        def keep(*args: Any, **options: Any) -> _Pipeline:  # noqa: ANN401 - of any command
            self._operations.append(_operation(self._data, command, *args, **options))
            return self

        return keep

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    async def execute(self, *, raise_on_error: bool = True) -> Answers:
        operations, self._operations = self._operations, []
        answers: Answers = await self._server.call("pipeline", lambda: [_answer(one) for one in operations])
        for answer in answers:
            if raise_on_error and isinstance(answer, Exception):
                raise answer
        return answers


def _operation(data: RedisData, command: str, *args: Any, **options: Any) -> Callable[[], Any]:  # noqa: ANN401
    if command == "eval":
        return partial(evaluate, data, *args)
    return partial(getattr(data, command), *args, **options)


def _answer(operation: Callable[[], Any]) -> Any:  # noqa: ANN401 - of any command
    try:
        return operation()
    except Exception as error:  # noqa: BLE001 - whoever sent the pipeline looks at it
        return error


def client_of(server: Caller, data: RedisData) -> Redis:
    """A client as those see it who use redis-py."""
    return cast("Redis", FakeRedis(server, data))
