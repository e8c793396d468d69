"""The actors on Ray: how they are created and found, and how messages reach them."""

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import ray
import structlog
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors import names
from actors.connections import Connections, keep_running
from actors.domain.messages import (
    ChargeAnswer,
    CreateTicket,
    EditTicket,
    Pay,
    PaymentAnswer,
    PaymentCommand,
    PurchaseCommand,
    ReadTicket,
    RefundOrder,
    Refusal,
    ResumePurchase,
    TicketCommand,
    Unavailable,
    WithdrawTicket,
)
from actors.domain.ticket import TicketAnswer
from actors.runtime.gateway import ONE_BY_ONE, Gateway
from actors.runtime.placement import SharedPlacement
from actors.runtime.ports import Clock, HostUnreachableError, Instant, Reply
from actors.watch import watch
from config.settings import Settings

# How long a caller waits, in ms. A purchase answers after 12 s at the latest; see purchase.ANSWER_SECONDS.
TICKET_PATIENCE = 5_000
PAYMENT_PATIENCE = 20_000

# The class of each kind of actor, imported only where one is created: they import this module.
CLASSES = {
    names.TICKETS: ("actors.ticket_actor", "TicketActor"),
    names.ORDERS: ("actors.order_actor", "OrderActor"),
    names.PAYMENTS: ("actors.payment_actor", "PaymentActor"),
    names.SUPERVISOR: ("actors.supervisor", "Supervisor"),
}
# Routed to the shared hosts also when tickets in use have processes of their own.
FOR_SHARED_HOSTS = (CreateTicket, EditTicket, WithdrawTicket, ReadTicket)

logger = structlog.get_logger(__name__)


def create(name: str, settings: Settings) -> ActorHandle[Any]:
    """The actor of this name, created if there is none. Blocks for a call to Ray's control service."""
    module, class_name = CLASSES[names.kind_of(name)]
    actor_class: Any = ray.remote(getattr(import_module(module), class_name))
    handle: ActorHandle[Any] = actor_class.options(
        name=name,
        namespace=names.NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        # Restarted whenever it dies; its messages are not: the gateway repeats them, by their ids.
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=10_000,
        enable_task_events=False,
    ).remote(name, settings)
    return handle


def host_names(settings: Settings) -> dict[str, int]:
    """How many actors of each kind share the ids of that kind."""
    return {
        names.TICKETS: settings.ticket_actors,
        names.ORDERS: settings.order_actors,
        names.PAYMENTS: settings.payment_actors,
    }


def start(settings: Settings) -> None:
    """Creates all actors that the settings ask for; those that exist stay. Ray is to be connected."""
    placement = SharedPlacement(host_names(settings))
    everyone = [name for kind in host_names(settings) for name in placement.names(kind)]
    handles = [create(name, settings) for name in (*everyone, names.SUPERVISOR)]
    ray.get([handle.ping.remote() for handle in handles])


class RayTransport:
    """Carries batches to actors by name; a handle that went stale is looked up again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handles: dict[str, ActorHandle[Any]] = {}

    def knows(self, host: str) -> bool:
        """Whether messages went to this host before and it was not found dead since."""
        return host in self._handles

    async def call(self, host: str, messages: Sequence[Any], deadline: Instant) -> list[Reply]:
        """One reply for each message, in order. Raises HostUnreachableError."""
        try:
            handle: Any = self._handles[host] if host in self._handles else await self._look_up(host)
            replies: list[Reply] = await handle.deliver.remote(messages, deadline)
        except (RayError, ValueError) as error:
            # ValueError: no actor has this name, yet or any more.
            self._handles.pop(host, None)
            logger.warning("host_unreachable", host=host, error=type(error).__name__)
            raise HostUnreachableError(host) from error
        return replies

    async def _look_up(self, host: str) -> ActorHandle[Any]:
        if names.is_dedicated(host):
            handle = await asyncio.to_thread(create, host, self._settings)
        else:
            handle = await asyncio.to_thread(ray.get_actor, host, names.NAMESPACE)
        self._handles[host] = handle
        return handle


class Actors:
    """Everyone's way to the actors: API replicas, OrderActor and Supervisor alike. Satisfies `market.Market`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._dedicated = settings.ticket_placement == "dedicated"
        self._placement = SharedPlacement(host_names(settings))
        self._transport = RayTransport(settings)
        self._tickets = Gateway(self._transport, clock)
        self._slow = Gateway(self._transport, clock, ONE_BY_ONE)

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        """The ticket's answer, durable when it arrives; Unavailable or Overloaded when there is none in time."""
        shared = self._placement.host_of(names.TICKETS, command.ticket_id)
        if not self._dedicated or isinstance(command, FOR_SHARED_HOSTS):
            return await self._ask_ticket(shared, command)
        own = names.dedicated(command.ticket_id)
        if not self._transport.knows(own):
            # A process is started only for a ticket that exists.
            found = await self._ask_ticket(shared, ReadTicket(command.ticket_id))
            if isinstance(found, Refusal):
                return found
        return await self._ask_ticket(own, command)

    async def _ask_ticket(self, host: str, command: TicketCommand) -> TicketAnswer | Refusal:
        answer: TicketAnswer | Refusal = await self._tickets.ask(host, command, TICKET_PATIENCE)
        return answer

    async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
        """The charge as the command left it."""
        charge_id = getattr(command, "charge_id", None) or command.charge.id  # type: ignore[union-attr]
        host = self._placement.host_of(names.PAYMENTS, charge_id)
        answer: ChargeAnswer | Refusal = await self._slow.ask(host, command, PAYMENT_PATIENCE)
        return answer

    async def pay(self, command: Pay) -> PaymentAnswer | Refusal:
        """Carries the payment of an order through, and says how it stands."""
        return await self._purchase(command)

    async def refund(self, command: RefundOrder) -> PaymentAnswer | Refusal:
        """Gives the money of a complete order back."""
        return await self._purchase(command)

    async def resume(self, command: ResumePurchase) -> PaymentAnswer | Refusal:
        """Finishes a purchase that stood still."""
        return await self._purchase(command)

    async def _purchase(self, command: PurchaseCommand) -> PaymentAnswer | Refusal:
        host = self._placement.host_of(names.ORDERS, command.order_id)
        answer: PaymentAnswer | Refusal = await self._slow.ask(host, command, PAYMENT_PATIENCE)
        return answer

    async def is_ready(self) -> bool:
        """Whether the ticket hosts answer, and so the database does."""
        reads = (
            self._tickets.ask(host, ReadTicket("0" * 24), TICKET_PATIENCE // 2)
            for host in self._placement.names(names.TICKETS)
        )
        return not any(isinstance(reply, Unavailable) for reply in await asyncio.gather(*reads))


async def connect(settings: Settings) -> Actors:
    """The way to the actors for an API replica, which also watches over the Supervisor."""
    connections = Connections(settings)
    await connections.clock.refresh()
    actors = Actors(settings, connections.clock)
    keep_running(connections.clock.run(), watch([names.SUPERVISOR]))
    return actors
