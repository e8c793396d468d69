"""Whom the sagas of an order ask, what they read, and what comes of them."""

from typing import Protocol, TypeAlias

from actors.cluster.market import TicketClient
from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge_commands import PaymentCommand
from actors.domain.charge_values import Charge
from actors.domain.refusals import Refusal
from actors.domain.ticket_values import Order

Outcome: TypeAlias = PaymentAnswer | Refusal


class Participants(TicketClient, Protocol):
    """The participants of a saga: the order's ticket, and its charges. Asking again is always safe."""

    async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
        """Return the charge as the command left it, or why there is no answer."""


class PurchaseReads(Protocol):
    """What the sagas read. Both raise StoreUnavailableError."""

    async def order(self, order_id: str) -> Order | None:
        """Return the stored order: enough to know the ticket, not to know how the order stands now."""

    async def charges_of(self, order_id: str) -> list[Charge]:
        """Return all attempts to pay an order, in order."""
