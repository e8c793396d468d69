from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from holdfast.events.partitions import STREAM_KEYS
from serve_app.api import create_api
from tests.api.world import BASE_URL, World, errors
from tests.support.redis_servers import redis_with


async def test_a_replica_says_that_it_serves(world: World) -> None:
    world.market.is_up = False
    response = await world.anyone().http.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_market_is_ready_when_database_and_actors_answer(world: World) -> None:
    response = await world.anyone().http.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


async def test_the_market_is_not_ready_without_them(world: World) -> None:
    world.market.is_up = False
    response = await world.anyone().http.get("/readyz")
    assert response.status_code == 503
    assert errors(response)


async def test_without_redis_the_market_is_ready_but_degraded(world: World) -> None:
    async with Redis.from_url("redis://127.0.0.1:1/0") as away:
        transport = httpx.ASGITransport(create_api(replace(world.services, redis=away)))
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "degraded": ["redis"]}


async def seen_with(world: World, url: str) -> Any:  # noqa: ANN401 - JSON
    async with Redis.from_url(url) as theirs:
        transport = httpx.ASGITransport(create_api(replace(world.services, redis=theirs)))
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            response = await client.get("/readyz")
    assert response.status_code == 200
    return response.json()


@pytest.mark.parametrize(
    "options", [("--maxmemory", "1"), ("--cluster-enabled", "yes"), ("--replicaof", "127.0.0.1", "1")],
    ids=["full", "cluster", "replica"],
)  # fmt: skip
async def test_with_a_redis_that_answers_and_takes_nothing_the_market_is_degraded(
    world: World, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with redis_with(tmp_path, *options) as url:
        assert await seen_with(world, url) == {"status": "ok", "degraded": ["redis"]}


async def test_with_something_else_in_the_place_of_the_stream_the_market_is_degraded(
    world: World, tmp_path: Path
) -> None:
    with redis_with(tmp_path) as url:
        assert await seen_with(world, url) == {"status": "ok"}
        async with Redis.from_url(url) as theirs:
            await theirs.xadd(STREAM_KEYS[3], {"id": "1"})
            assert await seen_with(world, url) == {"status": "ok"}
            await theirs.set(STREAM_KEYS[3], "not a stream")
        assert await seen_with(world, url) == {"status": "ok", "degraded": ["redis"]}
