"""What sales, refunds and offers put into the outbox: one mail to the buyer for each."""

from collections.abc import Callable, Sequence

from actors.domain.instants import Instant
from actors.domain.ticket_values import CancelReason
from actors.mail.outbox import Mail, MailStore, about_order
from actors.mail.templates import MailKind
from holdfast.events import Event
from holdfast.events.catalogue import CATALOGUE, OFFERED, OrderData

DURABLE = "receipts"
_COMPLETED, _CANCELLED = CATALOGUE["OrderCompleted"].subject, CATALOGUE["OrderCancelled"].subject
SUBJECTS = (_COMPLETED, _CANCELLED, OFFERED.subject)
# A market whose subscription is new, or was lost, does not write to everybody who ever bought something.
OLDEST_MS = 86_400_000


class Receipts:
    """Handles what the subscription hands over. A repeat adds nothing: a mail's id follows from its order."""

    def __init__(self, outbox: MailStore, now: Callable[[], Instant]) -> None:
        self._outbox = outbox
        self._now = now

    async def handle(self, events: Sequence[Event]) -> None:
        """Put a mail for each into the outbox that is worth one. Raises StoreUnavailableError."""
        oldest = self._now() - OLDEST_MS
        mails = (_mail(event) for event in events if event.time_ms >= oldest)
        await self._outbox.add([mail for mail in mails if mail is not None])


def _mail(event: Event) -> Mail | None:
    order = OrderData.model_validate_json(event.data)
    if event.subject == _COMPLETED:
        kind = MailKind.RECEIPT
    elif event.subject == OFFERED.subject:
        kind = MailKind.OFFER
    elif event.subject == _CANCELLED and order.cancel_reason == CancelReason.REFUNDED:
        kind = MailKind.REFUND
    else:
        return None
    return about_order(kind, order.order_id, order.buyer_id, event.time_ms)
