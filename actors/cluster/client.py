"""Which actor hears a message: the caller's side of all actors."""

import asyncio
import contextlib

from actors.cluster import names
from actors.cluster.members import Members
from actors.domain.answers import ChargeAnswer, Moved, PaymentAnswer
from actors.domain.charge_commands import PaymentCommand, charge_id_of
from actors.domain.purchase_commands import Pay, PurchaseCommand, RefundOrder, ResolveRefund, ResumePurchase
from actors.domain.refusals import Refusal, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ReadTicket, TicketCommand
from actors.runtime.bounded_dict import BoundedDict
from actors.runtime.gateway import FIRST_BACKOFF_SECONDS, ONE_BY_ONE, Gateway
from actors.runtime.ports import Answer_co, Clock, HostUnreachableError, Instant, StoreUnavailableError, Transport
from actors.runtime.retry import backoff

# How long a caller waits, in ms. A purchase answers after 12 s at the latest; see purchase_runner.ANSWER_SECONDS.
TICKET_TIMEOUT_MS = 5_000
PAYMENT_TIMEOUT_MS = 20_000

# Tickets of which it is remembered that they have an actor of their own; of others their shared host says it again.
KNOWN_MOVED = 20_000
LONGEST_PAUSE_SECONDS = 0.5


class ActorClient:
    """Everyone's way to the actors: API replicas, OrderActor and Supervisor alike. Satisfies `market.MarketClient`."""

    def __init__(self, members: Members, transport: Transport, clock: Clock, *, is_dedicated: bool = False) -> None:
        """`is_dedicated` where tickets have actors of their own while they are in use."""
        self.members = members
        self._clock = clock
        self._is_dedicated = is_dedicated
        retries = members.is_member
        self._tickets: Gateway[TicketAnswer | Moved] = Gateway(transport, clock, retries=retries)
        self._own: Gateway[TicketAnswer | Moved] = Gateway(transport, clock, retries=lambda _host: False)
        self._moved: BoundedDict[str, None] = BoundedDict(KNOWN_MOVED)
        self._charges: Gateway[ChargeAnswer | Moved] = Gateway(transport, clock, ONE_BY_ONE, retries=retries)
        self._purchases: Gateway[PaymentAnswer | Moved] = Gateway(transport, clock, ONE_BY_ONE, retries=retries)

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        """The ticket's answer, durable when it arrives; Unavailable or Overloaded when there is none in time."""
        if self._is_dedicated:
            return await self._ask_dedicated(command)
        return await self._ask(self._tickets, names.TICKETS, command.ticket_id, command, TICKET_TIMEOUT_MS)

    async def _ask(
        self, gateway: Gateway[Answer_co | Moved], kind: str, entity_id: str, command: object, timeout_ms: int
    ) -> Answer_co | Refusal:
        """Ask the owner of the entity, and when it is another one by now, that one, until the time is up."""
        until = self._clock.now() + timeout_ms
        pauses = backoff(FIRST_BACKOFF_SECONDS, LONGEST_PAUSE_SECONDS)
        tries = 0
        while (left_ms := until - self._clock.now()) > 0:
            hosts = self.members.hosts_to_ask(kind, entity_id)
            if hosts:
                with contextlib.suppress(HostUnreachableError):
                    host = hosts[tries % len(hosts)]
                    # Who says `Moved` may have been asked more than once, and have died before it answered.
                    answer = await gateway.ask(host, command, left_ms, redelivered=tries > 0)
                    if not isinstance(answer, Moved):
                        return answer
                tries += 1
            with contextlib.suppress(StoreUnavailableError):
                await self.members.refresh()
            if not hosts or tries % len(hosts) == 0:
                await asyncio.sleep(min(next(pauses), left_ms / 1000))
        return Unavailable()

    async def _ask_dedicated(self, command: TicketCommand) -> TicketAnswer | Refusal:
        """As `ask_ticket`, where `Moved` says that the ticket has an actor of its own."""
        until = self._clock.now() + TICKET_TIMEOUT_MS
        if command.ticket_id not in self._moved:
            answer = await self._ask_shared(command, until)
            if not isinstance(answer, Moved):
                return answer
            self._moved[command.ticket_id] = None
        # Half of the time is left for its shared host, which serves everybody who comes back to it.
        answer = await self._ask_own(command, (until - self._clock.now()) // 2)
        if isinstance(answer, Moved):
            self._moved.pop(command.ticket_id, None)
            answer = await self._ask_shared(command, until, redelivered=True)
        return Unavailable() if isinstance(answer, Moved) else answer

    async def _ask_shared(
        self, command: TicketCommand, until: Instant, *, redelivered: bool = False
    ) -> TicketAnswer | Refusal | Moved:
        """The answer of the shared host, which may be another one while it is waited for."""
        while (left_ms := until - self._clock.now()) > 0:
            for host in self.members.hosts_to_ask(names.TICKETS, command.ticket_id)[:1]:
                with contextlib.suppress(HostUnreachableError):
                    return await self._tickets.ask(host, command, left_ms, redelivered=redelivered)
            redelivered = True
            await asyncio.sleep(FIRST_BACKOFF_SECONDS)
        return Unavailable()

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
        return await self._ask(self._charges, names.PAYMENTS, charge_id_of(command), command, PAYMENT_TIMEOUT_MS)

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
        return await self._ask(self._purchases, names.ORDERS, command.order_id, command, PAYMENT_TIMEOUT_MS)

    async def is_ready(self) -> bool:
        """Whether the ticket hosts answer, and so the database does."""
        hosts = self.members.names(names.TICKETS)
        reads = (self._tickets.ask(host, ReadTicket("0" * 24), TICKET_TIMEOUT_MS // 2) for host in hosts)
        return bool(hosts) and not any(isinstance(reply, Unavailable) for reply in await asyncio.gather(*reads))
