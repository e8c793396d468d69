"""What OrderActor does: carries one purchase at a time per order through the ticket and the charge.

It keeps no state of its own. Wherever a purchase stopped, asking the ticket and the charge tells how to go on.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge import UNKNOWN_METHOD, charge_id, has_failed_refund, refund_status
from actors.domain.charge_commands import (
    Authorise,
    Capture,
    PaymentCommand,
    ReadCharge,
    Reconcile,
    RecordPaidByHand,
    ReverseCharge,
)
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.purchase_commands import Pay, PurchaseCommand, RefundOrder, ResolveRefund, ResumePurchase
from actors.domain.refusals import (
    AttemptOver,
    NoPaymentMethod,
    NotCapturable,
    NotFound,
    NothingToResolve,
    NotOwner,
    OrderClosed,
    OrderComplete,
    PaymentInProgress,
    RefundFailed,
    RefundRefused,
    Refusal,
    RequestMismatch,
    Unavailable,
    UnknownPaymentMethod,
    WrongAmount,
)
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import (
    AbandonRefund,
    CancelSale,
    ReadOrder,
    Release,
    Sell,
    StartPayment,
    StartRefund,
    TicketCommand,
)
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, RefundStatus
from actors.runtime.ports import Clock, StoreUnavailableError
from actors.runtime.single_flight import SingleFlight

# A client is answered within this many seconds; the purchase itself goes on and the order can be polled.
ANSWER_SECONDS = 12.0
# How long it may take besides to find out what to answer.
SHOW_SECONDS = 2.0

Outcome = PaymentAnswer | Refusal

logger = structlog.get_logger(__name__)


class Participants(Protocol):
    """Whom a purchase talks to. Asking again is always safe."""

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        """The ticket's answer, or why there is none."""

    async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
        """The charge as the command left it, or why there is none."""


class PurchaseReads(Protocol):
    """What a purchase reads. Both raise StoreUnavailableError."""

    async def order(self, order_id: str) -> Order | None:
        """The stored order: enough to know the ticket, not to know how the order stands now."""

    async def charges_of(self, order_id: str) -> list[Charge]:
        """All attempts to pay an order, in order."""


class PurchaseSaga:
    """The purchases that run in this actor. Two clicks on *pay* meet here: the second waits for the first."""

    def __init__(
        self, counterparts: Participants, queries: PurchaseReads, clock: Clock, *, grace: int, attempts: int
    ) -> None:
        """`grace` is in ms: how much time a payment gets that starts late. `attempts` is how many may fail."""
        self._counterparts = counterparts
        self._queries = queries
        self._clock = clock
        self._grace = grace
        self._attempts = attempts
        self._meetings: SingleFlight[Outcome] = SingleFlight(_stopped)

    async def handle(self, command: PurchaseCommand, *, again: bool = False) -> Outcome:
        """How the payment stands, `fresh` only for the one that made it; a refusal when there is nothing to pay.

        What was sent before (`again`) may have paid: it waits for the other card, and then for what is true.
        """
        if not again and _is_another_card(command, self._meetings.wish(command.order_id)):
            return PaymentInProgress()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                outcome, is_own = await self._meetings.join(
                    command.order_id, _wish(command), lambda: self._carry(command)
                )
        except TimeoutError:
            return await self._pending(command.order_id)
        except StoreUnavailableError:
            return Unavailable()
        if not isinstance(outcome, PaymentAnswer):
            return outcome
        if outcome.order.status is OrderStatus.AWAITING_PAYMENT:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHOW_SECONDS):
                    await self._shown(outcome.order)
        return outcome if is_own else replace(outcome, fresh=False)

    async def _shown(self, order: Order) -> Order:
        """The order as it is now. Whoever is told to look at it again will find it so: the answer promises that."""
        answer = await self._counterparts.ask_ticket(ReadOrder(order.ticket_id, order.id))
        return answer.order if isinstance(answer, TicketAnswer) and answer.order else order

    async def _pending(self, order_id: str) -> Outcome:
        """How far it came, if that is to be had within moments."""
        try:
            async with asyncio.timeout(SHOW_SECONDS):
                stored = await self._queries.order(order_id)
                if stored is None:
                    return Unavailable()
                order = await self._shown(stored)
                # The document of a charge lags until its payment is over.
                answer = await self._counterparts.ask_charge(ReadCharge(charge_id(order.id, order.attempt)))
        except (TimeoutError, StoreUnavailableError):
            return Unavailable()
        return PaymentAnswer(order, answer.charge) if isinstance(answer, ChargeAnswer) else Unavailable()

    async def _carry(self, command: PurchaseCommand) -> Outcome:
        order = await self._queries.order(command.order_id)
        if order is None:
            return NotFound()
        match command:
            case Pay():
                return await self._start(order, command)
            case ResumePurchase(reconcile=reconcile):
                return await self._resume(order, reconcile=reconcile)
            case RefundOrder():
                return await self._start_refund(order, command)
            case ResolveRefund(by=by):
                return await self._resolve(order, by)

    async def _start(self, order: Order, command: Pay) -> Outcome:
        if command.payment_method is None:
            return await self._continue(order, command)
        started = await self._counterparts.ask_ticket(StartPayment(order.ticket_id, order.id, self._grace))
        match started:
            case TicketAnswer(order=Order() as held):
                return await self._pay_with(
                    held, self._new_charge(held, command.payment_method, command.request), command
                )
            case OrderComplete():
                return await self._paid(order, command)
            case OrderClosed():
                await self._settle(order)
        return started if isinstance(started, Refusal) else Unavailable()

    async def _continue(self, order: Order, command: Pay) -> Outcome:
        """Goes on with the attempt that the buyer's bank asks about or said yes to, without a payment method."""
        read = await self._counterparts.ask_ticket(ReadOrder(order.ticket_id, order.id))
        match read:
            case TicketAnswer(order=Order(status=OrderStatus.COMPLETE)):
                return await self._paid(order, command)
            case TicketAnswer(order=Order() as held):
                answer = await self._counterparts.ask_charge(ReadCharge(charge_id(held.id, held.attempt)))
                match answer:
                    case ChargeAnswer(
                        charge=Charge(action_required=True) | Charge(status=ChargeStatus.AUTHORISED) as begun
                    ):
                        return await self._pay(held, begun)
                    case ChargeAnswer() | NotFound():
                        return NoPaymentMethod()
                return answer
            case OrderClosed():
                await self._settle(order)
        return read if isinstance(read, Refusal) else Unavailable()

    async def _pay_with(self, order: Order, charge: Charge, command: Pay) -> Outcome:
        outcome = await self._pay(order, charge)
        if not isinstance(outcome, PaymentAnswer):
            return outcome
        if outcome.charge.payment_method != command.payment_method:
            return await self._after_another_card(outcome, command)
        return UnknownPaymentMethod() if outcome.charge.failure == UNKNOWN_METHOD else outcome

    async def _after_another_card(self, earlier: PaymentAnswer, command: Pay) -> Outcome:
        """An earlier attempt has another card. Nobody is answered as if the card of now had been used instead."""
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
        return await self._start(order, command) if order.is_open else OrderClosed()

    def _new_charge(self, order: Order, payment_method: str, request: str | None = None) -> Charge:
        now = self._clock.now()
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

    async def _pay(self, order: Order, charge: Charge) -> Outcome:
        """From the authorisation on. The charge may have come any distance already."""
        answer = await self._counterparts.ask_charge(Authorise(charge))
        match answer:
            case ChargeAnswer(charge=Charge(status=ChargeStatus.AUTHORISED) as authorised):
                return await self._sell(order, authorised)
            case ChargeAnswer(charge=Charge(status=ChargeStatus.COMPLETED) as completed):
                return await self._sell(order, completed)
            case ChargeAnswer(charge=Charge(status=ChargeStatus.FAILED | ChargeStatus.VOIDED) as failed):
                # An unknown payment method is the client's mistake, not the card's.
                return await self._release(order, failed, counts=failed.failure != UNKNOWN_METHOD)
            case ChargeAnswer(charge=unknown, client_secret=secret):
                return PaymentAnswer(order, unknown, secret)
        return answer

    async def _release(self, order: Order, charge: Charge, *, counts: bool) -> Outcome:
        """The attempt is over: first in the journal, then at Stripe, where somebody could still pay its intent."""
        release = Release(order.ticket_id, order.id, charge.attempt, max_attempts=self._attempts, counts=counts)
        released = await self._counterparts.ask_ticket(release)
        match released:
            case TicketAnswer(order=Order() as after):
                return PaymentAnswer(after, await self._cancelled(charge))
            case OrderClosed():
                # It ended in another way while the card was asked about: either way its buyer holds nothing any more.
                return PaymentAnswer(replace(order, status=OrderStatus.CANCELLED), await self._cancelled(charge))
        # Whether the ticket was let go of is not known, so nothing is said of it: asking again tells.
        return released if isinstance(released, Refusal) else Unavailable()

    async def _cancelled(self, charge: Charge) -> Charge:
        """The charge after its intent was cancelled at Stripe, or as it was: the Supervisor repeats that."""
        answer = await self._counterparts.ask_charge(ReverseCharge(charge.id)) if charge.has_pending_money else None
        return answer.charge if isinstance(answer, ChargeAnswer) else charge

    async def _sell(self, order: Order, charge: Charge) -> Outcome:
        sell = Sell(order.ticket_id, order.id, charge.id, charge.amount, charge.attempt)
        sold = await self._counterparts.ask_ticket(sell)
        match sold:
            case TicketAnswer(order=Order() as bought, fresh=fresh):
                return await self._capture(bought, charge, fresh=fresh)
            case OrderClosed() | AttemptOver() | WrongAmount():
                # The end of the order or the attempt is in the journal, or the amount is wrong: the money goes back.
                await self._counterparts.ask_charge(ReverseCharge(charge.id))
                return sold
        return PaymentAnswer(order, charge)  # not known: the Supervisor has it resumed

    async def _capture(self, order: Order, charge: Charge, *, fresh: bool) -> Outcome:
        """The sale is in the journal, so the money may be taken."""
        answer = await self._counterparts.ask_charge(Capture(charge.id))
        if isinstance(answer, NotCapturable):
            revoked = await self._counterparts.ask_ticket(
                CancelSale(order.ticket_id, order.id, CancelReason.CAPTURE_FAILED)
            )
            if isinstance(revoked, TicketAnswer | OrderClosed):
                await self._counterparts.ask_charge(ReverseCharge(charge.id))
                return OrderClosed()
        captured = answer.charge if isinstance(answer, ChargeAnswer) else charge
        return PaymentAnswer(order, captured, fresh=fresh)

    async def _paid(self, order: Order, command: Pay) -> Outcome:
        """The order was sold before: its charge, taken now if that is still to be done."""
        stored = await self._queries.order(order.id) or order
        attempt_id = stored.charge_id or charge_id(order.id, order.attempt)
        answer = await self._counterparts.ask_charge(ReadCharge(attempt_id))
        if isinstance(answer, Refusal):
            return answer
        charge = answer.charge
        if command.request == charge.request is not None and command.payment_method != charge.payment_method:
            return RequestMismatch()
        complete = replace(stored, status=OrderStatus.COMPLETE, charge_id=charge.id)
        return await self._capture(complete, charge, fresh=False)

    async def _resume(self, order: Order, *, reconcile: bool) -> Outcome:
        """Goes on with what was begun: the last attempt's charge says how far it came."""
        charges = await self._queries.charges_of(order.id)
        if not charges:
            return Unavailable()  # no charge, no money: the hold ends by itself, or its buyer asks again
        is_settled = not (reconcile or order.refunding or any(charge.has_pending_money for charge in charges))
        if order.status in (OrderStatus.CREATED, OrderStatus.COMPLETE) and is_settled:
            return PaymentAnswer(order, charges[-1])  # a document is never ahead of the truth: nothing is left to do
        # Not `StartPayment`: an order that is open again since its document was written waits for its buyer.
        read = await self._counterparts.ask_ticket(ReadOrder(order.ticket_id, order.id))
        match read:
            case TicketAnswer(order=Order() as now):
                return await self._resume_attempt(now, charges, reconcile=reconcile)
            case OrderClosed() if reconcile:
                for known in charges:
                    await self._counterparts.ask_charge(Reconcile(known.id))
            case OrderClosed():
                await self._settle(order)
        return read if isinstance(read, Refusal) else Unavailable()

    async def _resume_attempt(self, order: Order, charges: Sequence[Charge], *, reconcile: bool) -> Outcome:
        """The order has its ticket: the current attempt goes on, and earlier ones keep no money."""
        for charge in charges:
            if charge.attempt < order.attempt and charge.has_pending_money:
                await self._counterparts.ask_charge(ReverseCharge(charge.id))
        charge = charges[-1]
        if order.status is OrderStatus.CREATED:
            return PaymentAnswer(order, charge)  # its buyer may make another attempt
        if charge.attempt != order.attempt:
            return Unavailable()  # its document is not written yet
        if order.status is OrderStatus.COMPLETE:
            return await self._settle_sale(order, charge, reconcile=reconcile)
        return await self._pay(order, charge)

    async def _settle_sale(self, order: Order, charge: Charge, *, reconcile: bool) -> Outcome:
        """The order was sold: takes what is to be taken, or goes on giving it back."""
        if charge.status is ChargeStatus.AUTHORISED and not order.refunding:
            return await self._capture(order, charge, fresh=False)
        if reconcile:
            answer = await self._counterparts.ask_charge(Reconcile(charge.id))
            if isinstance(answer, Refusal):
                return answer
            charge = answer.charge
        if order.refunding or charge.status is ChargeStatus.REFUNDED:
            return await self._refund(order, charge)
        return PaymentAnswer(order, charge)

    async def _settle(self, order: Order) -> None:
        """The order's end is in the journal: no attempt may keep any money.

        One whose refund failed is the operator's, who may have paid the buyer back another way.
        """
        for charge in await self._queries.charges_of(order.id):
            if charge.has_pending_money or (charge.status is ChargeStatus.COMPLETED and charge.failure is None):
                await self._counterparts.ask_charge(ReverseCharge(charge.id))

    async def _start_refund(self, order: Order, command: RefundOrder) -> Outcome:
        """The wish of the seller or an administrator is in the journal before Stripe hears of it."""
        if order.seller_id != command.user_id and not command.is_admin:
            return NotOwner()
        charges = await self._queries.charges_of(order.id)
        if order.cancel_reason is CancelReason.REFUNDED and charges:
            # A repeat: given back already, unless it came back to us since.
            has_failed = refund_status(order, charges) is RefundStatus.FAILED
            return RefundFailed() if has_failed else PaymentAnswer(order, charges[-1])
        wish = StartRefund(order.ticket_id, order.id, command.user_id, command.is_admin)
        started = await self._counterparts.ask_ticket(wish)
        match started:
            case TicketAnswer(order=Order(charge_id=str() as paid_by) as refunding):
                answer = await self._counterparts.ask_charge(ReadCharge(paid_by))
                return answer if isinstance(answer, Refusal) else await self._refund(refunding, answer.charge)
        return started if isinstance(started, Refusal) else Unavailable()

    async def _refund(self, order: Order, charge: Charge) -> Outcome:
        """From the wish on. Only when the money is given back, the ticket is for sale again.

        Money that was only set aside so far is let go instead: there is nothing to give back then.
        """
        if _refund_failed_since(order, charge):
            return await self._abandon_refund(order)
        answer = await self._counterparts.ask_charge(ReverseCharge(charge.id))
        match answer:
            case ChargeAnswer(charge=Charge(status=ChargeStatus.REFUNDED | ChargeStatus.VOIDED) as refunded):
                revoke = CancelSale(order.ticket_id, order.id, CancelReason.REFUNDED)
                revoked = await self._counterparts.ask_ticket(revoke)
                after = revoked.order if isinstance(revoked, TicketAnswer) and revoked.order else order
                return PaymentAnswer(after, refunded)
            case ChargeAnswer(charge=Charge(status=ChargeStatus.COMPLETED, refunding=False)):
                return await self._abandon_refund(order)
            case ChargeAnswer(charge=pending):
                return PaymentAnswer(order, pending)
        return answer

    async def _resolve(self, order: Order, by: str) -> Outcome:
        """Writes down that the buyer was paid another way. While the sale stands nothing is to be paid."""
        charges = await self._queries.charges_of(order.id)
        match refund_status(order, charges):
            case RefundStatus.FAILED:
                (failed, *_) = filter(has_failed_refund, charges)
                answer = await self._counterparts.ask_charge(RecordPaidByHand(failed.id, by))
                return answer if isinstance(answer, Refusal) else PaymentAnswer(order, answer.charge)
            case RefundStatus.PAID_BY_HAND:
                return PaymentAnswer(order, charges[-1])
        return NothingToResolve()

    async def _abandon_refund(self, order: Order) -> Outcome:
        await self._counterparts.ask_ticket(AbandonRefund(order.ticket_id, order.id))
        return RefundRefused()


def _refund_failed_since(order: Order, charge: Charge) -> bool:
    """Whether this wish for a refund came to nothing, at Stripe and on record: then it is not begun anew by itself."""
    is_kept = charge.status is ChargeStatus.COMPLETED and not charge.refunding and charge.failure is not None
    return order.refunding and is_kept and charge.updated_at > order.updated_at


def _is_another_card(command: PurchaseCommand, running: object) -> bool:
    """Whether a payment with another card runs, whose outcome decides whether this one may be tried."""
    match command, running:
        case Pay(payment_method=str() as wanted), (kind, str() as charged) if kind is Pay:
            return wanted != charged
    return False


def _stopped(order_id: str, error: BaseException) -> None:
    """Its caller may have been answered long ago; the Supervisor has the purchase resumed."""
    logger.warning("purchase_stopped", order=order_id, exc_info=error)


def _wish(command: PurchaseCommand) -> object:
    """What makes two messages the same wish for an order."""
    match command:
        case Pay(payment_method=payment_method):
            return Pay, payment_method
        case ResumePurchase(reconcile=reconcile):
            return ResumePurchase, reconcile
        case RefundOrder(user_id=user_id, is_admin=is_admin):
            return RefundOrder, user_id, is_admin
        case ResolveRefund(by=by):
            return ResolveRefund, by
