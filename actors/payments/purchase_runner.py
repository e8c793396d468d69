"""What OrderActor does with a command: run it once for all who ask for the same, and answer within seconds."""

import asyncio
import contextlib
from dataclasses import replace

import structlog

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge import charge_id
from actors.domain.charge_commands import ReadCharge
from actors.domain.purchase_commands import Pay, PurchaseCommand, RefundOrder, ResolveRefund, ResumePurchase
from actors.domain.refusals import NotFound, PaymentInProgress, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ReadOrder
from actors.domain.ticket_values import Order, OrderStatus
from actors.payments.participants import Outcome, Participants, PurchaseReads
from actors.payments.purchase import PurchaseSaga
from actors.payments.refund_purchase import RefundSaga
from actors.runtime.ports import StoreUnavailableError
from actors.runtime.single_flight import SingleFlight

# A client is answered within this many seconds; the purchase itself goes on and the order can be polled.
ANSWER_SECONDS = 12.0
# How long it may take besides to find out what to answer.
SHOW_SECONDS = 2.0

logger = structlog.get_logger(__name__)


class PurchaseRunner:
    """The commands that run in this actor, one at a time for each order: of two clicks on *pay* the second waits."""

    def __init__(
        self, participants: Participants, queries: PurchaseReads, purchases: PurchaseSaga, refunds: RefundSaga
    ) -> None:
        self._participants = participants
        self._queries = queries
        self._purchases = purchases
        self._refunds = refunds
        self._running: SingleFlight[Outcome] = SingleFlight(_report_stopped)

    @property
    def is_busy(self) -> bool:
        """Whether a purchase is under way, whose client may have been answered long ago."""
        return self._running.is_busy

    async def handle(self, command: PurchaseCommand, *, redelivered: bool = False) -> Outcome:
        """Return how the payment stands, `fresh` only for the caller that made it, or why there is nothing to pay.

        A `redelivered` command may have paid: it waits for the other card, and then for what is true.
        """
        if not redelivered and _is_another_card(command, self._running.request_of(command.order_id)):
            return PaymentInProgress()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                outcome, is_own = await self._running.do(
                    command.order_id, _request_of(command), lambda: self._run(command)
                )
        except TimeoutError:
            return await self._outcome_so_far(command.order_id)
        except StoreUnavailableError:
            return Unavailable()
        if not isinstance(outcome, PaymentAnswer):
            return outcome
        if outcome.order.status is OrderStatus.AWAITING_PAYMENT:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHOW_SECONDS):
                    await self._order_now(outcome.order)
        return outcome if is_own else replace(outcome, fresh=False)

    async def _run(self, command: PurchaseCommand) -> Outcome:
        outcome = await self._dispatch(command)
        charge = outcome.charge.status if isinstance(outcome, PaymentAnswer) else type(outcome).__name__
        logger.info("purchase_step", command=type(command).__name__, outcome=charge)
        return outcome

    async def _dispatch(self, command: PurchaseCommand) -> Outcome:
        order = await self._queries.order(command.order_id)
        if order is None:
            return NotFound()
        match command:
            case Pay():
                return await self._purchases.pay(order, command)
            case ResumePurchase(reconcile=reconcile):
                return await self._purchases.resume(order, reconcile=reconcile)
            case RefundOrder():
                return await self._refunds.start(order, command)
            case ResolveRefund(by=by):
                return await self._refunds.resolve(order, by)

    async def _order_now(self, order: Order) -> Order:
        """Return the order as it is now, and have its document say so before the client reads it.

        The answer to ReadOrder promises the document.
        """
        answer = await self._participants.ask_ticket(ReadOrder(order.ticket_id, order.id))
        return answer.order if isinstance(answer, TicketAnswer) and answer.order else order

    async def _outcome_so_far(self, order_id: str) -> Outcome:
        """Return how far a command came that takes long, if that is to be had within moments."""
        try:
            async with asyncio.timeout(SHOW_SECONDS):
                stored = await self._queries.order(order_id)
                if stored is None:
                    return Unavailable()
                order = await self._order_now(stored)
                # The document of a charge lags until its payment is over.
                answer = await self._participants.ask_charge(ReadCharge(charge_id(order.id, order.attempt)))
        except (TimeoutError, StoreUnavailableError):
            return Unavailable()
        return PaymentAnswer(order, answer.charge) if isinstance(answer, ChargeAnswer) else Unavailable()


def _request_of(command: PurchaseCommand) -> object:
    """Return what makes two commands for an order the same request."""
    match command:
        case Pay(payment_method=payment_method):
            return Pay, payment_method
        case ResumePurchase(reconcile=reconcile):
            return ResumePurchase, reconcile
        case RefundOrder(user_id=user_id, is_admin=is_admin):
            return RefundOrder, user_id, is_admin
        case ResolveRefund(by=by):
            return ResolveRefund, by


def _is_another_card(command: PurchaseCommand, running: object) -> bool:
    """Whether a payment with another card runs, whose outcome decides whether this one may be tried."""
    match command, running:
        case Pay(payment_method=str() as wanted), (kind, str() as charged) if kind is Pay:
            return wanted != charged
    return False


def _report_stopped(order_id: str, error: BaseException) -> None:
    """Log it: the caller may have been answered long ago, and the Supervisor has the purchase resumed."""
    logger.warning("purchase_stopped", order=order_id, exc_info=error)
