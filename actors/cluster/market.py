"""What the market offers to its callers: the messages that can be sent, and what comes back."""

from typing import Protocol

from actors.domain.answers import PaymentAnswer
from actors.domain.purchase_commands import Pay, RefundOrder, ResolveRefund, ResumePurchase
from actors.domain.refusals import Refusal
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import TicketCommand


class MarketClient(Protocol):
    """The caller's side of all actors. Asking again with the same ids is always safe."""

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        """The ticket's answer, durable when it arrives; Unavailable or Overloaded when there is none in time."""

    async def pay(self, command: Pay) -> PaymentAnswer | Refusal:
        """Carries the payment of an order through, and says how it stands."""

    async def refund(self, command: RefundOrder | ResolveRefund) -> PaymentAnswer | Refusal:
        """Gives the money of a complete order back, or notes that it was paid by hand, and says how it stands."""

    async def resume(self, command: ResumePurchase) -> PaymentAnswer | Refusal:
        """Has a purchase go on, and says how it stands."""

    async def is_ready(self) -> bool:
        """Whether the database and the actors answer, and are those that this process asks."""
