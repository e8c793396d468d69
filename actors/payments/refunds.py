"""Money that goes back: refunds of charges that were completed, and what Stripe tells of them and of disputes later."""

from collections.abc import Sequence

import structlog

from actors.domain.charge_commands import (
    RecordDispute,
    RecordRefunded,
    RecordRefundFailed,
    RecordRefunding,
    RecordRefundPending,
    ScheduleRetry,
)
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.instants import Instant
from actors.payments.stripe_calls import StripeCalls
from actors.stripe import errors
from actors.stripe.resources import Refund

# https://docs.stripe.com/api/refunds/object#refund_object-status; `pending` and `requires_action` are open.
FAILED = ("failed", "canceled")

logger = structlog.get_logger(__name__)


class Refunds:
    """Gives back what was taken, once. The market gives back all of it, or what parts given back by hand left."""

    def __init__(self, stripe_calls: StripeCalls) -> None:
        self._stripe_calls = stripe_calls

    async def give_back(self, charge: Charge, deadline: Instant) -> Charge:
        """The charge refunded, being refunded, or completed as before when Stripe refuses.

        Raises errors.StripeFailure when the outcome is not known.
        """
        if charge.stripe_refund_id is not None:
            return await self._record(charge, await self._stripe_calls.retrieve_refund(charge, charge.stripe_refund_id))
        if charge.refunding:
            # Somebody began before us. A key is forgotten after a day, so Stripe is asked for its refunds, not trusted
            # to know the key (https://docs.stripe.com/api/idempotent_requests).
            earlier = await self._refunds_of(charge)
            if (last := _completing(charge, earlier)) is not None:
                return await self._record(charge, last)
        else:
            charge = await self._stripe_calls.tell(RecordRefunding(charge.id))
        try:
            return await self._record(charge, await self._stripe_calls.refund(charge, charge.amount, deadline))
        except (errors.InvalidState, errors.Rejected) as refused:
            # Given back already, perhaps by hand in Stripe's dashboard, or not to be had, as while it is disputed.
            earlier = await self._refunds_of(charge)
            if (last := _completing(charge, earlier)) is not None:
                return await self._record(charge, last)
            if not earlier:
                return await self._failed(charge, refused.code or "refused")
        return await self._give_back_the_rest(charge, charge.amount - _sum(earlier), deadline)

    async def _give_back_the_rest(self, charge: Charge, rest: int, deadline: Instant) -> Charge:
        # Another amount is another request, which Stripe refuses under the key of the one for all of it.
        charge = await self._stripe_calls.tell(ScheduleRetry(charge.id, ChargeStep.REFUND))
        try:
            return await self._record(charge, await self._stripe_calls.refund(charge, rest, deadline))
        except (errors.InvalidState, errors.Rejected) as refused:
            return await self._failed(charge, refused.code or "refused")

    async def reconcile(self, charge: Charge) -> Charge:
        """The charge as Stripe has it: refunds that ended or were made by hand, and disputes."""
        if charge.status not in (ChargeStatus.COMPLETED, ChargeStatus.REFUNDED):
            return charge
        disputes = await self._stripe_calls.disputes_of(charge)
        if disputes and disputes[0].status != charge.disputed:
            charge = await self._stripe_calls.tell(RecordDispute(charge.id, disputes[0].status))
            # For the operator: evidence is to be given in Stripe's dashboard, within days.
            logger.error("charge_disputed", charge=charge.id, order=charge.order_id, status=charge.disputed)
        if charge.stripe_refund_id is not None:
            # Of this one and no other: an earlier refund that failed says nothing of the one that is on its way.
            return await self._record(charge, await self._stripe_calls.retrieve_refund(charge, charge.stripe_refund_id))
        last = _completing(charge, await self._refunds_of(charge))
        return await self._record(charge, last) if last is not None else charge

    async def _refunds_of(self, charge: Charge) -> list[Refund]:
        """What was given back, or is on its way, the newest first."""
        refunds = await self._stripe_calls.refunds_of(charge)
        return [one for one in refunds if one.status not in FAILED]

    async def _record(self, charge: Charge, refund: Refund) -> Charge:
        if refund.status == "succeeded":
            return await self._stripe_calls.tell(RecordRefunded(charge.id, refund.id))
        if refund.status in FAILED:
            return await self._failed(charge, refund.failure_reason or "failed")
        return await self._stripe_calls.tell(RecordRefundPending(charge.id, refund.id))

    async def _failed(self, charge: Charge, reason: str) -> Charge:
        if charge.refunding or charge.status is ChargeStatus.REFUNDED:
            # For the operator: the buyer is to be paid back another way if the order is over.
            logger.error("refund_failed", charge=charge.id, order=charge.order_id, reason=reason)
        return await self._stripe_calls.tell(RecordRefundFailed(charge.id, reason))


def _completing(charge: Charge, refunds: Sequence[Refund]) -> Refund | None:
    """The refund that makes the whole amount given back, if it is: the one that is still open, or the last one."""
    if _sum(refunds) < charge.amount:
        return None
    return next((one for one in refunds if one.status != "succeeded"), refunds[0])


def _sum(refunds: Sequence[Refund]) -> int:
    return sum(one.amount for one in refunds)
