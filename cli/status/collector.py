"""Asks everything that the market consists of, all at once, so that what hangs holds up nothing else."""

import asyncio

from actors.cluster import names
from actors.runtime.clock import wall_clock
from cli.running_market import RayAddress
from cli.status import event_stream
from cli.status.away import AwayError, up
from cli.status.database import MarketDatabase
from cli.status.document import GroupLag, RayView, ServerStatus, Status, UnsettledPurchases
from cli.status.payments import MarketStripe
from cli.status.problems import problems_of
from cli.status.ray_watch import RayWatch
from config.settings import Settings
from serve_app.http.timestamps import iso


class Collector:
    """One market, to be asked as often as wanted. Close it in the end."""

    def __init__(self, settings: Settings, ray: RayAddress) -> None:
        self._settings = settings
        self._ray = RayWatch(ray, names.namespace(settings))
        self._database = MarketDatabase(settings)
        self._stripe = MarketStripe(settings)

    async def collect(self) -> Status:
        """Return the market as it is now. Nothing is raised for what does not answer: it is away."""
        (ray, view), (database, unsettled), (redis, groups), stripe = await asyncio.gather(
            self._look_at_ray(), self._look_at_the_database(), self._look_at_redis(), self._stripe.look()
        )
        status = Status(
            at=iso(wall_clock()),
            problems=[],
            servers={"database": database, "redis": redis, "stripe": stripe, "ray": ray},
            nodes=view["nodes"],
            actors=view["actors"],
            replicas=view["replicas"],
            duties=view["duties"],
            groups=groups,
            unsettledPurchases=unsettled,
        )
        status["problems"] += problems_of(status)
        return status

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(self._ray.close(), self._database.close(), self._stripe.close())

    async def _look_at_ray(self) -> tuple[ServerStatus, RayView]:
        try:
            view = await self._ray.look()
        except AwayError as error:
            return error.status, RayView(nodes=[], actors=[], replicas=[], duties=[])
        nodes = len(view["nodes"])
        return up(f"{nodes} node{'s' * (nodes != 1)}"), view

    async def _look_at_the_database(self) -> tuple[ServerStatus, UnsettledPurchases | None]:
        try:
            return await self._database.look()
        except AwayError as error:
            return error.status, None

    async def _look_at_redis(self) -> tuple[ServerStatus, list[GroupLag] | None]:
        try:
            return await event_stream.look(self._settings)
        except AwayError as error:
            return error.status, None
