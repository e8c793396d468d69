"""Paying for an order, step by step, through its ticket and its charge.

No state is kept here. Wherever a purchase stopped, the answers of the ticket and the charge say how it goes on:

    ticket                 charge                 step
    order awaits payment   not opened or created  authorise; while the bank asks its owner, answer with the secret
                           authorised, completed  sell, then capture
                           failed, voided         release: the attempt is over, and its intent is cancelled
    order complete         authorised             capture; if Stripe never will, cancel the sale
                           refunding, refunded    refund (`refund_purchase`)
    order over             any                    reverse (`refund_purchase`); after news of Stripe, reconcile
"""

from collections.abc import Sequence
from dataclasses import replace

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge import UNKNOWN_METHOD, charge_id
from actors.domain.charge_commands import Authorise, Capture, ReadCharge, Reconcile, ReverseCharge
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.instants import Instant
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import (
    AttemptOver,
    NoPaymentMethod,
    NotCapturable,
    NotFound,
    OrderClosed,
    OrderComplete,
    PaymentInProgress,
    Refusal,
    RequestMismatch,
    Unavailable,
    UnknownPaymentMethod,
    WrongAmount,
)
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelSale, ReadOrder, Release, Sell, StartPayment
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from actors.payments.participants import Outcome, Participants, PurchaseReads
from actors.payments.refund_purchase import RefundSaga
from actors.runtime.ports import Clock


class PurchaseSaga:
    """The steps of a purchase over a ticket and its charges; any of them can be repeated."""

    def __init__(  # noqa: PLR0913 - the seams of the design
        self,
        participants: Participants,
        queries: PurchaseReads,
        refunds: RefundSaga,
        clock: Clock,
        *,
        grace_ms: int,
        max_attempts: int,
    ) -> None:
        """`grace_ms` is how much time a payment gets that starts late. `max_attempts` is how many may fail."""
        self._participants = participants
        self._queries = queries
        self._refunds = refunds
        self._clock = clock
        self._grace_ms = grace_ms
        self._max_attempts = max_attempts

    async def pay(self, order: Order, command: Pay) -> Outcome:
        """Pay the order with the command's payment method, or go on with the attempt that has one already."""
        if command.payment_method is None:
            return await self._continue_attempt(order, command)
        started = await self._participants.ask_ticket(StartPayment(order.ticket_id, order.id, self._grace_ms))
        match started:
            case TicketAnswer(order=Order() as held):
                charge = new_charge(held, command.payment_method, self._clock.now(), request=command.request)
                return await self._pay_with_card(held, charge, command)
            case OrderComplete():
                return await self._paid(order, command)
            case OrderClosed():
                await self._refunds.reverse(order)
        return started if isinstance(started, Refusal) else Unavailable()

    async def _continue_attempt(self, order: Order, command: Pay) -> Outcome:
        """Go on with the attempt that the buyer's bank asks about or said yes to, without a payment method."""
        read = await self._participants.ask_ticket(ReadOrder(order.ticket_id, order.id))
        match read:
            case TicketAnswer(order=Order(status=OrderStatus.COMPLETE)):
                return await self._paid(order, command)
            case TicketAnswer(order=Order() as held):
                answer = await self._participants.ask_charge(ReadCharge(charge_id(held.id, held.attempt)))
                match answer:
                    case ChargeAnswer(
                        charge=Charge(action_required=True) | Charge(status=ChargeStatus.AUTHORISED) as begun
                    ):
                        return await self._authorise(held, begun)
                    case ChargeAnswer() | NotFound():
                        return NoPaymentMethod()
                return answer
            case OrderClosed():
                await self._refunds.reverse(order)
        return read if isinstance(read, Refusal) else Unavailable()

    async def _pay_with_card(self, order: Order, charge: Charge, command: Pay) -> Outcome:
        outcome = await self._authorise(order, charge)
        if not isinstance(outcome, PaymentAnswer):
            return outcome
        if outcome.charge.payment_method != command.payment_method:
            return await self._after_another_card(outcome, command)
        return UnknownPaymentMethod() if outcome.charge.failure == UNKNOWN_METHOD else outcome

    async def _after_another_card(self, earlier: PaymentAnswer, command: Pay) -> Outcome:
        """Try the card of now once the one of an earlier attempt cannot pay any more.

        Nobody is answered as if the card of now had been used when it was the earlier one.
        """
        order, charge = earlier.order, earlier.charge
        match charge.status:
            case _ if order.status is OrderStatus.COMPLETE:
                return replace(earlier, fresh=False)
            case ChargeStatus.CREATED if charge.action_required:
                # From this commit on a yes of the bank sells nothing, so the intent may be cancelled.
                released = await self._release(order, charge, counts=False)
                if not isinstance(released, PaymentAnswer):
                    return released
                order = released.order
            case ChargeStatus.CREATED | ChargeStatus.AUTHORISED:
                return PaymentInProgress()
        return await self.pay(order, command) if order.is_open else OrderClosed()

    async def _authorise(self, order: Order, charge: Charge) -> Outcome:
        """Go on from the authorisation. The charge may have come any distance already."""
        answer = await self._participants.ask_charge(Authorise(charge))
        match answer:
            case ChargeAnswer(charge=Charge(status=ChargeStatus.AUTHORISED | ChargeStatus.COMPLETED) as authorised):
                return await self._sell(order, authorised)
            case ChargeAnswer(charge=Charge(status=ChargeStatus.FAILED | ChargeStatus.VOIDED) as failed):
                # An unknown payment method is the client's mistake, not the card's.
                return await self._release(order, failed, counts=failed.failure != UNKNOWN_METHOD)
            case ChargeAnswer(charge=unknown, client_secret=secret):
                return PaymentAnswer(order, unknown, secret)
        return answer

    async def _release(self, order: Order, charge: Charge, *, counts: bool) -> Outcome:
        """End the attempt: first in the journal, then at Stripe, where somebody could still pay its intent."""
        release = Release(order.ticket_id, order.id, charge.attempt, max_attempts=self._max_attempts, counts=counts)
        released = await self._participants.ask_ticket(release)
        match released:
            case TicketAnswer(order=Order() as after):
                return PaymentAnswer(after, await self._with_cancelled_intent(charge))
            case OrderClosed():
                # It ended in another way while the card was asked about: either way its buyer holds nothing any more.
                ended = replace(order, status=OrderStatus.CANCELLED)
                return PaymentAnswer(ended, await self._with_cancelled_intent(charge))
        # Whether the ticket was let go of is not known, so nothing is said of it: asking again tells.
        return released if isinstance(released, Refusal) else Unavailable()

    async def _with_cancelled_intent(self, charge: Charge) -> Charge:
        """Return the charge after its intent was cancelled at Stripe, or as it was: the Supervisor repeats that."""
        answer = await self._participants.ask_charge(ReverseCharge(charge.id)) if charge.has_pending_money else None
        return answer.charge if isinstance(answer, ChargeAnswer) else charge

    async def _sell(self, order: Order, charge: Charge) -> Outcome:
        sell = Sell(order.ticket_id, order.id, charge.id, charge.amount, charge.attempt)
        sold = await self._participants.ask_ticket(sell)
        match sold:
            case TicketAnswer(order=Order() as bought, fresh=fresh):
                return await self._capture(bought, charge, fresh=fresh)
            case OrderClosed() | AttemptOver() | WrongAmount():
                # The end of the order or the attempt is in the journal, or the amount is wrong: the money goes back.
                await self._participants.ask_charge(ReverseCharge(charge.id))
                return sold
        return PaymentAnswer(order, charge)  # not known: the Supervisor has it resumed

    async def _capture(self, order: Order, charge: Charge, *, fresh: bool) -> Outcome:
        """Take the money: the sale is in the journal."""
        answer = await self._participants.ask_charge(Capture(charge.id))
        if isinstance(answer, NotCapturable):
            cancel = CancelSale(order.ticket_id, order.id, CancelReason.CAPTURE_FAILED)
            cancelled = await self._participants.ask_ticket(cancel)
            if isinstance(cancelled, TicketAnswer | OrderClosed):
                await self._participants.ask_charge(ReverseCharge(charge.id))
                return OrderClosed()
        captured = answer.charge if isinstance(answer, ChargeAnswer) else charge
        return PaymentAnswer(order, captured, fresh=fresh)

    async def _paid(self, order: Order, command: Pay) -> Outcome:
        """Answer for an order that was sold before; its money is taken now if that is still to be done."""
        stored = await self._queries.order(order.id) or order
        attempt_id = stored.charge_id or charge_id(order.id, order.attempt)
        answer = await self._participants.ask_charge(ReadCharge(attempt_id))
        if isinstance(answer, Refusal):
            return answer
        charge = answer.charge
        if command.request == charge.request is not None and command.payment_method != charge.payment_method:
            return RequestMismatch()
        complete = replace(stored, status=OrderStatus.COMPLETE, charge_id=charge.id)
        return await self._capture(complete, charge, fresh=False)

    async def resume(self, order: Order, *, reconcile: bool) -> Outcome:
        """Go on with what was begun: the last attempt's charge says how far it came."""
        charges = await self._queries.charges_of(order.id)
        if not charges:
            return Unavailable()  # no charge, no money: the hold ends by itself, or its buyer asks again
        is_settled = not (reconcile or order.refunding or any(charge.has_pending_money for charge in charges))
        if order.status in (OrderStatus.CREATED, OrderStatus.COMPLETE) and is_settled:
            return PaymentAnswer(order, charges[-1])  # a document is never ahead of the truth: nothing is left to do
        # Not `StartPayment`: an order that is open again since its document was written waits for its buyer.
        read = await self._participants.ask_ticket(ReadOrder(order.ticket_id, order.id))
        match read:
            case TicketAnswer(order=Order() as now):
                return await self._resume_attempt(now, charges, reconcile=reconcile)
            case OrderClosed() if reconcile:
                for known in charges:
                    await self._participants.ask_charge(Reconcile(known.id))
            case OrderClosed():
                await self._refunds.reverse(order)
        return read if isinstance(read, Refusal) else Unavailable()

    async def _resume_attempt(self, order: Order, charges: Sequence[Charge], *, reconcile: bool) -> Outcome:
        """Go on with the current attempt of an order that has its ticket; earlier ones keep no money."""
        for charge in charges:
            if charge.attempt < order.attempt and charge.has_pending_money:
                await self._participants.ask_charge(ReverseCharge(charge.id))
        charge = charges[-1]
        if order.status is OrderStatus.CREATED:
            return PaymentAnswer(order, charge)  # its buyer may make another attempt
        if charge.attempt != order.attempt:
            return Unavailable()  # its document is not written yet
        if order.status is OrderStatus.COMPLETE:
            return await self._resume_sale(order, charge, reconcile=reconcile)
        return await self._authorise(order, charge)

    async def _resume_sale(self, order: Order, charge: Charge, *, reconcile: bool) -> Outcome:
        """Take what is to be taken for a sale, or go on giving it back."""
        if charge.status is ChargeStatus.AUTHORISED and not order.refunding:
            return await self._capture(order, charge, fresh=False)
        if reconcile:
            answer = await self._participants.ask_charge(Reconcile(charge.id))
            if isinstance(answer, Refusal):
                return answer
            charge = answer.charge
        if order.refunding or charge.status is ChargeStatus.REFUNDED:
            return await self._refunds.refund(order, charge)
        return PaymentAnswer(order, charge)


def new_charge(order: Order, payment_method: str, now: Instant, *, request: str | None = None) -> Charge:
    """Return the charge of the order's current attempt before anything happened to it."""
    return Charge(
        id=charge_id(order.id, order.attempt),
        order_id=order.id,
        ticket_id=order.ticket_id,
        buyer_id=order.buyer_id,
        attempt=order.attempt,
        amount=order.price,
        currency=order.currency,
        payment_method=payment_method,
        status=ChargeStatus.CREATED,
        created_at=now,
        updated_at=now,
        request=request,
    )
