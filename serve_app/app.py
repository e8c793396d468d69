"""The API as a Ray Serve application."""

from contextlib import AsyncExitStack

from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from config import logs
from config.settings import SETTINGS_FILE, Settings, SettingsError, load
from serve_app.http.replica_port import listen_at_own_address

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
        from serve_app.replica import open_application  # noqa: PLC0415 - a second's work, which who deploys need not do

        logs.configure(self._settings.log_level)
        return await open_application(self._settings, self._open)

    async def __del__(self) -> None:
        """Close the connections when the replica ends."""
        await self._open.aclose()


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
