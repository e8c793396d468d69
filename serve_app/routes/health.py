"""Whether this replica serves, and whether it can do its work."""

from http import HTTPStatus
from typing import Literal, NotRequired

from fastapi import APIRouter, Request, Response
from typing_extensions import TypedDict

from serve_app.http.openapi import documented
from serve_app.http.responses import json_response
from serve_app.readiness import what_is_away
from serve_app.services import services_of

router = APIRouter(tags=["health"])


class Health(TypedDict):
    """How the market is. `degraded` names what is away although buying goes on."""

    status: Literal["ok"]
    degraded: NotRequired[list[str]]


@router.get("/healthz", **documented({HTTPStatus.OK: Health}, (), scope=None))
async def healthz(_request: Request) -> Response:
    """Say that this replica serves. Touches nothing else: benchmarks compare with it."""
    return json_response({"status": "ok"})


@router.get("/readyz", **documented({HTTPStatus.OK: Health}, (HTTPStatus.SERVICE_UNAVAILABLE,), scope=None))
async def readyz(request: Request) -> Response:
    """Say whether the database and the actors answer; without Redis the market is ready but degraded."""
    health: Health = {"status": "ok"}
    if degraded := await what_is_away(services_of(request)):
        health["degraded"] = degraded
    return json_response(health)
