"""A charge once more, as simply as it can be said: command by command, where the product goes state by state."""

from collections import Counter
from dataclasses import dataclass, field

from actors.domain.charge_commands import (
    ChargeCommand,
    OpenCharge,
    ReadCharge,
    RecordActionRequired,
    RecordAuthorised,
    RecordCaptured,
    RecordDispute,
    RecordFailed,
    RecordIntent,
    RecordIntentCancelled,
    RecordRefunded,
    RecordRefundFailed,
    RecordRefunding,
    RecordRefundPending,
    RecordVoided,
    ScheduleRetry,
)
from actors.domain.charge_values import ChargeStep
from actors.domain.refusals import InvalidTransition, NotFound, Refusal, RequestMismatch

Outcome = str | Refusal | None


@dataclass
class ChargeModel:
    """`status` is empty before the charge is. Money is set aside, then taken, then perhaps given back."""

    status: str = ""
    version: int = 0
    method: str = ""
    request: str | None = None
    intent: str | None = None
    refund: str | None = None
    failure: str | None = None
    waits_for_buyer: bool = False
    refunding: bool = False
    disputed: str | None = None
    tries: Counter[ChargeStep] = field(default_factory=Counter)
    cancelled: bool = False
    refusals: int = 0

    def tell(self, command: ChargeCommand) -> Outcome:
        """The name of the event, the refusal, or None when nothing changes."""
        if isinstance(command, OpenCharge):
            outcome = self._open(command)
        elif not self.status:
            outcome = NotFound()
        else:
            outcome = self._record(command)
        if isinstance(outcome, str):
            self.version += 1
        return outcome

    def _record(self, command: ChargeCommand) -> Outcome:  # noqa: C901, PLR0911, PLR0912 - a row a command
        match command:
            case ScheduleRetry(step=step, refused=refused):
                self.tries[step] += 1
                if refused and step == ChargeStep.CAPTURE:
                    self.refusals += 1
                return "ChargeRetryScheduled"
            case RecordIntent():
                return self._record_intent(command)
            case RecordActionRequired():
                return self._ask_the_buyer()
            case RecordAuthorised():
                return self._leave("created", to="authorised", event="ChargeAuthorised")
            case RecordCaptured():
                return self._capture(command)
            case RecordFailed():
                return self._fail(command)
            case RecordVoided(without_intent=True) if self.intent is not None and self.status in (
                "created",
                "authorised",
            ):
                return InvalidTransition()
            case RecordVoided():
                return self._leave("created", "authorised", to="voided", event="ChargeVoided")
            case RecordIntentCancelled() if self.status == "failed" and self.intent is not None:
                return self._cancel()
            case RecordDispute() if self.is_taken:
                return self._dispute(command)
            case RecordRefunding() if self.status == "completed":
                return self._start_refund(self.refund)
            case RecordRefundPending() if self.is_taken and command.stripe_refund_id == self.refund:
                return None
            case RecordRefundPending() if self.status == "completed":
                self.refunding = False
                return self._start_refund(command.stripe_refund_id)
            case RecordRefunded():
                return self._give_back(command)
            case RecordRefundFailed() if self.is_taken:
                return self._fail_to_give_back(command)
        return None if isinstance(command, ReadCharge) else InvalidTransition()

    @property
    def is_taken(self) -> bool:
        """Whether the buyer's money was taken, whatever became of it since."""
        return self.status in ("completed", "refunded")

    def _open(self, command: OpenCharge) -> Outcome:
        asked = command.charge
        if self.status:
            is_another_use_of_the_key = asked.request is not None and asked.request == self.request
            return RequestMismatch() if is_another_use_of_the_key and asked.payment_method != self.method else None
        self.status, self.method, self.request = "created", asked.payment_method, asked.request
        return "ChargeCreated"

    def _leave(self, *before: str, to: str, event: str) -> Outcome:
        """On to the next status; nothing when it is there, refused from anywhere else."""
        if self.status == to:
            return None
        if self.status not in before:
            return InvalidTransition()
        self.status = to
        if to in ("authorised", "completed"):
            self.waits_for_buyer = False
        return event

    def _record_intent(self, command: RecordIntent) -> Outcome:
        if command.stripe_id == self.intent:
            return None
        if self.intent is not None or self.status != "created":
            return InvalidTransition()
        self.intent = command.stripe_id
        return "ChargeIntentCreated"

    def _ask_the_buyer(self) -> Outcome:
        if self.status != "created":
            return InvalidTransition()
        if self.waits_for_buyer:
            return None
        self.waits_for_buyer = True
        return "ChargeActionRequired"

    def _cancel(self) -> Outcome:
        if self.cancelled:
            return None
        self.cancelled = True
        return "ChargeIntentCancelled"

    def _capture(self, command: RecordCaptured) -> Outcome:
        if self.status == "failed" and self.intent is not None and not self.cancelled and command.refunding:
            # Somebody took money for it after it had failed: it goes back.
            self.status, self.failure = "created", None
        outcome = self._leave("created", "authorised", to="completed", event="ChargeCompleted")
        if isinstance(outcome, str):
            self.refunding = command.refunding
        return outcome

    def _fail(self, command: RecordFailed) -> Outcome:
        outcome = self._leave("created", to="failed", event="ChargeFailed")
        if isinstance(outcome, str):
            self.failure = command.failure
        return outcome

    def _dispute(self, command: RecordDispute) -> Outcome:
        if self.disputed == command.disputed:
            return None
        self.disputed = command.disputed
        return "ChargeDisputed"

    def _start_refund(self, refund: str | None) -> Outcome:
        if self.refunding:
            return None
        self.refunding, self.refund = True, refund
        return "ChargeRefunding"

    def _give_back(self, command: RecordRefunded) -> Outcome:
        outcome = self._leave("completed", to="refunded", event="ChargeRefunded")
        if isinstance(outcome, str):
            self.refunding, self.refund = False, command.stripe_refund_id
        return outcome

    def _fail_to_give_back(self, command: RecordRefundFailed) -> Outcome:
        if not self.refunding and self.status != "refunded":
            return None
        self.status, self.refunding, self.refund, self.failure = "completed", False, None, command.failure
        self.tries[ChargeStep.REFUND] += 1  # another refund has another key
        return "ChargeRefundFailed"
