"""What an API replica is made of: the application over services that live as long as it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import repeat
from typing import TypeVar

import structlog
from fastapi import FastAPI
from pymongo.errors import PyMongoError
from ray.exceptions import RayError
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.processes import on_ray
from actors.runtime import spans
from actors.runtime.ports import StoreUnavailableError
from actors.runtime.retry import retry
from actors.storage.database import connect, database_of
from config import garbage_collection
from config.settings import Settings
from serve_app.api import create_api
from serve_app.bootstrap import open_services
from serve_app.http.error_responses import unavailable
from serve_app.http.replica_shutdown import on_shutdown
from serve_app.services import Services

_log = structlog.get_logger()
T = TypeVar("T")


async def open_application(settings: Settings, stack: AsyncExitStack) -> ASGIApp:
    """Return the application over services that are closed with the stack. Waits while the database is away."""
    spans.configure(settings.otel_exporter_otlp_endpoint, settings.otel_traces_sampler_arg, "holdfast-api")
    services = await stack.enter_async_context(open_replica(settings))
    on_shutdown(services.end_streams)
    api = behind_ray(create_api(services, answers_request_ids=False))  # Serve does
    on_ray.emit_metrics(settings, api.state.request_counts.samples)
    garbage_collection.look_less_often()

    async def without_routes(scope: Scope, receive: Receive, send: Send) -> None:
        await api(scope, receive, send)

    # In what it takes for FastAPI or Starlette, Serve looks for the route of every request, to name it in metrics.
    return without_routes


@asynccontextmanager
async def open_replica(settings: Settings) -> AsyncIterator[Services]:
    """Connect to the database once, and open the way to the actors and the services on it. Waits while it is away."""
    if settings.mongodb_url is None:
        raise ValueError("MONGODB_URL must be known by now")
    async with connect(settings.mongodb_url) as client, AsyncExitStack() as stack:
        database = database_of(client)
        market = await stack.enter_async_context(on_ray.connect(settings, database))
        yield await once_the_database_answers(stack, lambda: open_services(settings, database, market))


async def once_the_database_answers(
    stack: AsyncExitStack, opened: Callable[[], AbstractAsyncContextManager[T]], retry_seconds: float = 1.0
) -> T:
    """Return what was opened, to be closed with the stack. Tries again for as long as the database is away."""

    async def open_anew() -> T:
        return await stack.enter_async_context(opened())

    return await retry(open_anew, (PyMongoError, StoreUnavailableError), repeat(retry_seconds), _is_waiting)


def _is_waiting(error: Exception) -> None:
    _log.warning("waiting_for_the_database", exception=type(error).__name__)


def behind_ray(api: FastAPI) -> FastAPI:
    """Return the app with an answer for requests whose body Ray lost.

    While HAProxy takes a replica for dead its requests come through Serve's own proxy, which hands their bodies on in
    calls of Ray; those can fail, and nothing has happened by then.
    """
    api.add_exception_handler(RayError, unavailable)
    return api
