"""What sales, refunds and offers put into the outbox: one mail to the buyer for each."""

from collections.abc import Callable, Sequence

from actors.domain.instants import Instant
from actors.domain.stored_events import NAMES
from actors.domain.ticket_events import OrderCancelled, OrderCompleted, OrderCreated
from actors.domain.ticket_values import CancelReason
from actors.events.subscription import StreamEvent
from actors.mail.outbox import Mail, MailStore, about_order
from actors.mail.templates import MailKind

NAME = "receipts"
TYPES = (NAMES[OrderCompleted], NAMES[OrderCancelled], NAMES[OrderCreated])
# A market whose subscription is new, or was lost, does not write to everybody who ever bought something.
OLDEST_MS = 86_400_000


class Receipts:
    """Handles what the subscription hands over. A repeat adds nothing: a mail's id follows from its order."""

    def __init__(self, outbox: MailStore, now: Callable[[], Instant]) -> None:
        self._outbox = outbox
        self._now = now

    async def handle(self, events: Sequence[StreamEvent]) -> None:
        """Put a mail for each into the outbox. Raises StoreUnavailableError."""
        oldest = self._now() - OLDEST_MS
        mails = (_mail(event) for event in events if event.at >= oldest)
        await self._outbox.add([mail for mail in mails if mail is not None])


def _mail(event: StreamEvent) -> Mail | None:
    order = event.data["order"]
    if event.type == NAMES[OrderCompleted]:
        return about_order(MailKind.RECEIPT, order["id"], order["buyer_id"], event.at)
    if event.type == NAMES[OrderCreated]:
        return about_order(MailKind.OFFER, order["id"], order["buyer_id"], event.at) if order.get("offer") else None
    if order.get("cancel_reason") == CancelReason.REFUNDED:
        return about_order(MailKind.REFUND, order["id"], order["buyer_id"], event.at)
    return None
