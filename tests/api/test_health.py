from dataclasses import replace

import httpx
from redis.asyncio import Redis

from serve_app.api import create_api
from tests.api.world import BASE_URL, World, errors


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
