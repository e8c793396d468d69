"""Everything that can be told a charge, told to the product's rules and to the model at the same time."""

import json
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.domain import charge as rules
from actors.domain import codec
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
from actors.domain.charge_events import ChargeEvent
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.refusals import Refusal
from tests.models.charge_model import ChargeModel
from tests.support.examples import BUYER, NOW, ORDER, TICKET

ID = rules.charge_id(ORDER, 1)
STEPS = st.sampled_from(list(ChargeStep))
METHODS = st.sampled_from(["pm_card_visa", "pm_card_amex"])
REQUESTS = st.sampled_from([None, "a request", "another request"])
INTENTS = st.sampled_from(["pi_1", "pi_1", "pi_2"])
REFUNDS = st.sampled_from(["re_1", "re_2"])
FAILURES = st.sampled_from(["generic_decline", "expired_card"])
DISPUTES = st.sampled_from(["needs_response", "won", "lost"])
# Nothing happens to a charge after it failed or was voided, so most histories do without.
MEANT = st.sampled_from([True, False, False, False])
COMMANDS: st.SearchStrategy[ChargeCommand] = st.one_of(
    st.just(ReadCharge(ID)),
    st.builds(RecordIntent, st.just(ID), INTENTS),
    st.just(RecordActionRequired(ID)),
    st.just(RecordAuthorised(ID)),
    st.builds(RecordCaptured, st.just(ID), st.booleans()),
    st.just(RecordIntentCancelled(ID)),
    st.just(RecordRefunding(ID)),
    st.builds(RecordRefundPending, st.just(ID), REFUNDS),
    st.builds(RecordRefunded, st.just(ID), REFUNDS),
    st.builds(RecordRefundFailed, st.just(ID), FAILURES),
    st.builds(RecordDispute, st.just(ID), DISPUTES),
)
# From the opened charge on.
THE_GOOD_WAY: tuple[ChargeCommand, ...] = (RecordIntent(ID, "pi_1"), RecordAuthorised(ID), RecordCaptured(ID))
WAYS_BACK = (
    (ChargeStatus.REFUNDED, ChargeStatus.COMPLETED, "ChargeRefundFailed"),
    (ChargeStatus.FAILED, ChargeStatus.COMPLETED, "ChargeCompleted"),
)
ENDS = (ChargeStatus.FAILED, ChargeStatus.VOIDED, ChargeStatus.REFUNDED)


class ChargeMachine(RuleBasedStateMachine):
    """One charge. `keys` are those that Stripe may have seen of each step, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.charge: Charge | None = None
        self.agreed: tuple[object, ...] = ()
        self.keys: dict[ChargeStep, list[str]] = {step: [] for step in ChargeStep}
        self.model = ChargeModel()

    def tell(self, command: ChargeCommand) -> None:
        self.now += 1
        expected = self.model.tell(command)
        decision = rules.decide(self.charge, command, self.now)
        if isinstance(decision, Refusal):
            assert decision == expected
            return
        assert [type(event).__name__ for event in decision] == ([expected] if expected else [])
        for event in decision:
            self.note(event)
        if not isinstance(command, ScheduleRetry):
            assert rules.decide(self.charge, command, self.now) == (), "a repeat changed something"

    def note(self, event: ChargeEvent) -> None:
        before, after = self.charge, rules.evolve(event)
        assert codec.decode_event(json.loads(json.dumps(codec.encode_event(event)))) == event
        if before is None:
            self.agreed = agreement(after)
        elif before.status in ENDS and after.status is not before.status:
            assert (before.status, after.status, type(event).__name__) in WAYS_BACK, "an end was left"
        tried = before.tries if before else ()
        assert after.tries[: len(tried)] == tried, "a try was forgotten"
        self.charge = after

    @initialize(so_far=st.integers(0, len(THE_GOOD_WAY) + 1), method=METHODS, request=REQUESTS)
    def begin(self, so_far: int, method: str, request: str | None) -> None:
        """Somewhere on the way, so that histories come to what happens at its end."""
        if so_far:
            self.open(method, request)
        for command in THE_GOOD_WAY[: max(0, so_far - 1)]:
            self.tell(command)

    @rule(method=METHODS, request=REQUESTS)
    def open(self, method: str, request: str | None) -> None:
        charge = Charge(
            ID, ORDER, TICKET, BUYER, 1, 5_000, "usd", method, ChargeStatus.CREATED, self.now, self.now, request=request
        )
        self.tell(OpenCharge(charge))

    @rule(command=COMMANDS)
    def record(self, command: ChargeCommand) -> None:
        self.tell(command)

    @precondition(lambda self: self.model.status not in ("", "created", "authorised"))
    @rule(command=COMMANDS)
    def record_after_the_money_was_taken_or_let_go(self, command: ChargeCommand) -> None:
        self.tell(command)

    @rule(failure=FAILURES, is_meant=MEANT)
    def fail(self, failure: str, is_meant: bool) -> None:  # noqa: FBT001 - drawn
        if is_meant or self.model.status != "created":
            self.tell(RecordFailed(ID, failure))

    @rule(is_meant=MEANT, without_intent=st.booleans())
    def void(self, is_meant: bool, without_intent: bool) -> None:  # noqa: FBT001 - drawn
        if is_meant or self.model.status not in ("created", "authorised"):
            self.tell(RecordVoided(ID, without_intent))

    @rule(step=STEPS, refused=st.booleans())
    def try_again(self, step: ChargeStep, refused: bool) -> None:  # noqa: FBT001 - drawn
        before = self.charge and self.key(step)
        self.tell(ScheduleRetry(ID, step, refused))
        assert self.charge is None or self.key(step) != before

    @rule()
    def fail_to_give_it_back(self) -> None:
        if self.charge is not None:
            before, status, refunding = self.key(ChargeStep.REFUND), self.charge.status, self.charge.refunding
            self.tell(RecordRefundFailed(ID, "declined"))
            began = refunding or status is ChargeStatus.REFUNDED
            assert (self.key(ChargeStep.REFUND) != before) == began, "a new refund needs a new key"

    def key(self, step: ChargeStep) -> str:
        assert self.charge is not None
        return rules.idempotency_key(self.charge, step)

    @invariant()
    def the_charge_is_as_the_model_says(self) -> None:
        charge, model = self.charge, self.model
        if charge is None:
            assert not model.status
            return
        seen = ChargeModel(
            charge.status, charge.version, charge.payment_method, charge.request, charge.stripe_id,
            charge.stripe_refund_id, charge.failure, charge.action_required, charge.refunding, charge.disputed,
            Counter(map(ChargeStep, charge.tries)), charge.intent_cancelled,
            charge.capture_refusals,
        )  # fmt: skip
        assert seen == model

    @invariant()
    def what_was_agreed_stays(self) -> None:
        if self.charge is not None:
            assert agreement(self.charge) == self.agreed

    @invariant()
    def no_key_comes_back(self) -> None:
        for step, seen in self.keys.items():
            if self.charge is None:
                return
            key = self.key(step)
            if seen[-1:] != [key]:
                assert key not in seen, "a key was used again for another try"
                seen.append(key)
        current = [seen[-1] for seen in self.keys.values()]
        assert len(set(current)) == len(current), "two steps share a key"

    @invariant()
    def the_charge_can_be_stored(self) -> None:
        if self.charge is not None:
            stored = json.loads(json.dumps(codec.encode(self.charge)))
            assert codec.decode(Charge, stored) == self.charge


def agreement(charge: Charge) -> tuple[object, ...]:
    """What never changes, whatever becomes of the money."""
    return (
        charge.id, charge.order_id, charge.ticket_id, charge.buyer_id, charge.attempt, charge.amount, charge.currency,
        charge.payment_method, charge.created_at, charge.request,
    )  # fmt: skip
