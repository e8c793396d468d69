"""The API as a Ray Serve application."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import repeat
from typing import TypeVar

import structlog
from fastapi import FastAPI
from pymongo.errors import PyMongoError
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.processes import on_ray
from actors.runtime import spans
from actors.runtime.ports import StoreUnavailableError
from actors.runtime.retry import retry
from actors.storage.database import connect, database_of
from config import logs
from config.settings import SETTINGS_FILE, Settings, SettingsError, load
from serve_app.api import create_api
from serve_app.bootstrap import open_services
from serve_app.http.error_responses import unavailable
from serve_app.http.replica_port import listen_at_own_address
from serve_app.http.replica_shutdown import on_shutdown
from serve_app.services import Services

_log = structlog.get_logger()
T = TypeVar("T")
# Where a replica serves nothing but streams: 20 KB each, and 55 us a message (measured).
_STREAMS_ALONE = 1_200


@serve.ingress()
class Api:
    """One replica: stateless but for what it remembers of sessions."""

    def __init__(self, live_streams: int | None = None) -> None:
        listen_at_own_address()
        # Read here at every start, as actors do: what a replica is made with lies in Ray's control service in clear.
        settings = load()
        self._settings = settings.model_copy(update={"live_streams": live_streams or settings.live_streams})
        self._open = AsyncExitStack()

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        """Return the app over services that live as long as the replica. Waits while the database is away."""
        logs.configure(self._settings.log_level)
        own = self._settings
        spans.configure(own.otel_exporter_otlp_endpoint, own.otel_traces_sampler_arg, "holdfast-api")
        services = await self._open.enter_async_context(open_replica(self._settings))
        on_shutdown(services.end_streams)
        api = behind_ray(create_api(services, answers_request_ids=False))  # Serve does
        on_ray.emit_metrics(self._settings, api.state.request_counts.samples)

        async def without_routes(scope: Scope, receive: Receive, send: Send) -> None:
            await api(scope, receive, send)

        # In what it takes for FastAPI or Starlette, Serve looks for the route of every request, to name it in metrics.
        return without_routes

    async def __del__(self) -> None:
        """Close the connections when the replica ends."""
        await self._open.aclose()


@asynccontextmanager
async def open_replica(settings: Settings) -> AsyncIterator[Services]:
    """Connect to the database once, and open the way to the actors and the services on it. Waits while it is away."""
    if settings.mongodb_url is None:
        raise ValueError("MONGODB_URL must be known by now")
    async with connect(settings.mongodb_url) as client, AsyncExitStack() as stack:
        database = database_of(client)
        market = await on_ray.connect(settings, database)
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


def build(settings: Settings) -> Application:
    """Return the application. Each replica reads the settings of its node and opens its own connections."""
    deployment = serve.deployment(
        num_replicas=settings.api_replicas,
        # A request mostly waits for an actor, and Serve's default of 5 would make buyers wait for each other.
        max_ongoing_requests=2_000,
        # Those that are renewed end when the new ones answer.
        max_surge_percent=100,
        # A dead replica is noticed within a second, one that hangs after three checks: with Serve's defaults of 10 and
        # 30 s a hanging one was replaced after 108 s (measured).
        health_check_period_s=1,
        health_check_timeout_s=3,
        graceful_shutdown_timeout_s=10,
        graceful_shutdown_wait_loop_s=0.5,
        ray_actor_options={"num_cpus": 0.1},
    )
    return deployment(Api).bind()


def build_live(settings: Settings) -> Application:
    """Return what serves streams as an application of its own, for `/live` or `/api/events` on a cluster.

    Each open stream is a request to Serve for as long as it lives. Among those who buy it would take their places, and
    ask for replicas that have nothing to do.
    """
    deployment = serve.deployment(
        name="Live",
        num_replicas=settings.api_replicas,
        max_ongoing_requests=10_000,
        health_check_period_s=1,
        health_check_timeout_s=3,
        # Streams are opened anew elsewhere; nothing is lost with one.
        graceful_shutdown_timeout_s=1,
        ray_actor_options={"num_cpus": 0.1},
    )
    return deployment(Api).bind(live_streams=settings.live_streams or _STREAMS_ALONE)


def live_builder(args: dict[str, str]) -> Application:
    """Return what serves streams for a Serve config file, as `app_builder` does the marketplace."""
    return build_live(_settings_with(args))


def app_builder(args: dict[str, str]) -> Application:
    """Return the application for a Serve config file. `args` are a `release`: replicas are renewed when it changes.

    Raises SettingsError when the settings of this node cannot be used, or stand in `args`.
    """
    return build(_settings_with(args))


def _settings_with(args: dict[str, str]) -> Settings:
    # Serve keeps and logs them, and actors would have others.
    if misplaced := sorted(args.keys() - {"release"}):
        raise SettingsError((f"{', '.join(misplaced)}: settings belong into the file that {SETTINGS_FILE} names",))
    return load()
