"""An Api replica in a simulation: what its routes do, without HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from actors.cluster import names
from actors.cluster.client import ActorClient
from actors.payments.webhook_events import HANDLED_EVENT_TYPES, WebhookEventHandler
from actors.processes.resources import Resources
from actors.runtime.ports import StoreUnavailableError
from actors.stripe.sandbox.authentication import NothingToAuthenticateError, intent_id_of
from actors.stripe.sandbox.ledger import LedgerUnavailable
from actors.stripe.sandbox.ledger_entry import Event
from actors.stripe.sandbox.request import Request
from actors.stripe.webhooks import _event
from actors.supervision.liveness import watch
from tests.simulation.actors import NOTICING, STARTING, SimulatedSystem
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.market import SimulatedMarket

T = TypeVar("T")


class ConnectionBrokenError(Exception):
    """The replica died, or its database is away: whether it did what it was asked is not known."""


class Api:
    """One replica; another one is started when it died."""

    process: Process
    connections: Resources
    actors: ActorClient
    webhook_events: WebhookEventHandler

    def __init__(self, market: "SimulatedMarket", number: int) -> None:
        self._market = market
        self._world = market.world
        self._number = number
        self._is_open = asyncio.Event()
        self._waiting: dict[asyncio.Future[object], None] = {}

    def start(self) -> None:
        """Starts a replica."""
        self.process = self._world.loop.process(f"api-{self._number}")
        self._is_open = asyncio.Event()
        self.process.call(self._open)

    def died(self, process: Process) -> None:
        """Whoever waited for an answer sees a broken connection."""
        if process is not self.process:
            return
        loop = self._world.loop
        here = self._market.ray.process.context
        for answer in self._waiting:
            loop.call_later(self._world.seconds(*NOTICING), _broken, answer, context=here)
        self._waiting.clear()
        loop.call_later(self._world.seconds(*STARTING), self.start, context=here)

    async def request(self, route: Callable[["Api"], Awaitable[T]]) -> T:
        """What the route returns. Raises ConnectionBrokenError."""
        if not self.process.is_alive:
            await asyncio.sleep(self._world.random.random())
            raise ConnectionBrokenError
        answer: asyncio.Future[T] = self._world.loop.create_future()
        self._waiting[answer] = None  # type: ignore[index]
        self.process.run(self._serve(route, answer), "request")
        return await answer

    async def accepts(self, event: Event) -> bool:
        """Our webhook: whether it answers with a 2xx."""
        try:
            return await self.request(lambda api: api.announced(event))
        except ConnectionBrokenError:
            return False

    async def announced(self, note: Event) -> bool:
        """As serve_app.buying.stripe_webhooks does, but for the signature."""
        event = _event(json.loads(note.body))
        if event is not None and event.type in HANDLED_EVENT_TYPES:
            kept = await self.connections.inbox.add(event, self.connections.clock.now())  # type: ignore[attr-defined]
            if kept is not None:
                self.webhook_events.enqueue(kept)
        return True

    async def authenticate(self, secret: str, *, succeeds: bool) -> bool:
        """What the page of a buyer's bank tells Stripe; False when there is nothing to tell."""
        sandbox = self._market.sandbox(self._world.random.randrange(2**32))
        try:
            await sandbox.authenticate(secret, succeeds=succeeds)
        except NothingToAuthenticateError:
            return False
        return True

    async def confirm_in_the_browser(self, secret: str, card: str) -> None:
        """What Stripe.js tells Stripe: not through us, only from here."""
        sandbox = self._market.sandbox(self._world.random.randrange(2**32))
        fields = {"key": "pk_test_browser", "client_secret": secret, "payment_method": card}
        path = f"/v1/payment_intents/{intent_id_of(secret)}/confirm"
        await sandbox.answer(Request("post", path, fields, None, None, self._world.new_id()))

    def _open(self) -> None:
        own = self.connections = self._market.connect(self._world, self.process)
        system = SimulatedSystem(self._world, self._market.ray, self.process, 0, self._market.settings)
        self.actors = system.actors(self._market.settings, own)
        self.webhook_events = WebhookEventHandler(own.inbox, own.queries, self.actors)
        self._world.loop.create_task(self._know_the_time())
        watching = watch(system.directory(self._market.settings), [names.SUPERVISOR])
        own.supervise(own.clock.run(), own.members.run(), watching, self.webhook_events.run())

    async def _know_the_time(self) -> None:
        """As cluster.connect: a replica serves when it knows the database's time."""
        while True:
            try:
                await self.connections.clock.refresh()
                await self.connections.members.refresh()
            except StoreUnavailableError:
                await asyncio.sleep(1.0)
            else:
                self._is_open.set()
                return

    async def _serve(self, route: Callable[["Api"], Awaitable[T]], answer: asyncio.Future[T]) -> None:
        await self._is_open.wait()
        try:
            result = await route(self)
        except (StoreUnavailableError, LedgerUnavailable):
            _broken(answer)
        except Exception as error:  # noqa: BLE001 - a 500 is a defect
            self._world.breaks(f"a route failed: {error!r}")
        else:
            if not answer.done():
                answer.set_result(result)
        self._waiting.pop(answer, None)  # type: ignore[arg-type]


def _broken(answer: "asyncio.Future[T]") -> None:
    if not answer.done():
        answer.set_exception(ConnectionBrokenError())
