"""The calls that a charge makes to Stripe: each under the key of its current try, repeated as Stripe wants it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from time import perf_counter
from typing import TypeVar

import structlog

from actors.domain.charge import idempotency_key
from actors.domain.charge_commands import ChargeCommand, ReadCharge, ScheduleRetry
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.instants import Instant
from actors.domain.refusals import Refusal, Unavailable
from actors.runtime import spans
from actors.runtime.host import Host
from actors.runtime.ports import Clock
from actors.runtime.retry import backoff
from actors.runtime.trace import with_trace
from actors.stripe import errors
from actors.stripe.client import Stripe, is_confirmation_token
from actors.stripe.resources import Dispute, Intent, Refund
from config import logs

# A message to a charge that lives in this very process, in ms.
PATIENCE_MS = 10_000
TRIES = 4
FIRST_BACKOFF_SECONDS = 0.25
# A charge keeps the name of each try. What nobody waits for rests after so many, twice as long each time, in ms: so an
# intent that is `processing` for a week has some 200.
UNTIRED = 20
FIRST_REST_MS = 60_000
LONGEST_REST_MS = 3_600_000
PATIENT = (ChargeStep.CAPTURE, ChargeStep.VOID)

T = TypeVar("T")

logger = structlog.get_logger(__name__)


class RefusedError(Exception):
    """A message to the charge was refused; carries the refusal out of a sequence of steps."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(type(refusal).__name__)
        self.refusal = refusal


class StripeCalls:
    """The steps of charges at Stripe. All raise errors.StripeFailure, and RefusedError when the charge refuses."""

    def __init__(self, charges: Host[Charge, ChargeCommand, Charge], stripe: Stripe, clock: Clock) -> None:
        self._stripe = stripe
        self._charges = charges
        self._clock = clock

    async def read(self, charge_id: str, wanted: Collection[ChargeStatus] = ()) -> Charge:
        """The charge as it is, if it is in one of the wanted states.

        In any other nothing will be done, so memory is not taken at its word: another process may have gone on.
        """
        charge = await self.tell(ReadCharge(charge_id))
        return charge if charge.status in wanted else await self.tell(ReadCharge(charge_id, fenced=True))

    async def tell(self, command: ChargeCommand) -> Charge:
        """The charge after the command, which is in the journal by then. Raises RefusedError."""
        (reply,) = await self._charges.deliver([with_trace(command)], self._clock.now() + PATIENCE_MS)
        if isinstance(reply, Charge):
            logs.bind(order=reply.order_id)
            return reply
        raise RefusedError(reply)

    async def create(self, charge: Charge, deadline: Instant) -> Intent:
        """Make an intent for the charge, unconfirmed: it takes nothing, so one that was made in vain does no harm."""
        call = partial(
            self._stripe.create_intent,
            amount=charge.amount,
            currency=charge.currency,
            payment_method=charge.payment_method,
            metadata={"orderId": charge.order_id, "chargeId": charge.id},
        )
        return await self._try(charge, ChargeStep.CREATE, deadline, call)

    async def confirm(self, charge: Charge, deadline: Instant) -> Intent:
        """Set the money aside. Stripe refuses to confirm twice."""
        token = charge.payment_method if is_confirmation_token(charge.payment_method) else None
        call = partial(self._stripe.confirm, intent_id_of(charge), confirmation_token=token)
        return await self._try(charge, ChargeStep.CONFIRM, deadline, call)

    async def capture(self, charge: Charge, deadline: Instant) -> Intent:
        """Take the money. Stripe refuses to capture twice."""
        call = partial(self._stripe.capture, intent_id_of(charge), amount=charge.amount)
        return await self._try(charge, ChargeStep.CAPTURE, deadline, call)

    async def cancel(self, charge: Charge, deadline: Instant) -> Intent:
        """Let go of the money. Stripe refuses to cancel what was captured."""
        call = partial(self._stripe.cancel, intent_id_of(charge))
        return await self._try(charge, ChargeStep.VOID, deadline, call)

    async def refund(self, charge: Charge, amount: int, deadline: Instant) -> Refund:
        """Give `amount` cents back. Before a repeat look at `refunds_of`: a new key refunds again."""
        call = partial(self._stripe.refund, intent_id_of(charge), amount=amount)
        return await self._try(charge, ChargeStep.REFUND, deadline, call)

    async def retrieve_intent(self, charge: Charge) -> Intent:
        """Return the charge's intent as Stripe has it now."""
        return await _logged(charge, "retrieve_intent", self._stripe.retrieve(intent_id_of(charge)))

    async def retrieve_refund(self, charge: Charge, refund_id: str) -> Refund:
        """Return the charge's refund as Stripe has it now."""
        return await _logged(charge, "retrieve_refund", self._stripe.retrieve_refund(refund_id))

    async def refunds_of(self, charge: Charge) -> list[Refund]:
        """Return every refund of the charge's intent, also those that failed, the newest first."""
        return await _logged(charge, "list_refunds", self._stripe.refunds_of(intent_id_of(charge)))

    async def disputes_of(self, charge: Charge) -> list[Dispute]:
        """Return every dispute of the charge's intent, the newest first."""
        return await _logged(charge, "list_disputes", self._stripe.disputes_of(intent_id_of(charge)))

    async def _try(self, charge: Charge, step: ChargeStep, deadline: Instant, call: Callable[..., Awaitable[T]]) -> T:
        """Call Stripe until it answers, a few times and not beyond the deadline.

        Without an answer the same key is asked again: Stripe then tells what the first call did. After a 5xx that would
        only replay it, so the number of the try is raised, in the journal before it is used in a key.
        """
        if step in PATIENT and self._clock.now() < charge.updated_at + _rest_ms(charge.tries.count(step)):
            raise errors.OutcomeUnknown("tried_often")
        for attempt, pause_seconds in enumerate(backoff(FIRST_BACKOFF_SECONDS), 1):
            try:
                return await _logged(charge, step, call(idempotency_key=idempotency_key(charge, step)))
            except errors.ServerFailed:
                charge = await self.tell(ScheduleRetry(charge.id, step))
                if step is ChargeStep.REFUND or self._is_last(attempt, pause_seconds, deadline):
                    raise
            except (errors.OutcomeUnknown, errors.RateLimited):
                if self._is_last(attempt, pause_seconds, deadline):
                    raise
            # The charge may be changed meanwhile by another process; its journal then refuses what we record.
            await asyncio.sleep(pause_seconds)
        raise AssertionError("pauses never end")

    def _is_last(self, attempt: int, pause_seconds: float, deadline: Instant) -> bool:
        return attempt >= TRIES or self._clock.now() + int(pause_seconds * 1000) >= deadline


async def _logged(charge: Charge, step: str, call: Awaitable[T]) -> T:
    """Return Stripe's answer. Log it with its number, by which Stripe shows it, or how the call failed.

    The intent has the order in its metadata. It has nothing of the request: under one idempotency key Stripe takes the
    same parameters only, and another request may repeat the call.
    """
    began = perf_counter()
    said: dict[str, str | None] = {}
    try:
        with spans.within(
            f"stripe {step}", "CLIENT", {"holdfast.order": charge.order_id, "holdfast.charge": charge.id}
        ):
            answer = await call
        said = {"stripe_request": getattr(answer, "request_id", None)}
    except errors.StripeFailure as failure:
        said = {"stripe_request": failure.request_id, "failure": type(failure).__name__, "code": failure.code}
        raise
    else:
        return answer
    finally:
        milliseconds = round((perf_counter() - began) * 1_000, 1)
        logger.info("stripe_called", step=step, charge=charge.id, ms=milliseconds, **said)


def _rest_ms(tries: int) -> int:
    """Return how long a step rests after so many tries."""
    return min(FIRST_REST_MS << min(tries - UNTIRED, 10), LONGEST_REST_MS) if tries >= UNTIRED else 0


def intent_id_of(charge: Charge) -> str:
    """The id of the charge's intent. Raises RefusedError while there is none."""
    if charge.stripe_id is None:
        raise RefusedError(Unavailable())
    return charge.stripe_id
