"""What PaymentActor does: takes a charge from step to step, each at Stripe and then in the journal.

No turn of the mailbox waits for the network: a step is a call to Stripe between two short messages to the charge.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from weakref import WeakValueDictionary

from actors.domain.charge import idempotency_key
from actors.domain.messages import (
    Authorise,
    Capture,
    Charge,
    ChargeCommand,
    ChargeStatus,
    ChargeStep,
    OpenCharge,
    PaymentCommand,
    ReadCharge,
    RecordActionRequired,
    RecordAuthorised,
    RecordCaptured,
    RecordFailed,
    RecordIntent,
    RecordRefunded,
    RecordVoided,
    Refusal,
    Settle,
    StartTry,
    Unavailable,
    UnknownPaymentMethod,
)
from actors.domain.messages import ChargeAnswer as Answer
from actors.runtime.host import Host
from actors.runtime.ports import Clock
from actors.stripe import errors
from actors.stripe.client import Stripe
from actors.stripe.resources import Intent, Refund

# A message to a charge that lives in this very process.
PATIENCE = 10_000
TRIES = 3
BACKOFF_SECONDS = 0.5
UNKNOWN_METHOD = "unknown_payment_method"

T = TypeVar("T")


class RefusedError(Exception):
    """A message to the charge was refused; carries the refusal out of a sequence of steps."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(type(refusal).__name__)
        self.refusal = refusal


class Payments:
    """The steps of charges. One at a time for each charge; any of them can be asked for again at any time."""

    def __init__(self, charges: Host[Charge, ChargeCommand], stripe: Stripe, clock: Clock) -> None:
        self._charges = charges
        self._stripe = stripe
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, command: PaymentCommand) -> Answer | Refusal:
        """The charge as the command leaves it; when Stripe's answer is not known it is left where it was."""
        charge_id = command.charge.id if isinstance(command, Authorise) else command.charge_id
        # Two steps of one charge at the same time would race at Stripe; across processes the journal decides.
        async with self._locks.setdefault(charge_id, asyncio.Lock()):
            try:
                match command:
                    case Authorise(charge=charge):
                        return await self._authorise(await self._tell(OpenCharge(charge)))
                    case Capture():
                        return Answer(await self._capture(await self._read(charge_id)))
                    case Settle():
                        return Answer(await self._settle(await self._read(charge_id)))
                    case ReadCharge():
                        return Answer(await self._read(charge_id))
            except RefusedError as refused:
                return refused.refusal
            except errors.StripeFailure:
                return Answer(await self._read(charge_id))

    async def _read(self, charge_id: str) -> Charge:
        return await self._tell(ReadCharge(charge_id))

    async def _tell(self, command: ChargeCommand) -> Charge:
        (reply,) = await self._charges.deliver([command], self._clock.now() + PATIENCE)
        if isinstance(reply, Charge):
            return reply
        raise RefusedError(reply if isinstance(reply, Refusal) else Unavailable())

    async def _authorise(self, charge: Charge) -> Answer | Refusal:
        if charge.status is ChargeStatus.FAILED and charge.failure == UNKNOWN_METHOD:
            return UnknownPaymentMethod()
        if charge.status is not ChargeStatus.CREATED:
            return Answer(charge)
        if charge.stripe_id is None:
            try:
                intent = await self._try(charge, ChargeStep.CREATE, self._create)
            except errors.UnknownPaymentMethod:
                await self._tell(RecordFailed(charge.id, UNKNOWN_METHOD))
                return UnknownPaymentMethod()
            except errors.Rejected as rejected:
                return Answer(await self._tell(RecordFailed(charge.id, rejected.code or "rejected")))
            charge = await self._tell(RecordIntent(charge.id, intent.id))
        else:
            # An earlier try came this far and its outcome is not known: Stripe is asked, nothing is guessed.
            intent = await self._stripe.retrieve(charge.stripe_id)
        if intent.status == "requires_confirmation":
            try:
                intent = await self._try(charge, ChargeStep.CONFIRM, self._confirm)
            except errors.CardDeclined as declined:
                failure = declined.decline_code or declined.code or "declined"
                return Answer(await self._tell(RecordFailed(charge.id, failure)))
        return await self._record(charge, intent)

    async def _record(self, charge: Charge, intent: Intent) -> Answer:
        """Writes down what Stripe says of an intent that was confirmed."""
        match intent.status:
            case "requires_capture":
                return Answer(await self._tell(RecordAuthorised(charge.id)))
            case "requires_action":
                return Answer(await self._tell(RecordActionRequired(charge.id)), intent.client_secret)
            case "succeeded":
                return Answer(await self._tell(RecordCaptured(charge.id)))
            case "requires_payment_method":
                return Answer(await self._tell(RecordFailed(charge.id, intent.decline_code or "declined")))
            case "canceled":
                return Answer(await self._tell(RecordVoided(charge.id)))
        return Answer(charge)  # `processing`: to be asked again

    async def _capture(self, charge: Charge) -> Charge:
        if charge.status is not ChargeStatus.AUTHORISED:
            return charge
        try:
            await self._try(charge, ChargeStep.CAPTURE, self._take)
        except errors.InvalidState:
            # Taken already, or no longer to be had: Stripe knows.
            return (await self._record_end(charge)) or charge
        return await self._tell(RecordCaptured(charge.id))

    async def _settle(self, charge: Charge) -> Charge:
        if charge.is_open:
            charge = await self._void(charge)
        if charge.status is ChargeStatus.COMPLETED:
            refund = await self._try(charge, ChargeStep.REFUND, self._refund)
            charge = await self._tell(RecordRefunded(charge.id, refund.id))
        return charge

    async def _void(self, charge: Charge) -> Charge:
        if charge.stripe_id is not None:
            try:
                await self._try(charge, ChargeStep.VOID, self._cancel)
            except errors.InvalidState:
                return (await self._record_end(charge)) or charge
        # Without an intent on record none was ever confirmed, and none can be: recording one is refused from here on.
        return await self._tell(RecordVoided(charge.id))

    async def _record_end(self, charge: Charge) -> Charge | None:
        intent = await self._stripe.retrieve(_intent_id(charge))
        match intent.status:
            case "succeeded":
                return await self._tell(RecordCaptured(charge.id))
            case "canceled":
                return await self._tell(RecordVoided(charge.id))
        return None

    async def _try(self, charge: Charge, step: ChargeStep, call: Callable[[Charge, str], Awaitable[T]]) -> T:
        """Calls Stripe a few times.

        After an unknown outcome the try's number is raised in the journal before it is used in the next key, because
        Stripe replays a saved 500 under the same key. The steps are safe to repeat under another key: an intent that
        is not confirmed takes nothing, and Stripe refuses to confirm, capture or cancel twice.
        """
        for attempt in range(1, TRIES + 1):
            try:
                return await call(charge, idempotency_key(charge, step))
            except errors.RateLimited:
                if attempt == TRIES:
                    raise
            except errors.OutcomeUnknown:
                if attempt == TRIES or step is ChargeStep.REFUND:
                    raise
                charge = await self._tell(StartTry(charge.id, step))
            await asyncio.sleep(BACKOFF_SECONDS * attempt)
        raise errors.OutcomeUnknown

    async def _create(self, charge: Charge, key: str) -> Intent:
        return await self._stripe.create_intent(
            amount=charge.amount,
            currency=charge.currency,
            payment_method=charge.payment_method,
            metadata={"orderId": charge.order_id, "chargeId": charge.id},
            idempotency_key=key,
        )

    async def _confirm(self, charge: Charge, key: str) -> Intent:
        return await self._stripe.confirm(_intent_id(charge), idempotency_key=key)

    async def _take(self, charge: Charge, key: str) -> Intent:
        return await self._stripe.capture(_intent_id(charge), amount=charge.amount, idempotency_key=key)

    async def _cancel(self, charge: Charge, key: str) -> Intent:
        return await self._stripe.cancel(_intent_id(charge), idempotency_key=key)

    async def _refund(self, charge: Charge, key: str) -> Refund:
        return await self._stripe.refund(_intent_id(charge), amount=charge.amount, idempotency_key=key)


def _intent_id(charge: Charge) -> str:
    if charge.stripe_id is None:
        raise RefusedError(Unavailable())
    return charge.stripe_id


async def handle_all(payments: Payments, commands: Sequence[PaymentCommand]) -> list[Answer | Refusal]:
    """The answers in order; the commands run side by side."""
    return list(await asyncio.gather(*(payments.handle(command) for command in commands)))
