"""What to do with an event that is due: pure, from its note and its intent."""

from typing import Literal

from actors.stripe.sandbox.notes import EventNote
from actors.stripe.sandbox.payment_intent import PaymentIntent

GIVEN_UP_SECONDS = 3 * 24 * 3600  # https://docs.stripe.com/webhooks#automatic-retries
LONGEST_PAUSE_SECONDS = 60.0
# A change is saved milliseconds after its events were noted; looking again soon costs less than postponing them.
SAVING_SECONDS = 2.0

Verdict = Literal["deliver", "forget", "leave", "postpone"]


def verdict(event: EventNote, intent: PaymentIntent | None, now: float) -> Verdict:
    """Deliver what was saved, and forget what never will be: the events of a write that lost its race."""
    if now - event.noted_at > GIVEN_UP_SECONDS:
        return "forget"
    if intent is not None and event.change_id in intent.changes:
        return "deliver"
    if intent is not None and intent.version >= event.version:
        return "forget"
    return "leave" if now - event.noted_at < SAVING_SECONDS else "postpone"


def pause_after(attempts: int) -> float:
    """Seconds until the next attempt, after this many that failed before: 1, 2, 4 and so on, at most 60."""
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** min(attempts, 16))
