"""What PaymentActor does: takes a charge from step to step, each at Stripe and then in the journal.

No turn of the mailbox waits for the network: a step is a call to Stripe between two short messages to the charge.
"""

import asyncio
from typing import NoReturn
from weakref import WeakValueDictionary

import structlog

from actors.domain.answers import ChargeAnswer as Answer
from actors.domain.charge import UNKNOWN_METHOD
from actors.domain.charge_commands import (
    Authorise,
    Capture,
    ChargeCommand,
    OpenCharge,
    PaymentCommand,
    ReadCharge,
    Reconcile,
    RecordActionRequired,
    RecordAuthorised,
    RecordCaptured,
    RecordFailed,
    RecordIntent,
    RecordIntentCancelled,
    RecordPaidByHand,
    RecordVoided,
    ReverseCharge,
    ScheduleRetry,
    charge_id_of,
)
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.instants import Instant
from actors.domain.refusals import InvalidTransition, NotCapturable, Refusal
from actors.payments.refunds import Refunds
from actors.payments.stripe_calls import RefusedError, StripeCalls
from actors.runtime.host import Host
from actors.runtime.ports import Clock
from actors.stripe import errors
from actors.stripe.client import Stripe, is_confirmation_token
from actors.stripe.resources import Intent

Step = Authorise | Capture | ReverseCharge | Reconcile | RecordPaidByHand
NOT_OVER = (ChargeStatus.CREATED, ChargeStatus.AUTHORISED, ChargeStatus.FAILED, ChargeStatus.COMPLETED)
TAKEN = (ChargeStatus.COMPLETED, ChargeStatus.REFUNDED)
# What Stripe answers when it will not do something, and how the intent stands tells whether that may change.
REFUSED = (errors.InvalidState, errors.CardDeclined, errors.Rejected)
HELD = ("requires_capture", "processing")
# Codes of captures that no repeat can help (https://docs.stripe.com/error-codes).
NEVER_CAPTURED = ("capture_charge_authorization_expired", "capture_unauthorized_payment", "charge_expired_for_capture")
# So often Stripe may refuse to capture what it still holds, under a new key each time: some five minutes.
CAPTURE_REFUSALS = 8

logger = structlog.get_logger(__name__)


class ChargeWorkflow:
    """The steps of charges. One at a time for each charge; any of them can be asked for again at any time."""

    def __init__(self, charges: Host[Charge, ChargeCommand, Charge], stripe: Stripe, clock: Clock) -> None:
        self._stripe_calls = StripeCalls(charges, stripe, clock)
        self._refunds = Refunds(self._stripe_calls)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, command: PaymentCommand, deadline: Instant) -> Answer | Refusal:
        """The charge as the command leaves it; when Stripe's answer is not known it is left where it was.

        A call that was begun is waited for, also beyond the deadline; none is repeated after it.
        """
        if isinstance(command, ReadCharge):
            return await self._read(command.charge_id)  # also while a step waits for Stripe
        charge_id = charge_id_of(command)
        # Two steps of one charge at the same time would race at Stripe; across processes the journal decides.
        async with self._locks.setdefault(charge_id, asyncio.Lock()):
            try:
                return await self._handle(command, deadline)
            except RefusedError as refused:
                if not isinstance(refused.refusal, InvalidTransition):
                    return refused.refusal
                # Another process took the charge further meanwhile: how it stands now is the answer.
                logger.info("charge_went_on", charge=charge_id, command=type(command).__name__)
            except errors.StripeFailure as failure:
                report = logger.error if failure.definite else logger.warning
                report("stripe_failed", charge=charge_id, command=type(command).__name__, failure=str(failure))
            return await self._read(charge_id)

    async def _read(self, charge_id: str) -> Answer | Refusal:
        try:
            return Answer(await self._stripe_calls.read(charge_id))
        except RefusedError as refused:
            return refused.refusal

    async def _handle(self, command: Step, deadline: Instant) -> Answer | Refusal:
        match command:
            case Authorise(charge=charge):
                return await self._authorise(await self._stripe_calls.tell(OpenCharge(charge)), deadline)
            case Capture(charge_id=charge_id):
                return await self._capture(
                    await self._stripe_calls.read(charge_id, [ChargeStatus.AUTHORISED]), deadline
                )
            case ReverseCharge(charge_id=charge_id):
                return Answer(await self._reverse(await self._stripe_calls.read(charge_id, NOT_OVER), deadline))
            case Reconcile(charge_id=charge_id):
                return Answer(await self._refunds.reconcile(await self._stripe_calls.read(charge_id, TAKEN)))
            case RecordPaidByHand():
                return Answer(await self._stripe_calls.tell(command))

    async def _authorise(self, charge: Charge, deadline: Instant) -> Answer:
        if charge.status is not ChargeStatus.CREATED:
            return Answer(charge)
        if charge.stripe_id is None:
            try:
                intent = await self._stripe_calls.create(charge, deadline)
            except (errors.UnknownPaymentMethod, *REFUSED) as refused:
                return await self._failed(charge, refused)
            charge = await self._stripe_calls.tell(RecordIntent(charge.id, intent.id))
        else:
            # An earlier try came this far and its outcome is not known: Stripe is asked, nothing is guessed.
            intent = await self._stripe_calls.retrieve_intent(charge)
        if _is_unconfirmed(intent, charge):
            try:
                intent = await self._stripe_calls.confirm(charge, deadline)
            except errors.InvalidState:
                intent = await self._stripe_calls.retrieve_intent(charge)
            except (errors.UnknownPaymentMethod, *REFUSED) as refused:
                return await self._failed(charge, refused)
        return await self._record(charge, intent)

    async def _failed(self, charge: Charge, refused: errors.StripeFailure) -> Answer:
        """Writes down that this card does not pay, for whatever reason Stripe has: the buyer is told at once."""
        match refused:
            case errors.UnknownPaymentMethod():
                failure = UNKNOWN_METHOD
            case errors.CardDeclined(decline_code=str() as decline_code):
                failure = decline_code
            case errors.CardDeclined():
                failure = refused.code or "declined"
            case _:
                failure = refused.code or "rejected"
        return Answer(await self._stripe_calls.tell(RecordFailed(charge.id, failure)))

    async def _record(self, charge: Charge, intent: Intent) -> Answer:
        """Writes down what Stripe says of an intent that was confirmed."""
        match intent.status:
            case "requires_capture" | "succeeded":
                # Money that somebody else captured is as good as set aside: `_capture` finds it taken, `_reverse` gives
                # it back.
                return Answer(await self._stripe_calls.tell(RecordAuthorised(charge.id)))
            case "requires_action":
                return Answer(await self._stripe_calls.tell(RecordActionRequired(charge.id)), intent.client_secret)
            case "requires_payment_method":
                failure = intent.decline_code or intent.error_code or "declined"
                return Answer(await self._stripe_calls.tell(RecordFailed(charge.id, failure)))
            case "canceled":
                return Answer(await self._stripe_calls.tell(RecordVoided(charge.id)))
        return Answer(charge)  # `processing`: to be asked again

    async def _capture(self, charge: Charge, deadline: Instant) -> Answer | Refusal:
        if charge.status is not ChargeStatus.AUTHORISED:
            return Answer(charge)
        try:
            await self._stripe_calls.capture(charge, deadline)
        except REFUSED as refused:
            # Taken already, or no longer to be had: Stripe knows. What cannot be had stays on record as it is until
            # the sale is taken back, so that somebody finds it if we die before that.
            intent = await self._stripe_calls.retrieve_intent(charge)
            if intent.status != "succeeded":
                refusals = charge.capture_refusals + 1
                if intent.status not in HELD or refused.code in NEVER_CAPTURED or refusals >= CAPTURE_REFUSALS:
                    logger.error("capture_refused", charge=charge.id, failure=str(refused), refusals=refusals)
                    return NotCapturable()
                await self._ask_anew(charge, ChargeStep.CAPTURE, refused)
        return Answer(await self._stripe_calls.tell(RecordCaptured(charge.id)))

    async def _reverse(self, charge: Charge, deadline: Instant) -> Charge:
        if charge.status in (ChargeStatus.CREATED, ChargeStatus.AUTHORISED) or charge.is_payable:
            charge = await self._void(charge, deadline)
        if charge.status is ChargeStatus.COMPLETED:
            charge = await self._refunds.give_back(charge, deadline)
        return charge

    async def _void(self, charge: Charge, deadline: Instant) -> Charge:
        """Cancels the intent, also of a charge that failed: its buyer may still have the client secret."""
        # Without an intent on record none was ever confirmed, and none can be: recording one is refused from here on.
        if charge.stripe_id is not None:
            try:
                await self._stripe_calls.cancel(charge, deadline)
            except errors.NotFound:
                if charge.status is not ChargeStatus.FAILED:
                    raise
                # Made with another account's key, or in test mode: with the key of now nobody can be charged for it.
                logger.warning("failed_intent_not_found", charge=charge.id, order=charge.order_id)
            except REFUSED as refused:
                intent = await self._stripe_calls.retrieve_intent(charge)
                if intent.status == "succeeded":
                    # In one commit with what is to become of it: dead between two, nobody would give it back.
                    return await self._stripe_calls.tell(RecordCaptured(charge.id, refunding=True))
                if intent.status != "canceled":
                    await self._ask_anew(charge, ChargeStep.VOID, refused)
        if charge.status is ChargeStatus.FAILED:
            return await self._stripe_calls.tell(RecordIntentCancelled(charge.id))
        # Another process may have recorded an intent since this was read: then it is still to be cancelled.
        return await self._stripe_calls.tell(RecordVoided(charge.id, without_intent=charge.stripe_id is None))

    async def _ask_anew(self, charge: Charge, step: ChargeStep, refused: errors.StripeFailure) -> NoReturn:
        """Leaves the charge to the Supervisor's next round, which asks Stripe under a new key.

        Stripe saves a refusal under its key for a day, also one that is true for a second only, as while `processing`.
        """
        await self._stripe_calls.tell(ScheduleRetry(charge.id, step, refused=True))
        raise refused


def _is_unconfirmed(intent: Intent, charge: Charge) -> bool:
    """Whether nobody tried to take its money yet. A confirmation token is named only then, not on its intent before."""
    if intent.status == "requires_payment_method" and is_confirmation_token(charge.payment_method):
        return intent.error_code is None
    return intent.status == "requires_confirmation"
