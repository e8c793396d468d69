"""A Redis for each file of tests: the streams have fixed names."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from cli.up.embedded_servers import Server, start_redis
from config.settings import Settings
from tests.events.support.publisher import Publisher


@pytest.fixture(scope="module")
def bus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_redis(Settings(data_dir=tmp_path_factory.mktemp("bus")))
    yield server
    server.stop()


@pytest.fixture
async def bus(bus_server: Server) -> AsyncIterator[Redis]:
    """An empty Redis that answers."""
    if bus_server.process.poll() is not None:
        await asyncio.to_thread(bus_server.restart)
    async with Redis.from_url(bus_server.url) as redis:
        await redis.flushall()
        yield redis


@pytest.fixture
async def publisher(bus: Redis) -> Publisher:
    publisher = Publisher(bus)
    await publisher.begin_epoch("epoch-1")
    return publisher


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscription ends when its last wait for entries does."""
    monkeypatch.setattr("holdfast.events.reading.WAIT_MS", 100)
    monkeypatch.setattr("holdfast.events.ephemeral._WAIT_MS", 100)
