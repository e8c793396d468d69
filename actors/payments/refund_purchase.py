"""Giving the money of an order back: a sale ends after its refund, and an order that is over keeps no money.

No state is kept here, as in `purchase`. That a refund was asked for is in the ticket's journal before Stripe is asked.
"""

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge import has_failed_refund, refund_status
from actors.domain.charge_commands import ReadCharge, RecordPaidByHand, ReverseCharge
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.purchase_commands import RefundOrder
from actors.domain.refusals import NothingToResolve, NotOwner, RefundFailed, RefundRefused, Refusal, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import AbandonRefund, CancelSale, StartRefund
from actors.domain.ticket_values import CancelReason, Order, RefundStatus
from actors.payments.participants import Outcome, Participants, PurchaseReads


class RefundSaga:
    """The steps of a refund over a ticket and its charges; any of them can be repeated."""

    def __init__(self, participants: Participants, queries: PurchaseReads) -> None:
        self._participants = participants
        self._queries = queries

    async def start(self, order: Order, command: RefundOrder) -> Outcome:
        """Refund the order for its seller or an administrator."""
        if order.seller_id != command.user_id and not command.is_admin:
            return NotOwner()
        charges = await self._queries.charges_of(order.id)
        if order.cancel_reason is CancelReason.REFUNDED and charges:
            # A repeat: given back already, unless it came back to us since.
            has_failed = refund_status(order, charges) is RefundStatus.FAILED
            return RefundFailed() if has_failed else PaymentAnswer(order, charges[-1])
        started = await self._participants.ask_ticket(
            StartRefund(order.ticket_id, order.id, command.user_id, command.is_admin)
        )
        match started:
            case TicketAnswer(order=Order(charge_id=str() as paid_by) as refunding):
                answer = await self._participants.ask_charge(ReadCharge(paid_by))
                return answer if isinstance(answer, Refusal) else await self.refund(refunding, answer.charge)
        return started if isinstance(started, Refusal) else Unavailable()

    async def refund(self, order: Order, charge: Charge) -> Outcome:
        """Give the money back and then end the sale: only then is the ticket for sale again.

        Money that was only set aside so far is let go instead: there is nothing to give back then.
        """
        if _has_failed_since(order, charge):
            return await self._abandon(order)
        answer = await self._participants.ask_charge(ReverseCharge(charge.id))
        match answer:
            case ChargeAnswer(charge=Charge(status=ChargeStatus.REFUNDED | ChargeStatus.VOIDED) as refunded):
                cancel = CancelSale(order.ticket_id, order.id, CancelReason.REFUNDED)
                cancelled = await self._participants.ask_ticket(cancel)
                after = cancelled.order if isinstance(cancelled, TicketAnswer) and cancelled.order else order
                return PaymentAnswer(after, refunded)
            case ChargeAnswer(charge=Charge(status=ChargeStatus.COMPLETED, refunding=False)):
                return await self._abandon(order)
            case ChargeAnswer(charge=pending):
                return PaymentAnswer(order, pending)
        return answer

    async def resolve(self, order: Order, by: str) -> Outcome:
        """Write down that the buyer was paid another way. While the sale stands nothing is to be paid."""
        charges = await self._queries.charges_of(order.id)
        match refund_status(order, charges):
            case RefundStatus.FAILED:
                (failed, *_) = filter(has_failed_refund, charges)
                answer = await self._participants.ask_charge(RecordPaidByHand(failed.id, by))
                return answer if isinstance(answer, Refusal) else PaymentAnswer(order, answer.charge)
            case RefundStatus.PAID_BY_HAND:
                return PaymentAnswer(order, charges[-1])
        return NothingToResolve()

    async def reverse(self, order: Order) -> None:
        """Let go of or give back what any attempt has, once the order's end is in the journal.

        A charge whose refund failed is the operator's, who may have paid the buyer back another way.
        """
        for charge in await self._queries.charges_of(order.id):
            if charge.has_pending_money or (charge.status is ChargeStatus.COMPLETED and charge.failure is None):
                await self._participants.ask_charge(ReverseCharge(charge.id))

    async def _abandon(self, order: Order) -> Outcome:
        await self._participants.ask_ticket(AbandonRefund(order.ticket_id, order.id))
        return RefundRefused()


def _has_failed_since(order: Order, charge: Charge) -> bool:
    """Whether Stripe refused this refund, and that is on record: then it is not begun anew by itself."""
    is_kept = charge.status is ChargeStatus.COMPLETED and not charge.refunding and charge.failure is not None
    return order.refunding and is_kept and charge.updated_at > order.updated_at
