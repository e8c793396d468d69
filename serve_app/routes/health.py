"""Whether this replica serves, and whether it can do its work."""

import asyncio
from http import HTTPStatus
from typing import Literal, NotRequired

from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError
from typing_extensions import TypedDict

from actors.events.redis_stream import STREAM
from serve_app.http.errors import ServiceUnavailableError
from serve_app.http.openapi import documented
from serve_app.http.responses import json_response
from serve_app.services import Services, services_of

router = APIRouter(tags=["health"])
_ANSWER_SECONDS = 3.0
_PROBE = "holdfast:ready"
_PROBE_SECONDS = 60


class Health(TypedDict):
    """How the market is. `degraded` names what is away although buying goes on."""

    status: Literal["ok"]
    degraded: NotRequired[list[str]]


@router.get("/healthz", **documented({HTTPStatus.OK: Health}, ()))
async def healthz(_request: Request) -> Response:
    """Say that this replica serves. Touches nothing else: benchmarks compare with it."""
    return json_response({"status": "ok"})


@router.get("/readyz", **documented({HTTPStatus.OK: Health}, (HTTPStatus.SERVICE_UNAVAILABLE,)))
async def readyz(request: Request) -> Response:
    """Say whether the database and the actors answer; without Redis the market is ready but degraded."""
    services = services_of(request)
    is_ready, has_redis = await asyncio.gather(_market_answers(services), _takes_events(services))
    if not is_ready:
        raise ServiceUnavailableError("The database or the actors do not answer, or their number is another one here.")
    health: Health = {"status": "ok"}
    if not has_redis:
        health["degraded"] = ["redis"]
    return json_response(health)


async def _market_answers(services: Services) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await services.market.is_ready()
    except TimeoutError:
        return False


async def _takes_events(services: Services) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            # A write as well: one that is full, a replica or a node of a cluster answers everything else.
            async with services.redis.pipeline(transaction=False) as asked:
                asked.set(_PROBE, 1, ex=_PROBE_SECONDS)
                asked.type(STREAM)
                _, kind = await asked.execute()
    except (RedisError, OSError, TimeoutError):
        return False
    return kind in (b"none", b"stream")
