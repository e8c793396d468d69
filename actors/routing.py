"""Which actor hears a message: the caller's side of all actors."""

import asyncio
from typing import Protocol

from actors import names
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
from actors.runtime.ports import Clock, Transport
from config.settings import Settings

# How long a caller waits, in ms. A purchase answers after 12 s at the latest; see purchase.ANSWER_SECONDS.
TICKET_PATIENCE = 5_000
PAYMENT_PATIENCE = 20_000

# Routed to the shared hosts also when tickets in use have processes of their own.
FOR_SHARED_HOSTS = (CreateTicket, EditTicket, WithdrawTicket, ReadTicket)


class ActorTransport(Transport, Protocol):
    """The way to the actors, by name; a dedicated one is created when it is first spoken to."""

    def knows(self, host: str) -> bool:
        """Whether messages went to this host before and it was not found dead since."""


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


class Actors:
    """Everyone's way to the actors: API replicas, OrderActor and Supervisor alike. Satisfies `market.Market`."""

    def __init__(self, settings: Settings, transport: ActorTransport, clock: Clock) -> None:
        self._dedicated = settings.ticket_placement == "dedicated"
        self._placement = SharedPlacement(host_names(settings))
        self._transport = transport
        self._tickets = Gateway(transport, clock)
        self._slow = Gateway(transport, clock, ONE_BY_ONE)

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
