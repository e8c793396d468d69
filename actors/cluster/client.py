"""Which actor hears a message: the caller's side of all actors."""

import asyncio

import structlog

from actors.cluster import names
from actors.cluster.heartbeat import Heartbeat
from actors.domain.answers import ChargeAnswer, Moved, PaymentAnswer
from actors.domain.charge_commands import PaymentCommand
from actors.domain.purchase_commands import Pay, PurchaseCommand, RefundOrder, ResolveRefund, ResumePurchase
from actors.domain.refusals import Refusal, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ReadTicket, TicketCommand
from actors.runtime.bounded_dict import BoundedDict
from actors.runtime.gateway import NO_RETRIES, ONE_BY_ONE, Gateway
from actors.runtime.placement import SharedPlacement
from actors.runtime.ports import Clock, HostUnreachableError, Transport
from config.settings import Settings

# How long a caller waits, in ms. A purchase answers after 12 s at the latest; see purchase_runner.ANSWER_SECONDS.
TICKET_TIMEOUT_MS = 5_000
PAYMENT_TIMEOUT_MS = 20_000

# Tickets of which it is remembered that they have an actor of their own; of others their shared host says it again.
KNOWN_MOVED = 20_000

logger = structlog.get_logger(__name__)


def host_names(settings: Settings) -> dict[str, int]:
    """How many actors of each kind share the ids of that kind."""
    return {
        names.TICKETS: settings.ticket_actors,
        names.ORDERS: settings.order_actors,
        names.PAYMENTS: settings.payment_actors,
    }


def shared_names(settings: Settings) -> list[str]:
    """The names of all of them."""
    placement = SharedPlacement(host_names(settings))
    return [name for kind in host_names(settings) for name in placement.names(kind)]


class ActorClient:
    """Everyone's way to the actors: API replicas, OrderActor and Supervisor alike. Satisfies `market.MarketClient`."""

    def __init__(self, settings: Settings, transport: Transport, clock: Clock) -> None:
        self._placement = SharedPlacement(host_names(settings))
        self._clock = clock
        self._tickets: Gateway[TicketAnswer | Moved] = Gateway(transport, clock)
        self._own: Gateway[TicketAnswer | Moved] = Gateway(transport, clock, NO_RETRIES)
        self._moved: BoundedDict[str, None] = BoundedDict(KNOWN_MOVED)
        self._charges: Gateway[ChargeAnswer] = Gateway(transport, clock, ONE_BY_ONE)
        self._purchases: Gateway[PaymentAnswer] = Gateway(transport, clock, ONE_BY_ONE)
        self._hosts = host_names(settings)
        # What the Supervisor said, while that is not what is so here.
        self._other_hosts: dict[str, int] = {}

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        """The ticket's answer, durable when it arrives; Unavailable or Overloaded when there is none in time."""
        shared = self._placement.host_of(names.TICKETS, command.ticket_id)
        until = self._clock.now() + TICKET_TIMEOUT_MS
        if command.ticket_id not in self._moved:
            answer = await self._tickets.ask(shared, command, TICKET_TIMEOUT_MS)
            if not isinstance(answer, Moved):
                return answer
            self._moved[command.ticket_id] = None
        # Half of the time is left for its shared host, which serves everybody who comes back to it.
        answer = await self._ask_own(command, (until - self._clock.now()) // 2)
        if isinstance(answer, Moved):
            self._moved.pop(command.ticket_id, None)
            answer = await self._tickets.ask(shared, command, until - self._clock.now(), redelivered=True)
        return Unavailable() if isinstance(answer, Moved) else answer

    async def _ask_own(self, command: TicketCommand, timeout_ms: int) -> TicketAnswer | Refusal | Moved:
        """The answer of the ticket's own actor, Moved when nobody is there or answers in time."""
        own = names.dedicated(command.ticket_id)
        try:
            # The shared host may have been asked several times before it said where the ticket is.
            return await self._own.ask(own, command, timeout_ms, redelivered=True)
        except HostUnreachableError:
            return Moved()

    async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
        """The charge as the command left it."""
        charge_id = getattr(command, "charge_id", None) or command.charge.id  # type: ignore[union-attr]
        host = self._placement.host_of(names.PAYMENTS, charge_id)
        return await self._charges.ask(host, command, PAYMENT_TIMEOUT_MS)

    async def pay(self, command: Pay) -> PaymentAnswer | Refusal:
        """Carries the payment of an order through, and says how it stands."""
        return await self._purchase(command)

    async def refund(self, command: RefundOrder | ResolveRefund) -> PaymentAnswer | Refusal:
        """Gives the money of a complete order back, or notes that it was paid by hand."""
        return await self._purchase(command)

    async def resume(self, command: ResumePurchase) -> PaymentAnswer | Refusal:
        """Finishes a purchase that stood still."""
        return await self._purchase(command)

    async def _purchase(self, command: PurchaseCommand) -> PaymentAnswer | Refusal:
        host = self._placement.host_of(names.ORDERS, command.order_id)
        return await self._purchases.ask(host, command, PAYMENT_TIMEOUT_MS)

    def compare_hosts(self, supervisor: Heartbeat) -> None:
        """Is not ready while the Supervisor has other numbers of actors: this process looks for others' ids elsewhere.

        A replica keeps the settings that its node's Ray started with, so it may not know what the actors were told.
        """
        other = supervisor.hosts if any(self._hosts.get(kind) != n for kind, n in supervisor.hosts.items()) else {}
        if other != self._other_hosts:
            self._other_hosts = other
            if other:
                logger.error("numbers_of_actors_differ", own=self._hosts, supervisor=other)
            else:
                logger.info("numbers_of_actors_agree", own=self._hosts)

    async def is_ready(self) -> bool:
        """Whether the ticket hosts answer, and so the database does, and are those that the Supervisor knows."""
        if self._other_hosts:
            return False
        reads = (
            self._tickets.ask(host, ReadTicket("0" * 24), TICKET_TIMEOUT_MS // 2)
            for host in self._placement.names(names.TICKETS)
        )
        return not any(isinstance(reply, Unavailable) for reply in await asyncio.gather(*reads))
