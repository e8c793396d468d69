"""Whatever happens to a call to Stripe, money and ticket agree in the end, and the money is taken once."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

import pytest

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge import charge_id
from actors.domain.charge_commands import Authorise
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.purchase_commands import Pay, RefundOrder
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, Sell
from actors.domain.ticket_values import Order, OrderStatus, TicketStatus
from actors.payments import stripe_calls
from actors.payments.charge_entity import ChargeEntity
from actors.stripe import errors
from actors.stripe.client import Stripe
from actors.stripe.resources import Intent, Refund
from tests.support.buying import (
    VISA,
    ActorDiedError,
    a_charge,
    an_order,
    charge_of,
    money,
    order_now,
    pay_until_it_dies,
    recovered,
    through,
)
from tests.support.journal_checks import records
from tests.support.local_market import LocalMarket
from tests.support.trading import as_it_is, expect

T = TypeVar("T")
Trouble = Literal["loses the answer", "answers a 5xx", "answers a 429", "dies before", "dies after"]

PAID_ONCE = {"succeeded": 1, "taken": 5_000, "given back": 0}
GIVEN_BACK = {"succeeded": 1, "taken": 5_000, "given back": 5_000}
LET_GO = {"canceled": 1, "taken": 0, "given back": 0}
PAYING = [ChargeStep.CREATE, ChargeStep.CONFIRM, ChargeStep.CAPTURE]
STEPS = [*PAYING, ChargeStep.VOID, ChargeStep.REFUND]


@dataclass(frozen=True, slots=True)
class Call:
    """A call to Stripe, and how many tries of its step the journal knew of when it came."""

    step: str
    key: str
    tries: int
    at: float


class Troubled(Stripe):
    """Stripe behind a bad network: the first `times` calls of one step go wrong. A 5xx is saved under its key."""

    def __init__(self, market: LocalMarket, step: ChargeStep, trouble: Trouble, times: int = 1) -> None:
        super().__init__(market.stripe._client, market.stripe._transport)
        self.calls: list[Call] = []
        self.left = times
        self._database = market.connections.database
        self._step, self._trouble = step, trouble
        self._broken: set[str] = set()

    async def create_intent(
        self, *, amount: int, currency: str, payment_method: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> Intent:
        return await self._call(
            idempotency_key,
            lambda: super(Troubled, self).create_intent(
                amount=amount,
                currency=currency,
                payment_method=payment_method,
                metadata=metadata,
                idempotency_key=idempotency_key,
            ),
        )

    async def confirm(self, intent_id: str, *, idempotency_key: str, confirmation_token: str | None = None) -> Intent:
        assert confirmation_token is None
        call = super().confirm
        return await self._call(idempotency_key, lambda: call(intent_id, idempotency_key=idempotency_key))

    async def capture(self, intent_id: str, *, amount: int, idempotency_key: str) -> Intent:
        call = super().capture
        return await self._call(
            idempotency_key, lambda: call(intent_id, amount=amount, idempotency_key=idempotency_key)
        )

    async def cancel(self, intent_id: str, *, idempotency_key: str) -> Intent:
        call = super().cancel
        return await self._call(idempotency_key, lambda: call(intent_id, idempotency_key=idempotency_key))

    async def refund(self, intent_id: str, *, amount: int, idempotency_key: str) -> Refund:
        call = super().refund
        return await self._call(
            idempotency_key, lambda: call(intent_id, amount=amount, idempotency_key=idempotency_key)
        )

    async def _call(self, key: str, call: Callable[[], Awaitable[T]]) -> T:
        step = key.split(":")[2]
        at = time.monotonic()
        self.calls.append(Call(step, key, await self._tries_in_journal(key), at))
        if key in self._broken:
            raise errors.ServerFailed
        is_troubled = step == self._step and self.left > 0
        self.left -= is_troubled
        if is_troubled:
            self._fail_before(key)
        answer = await call()
        if is_troubled:
            self._fail_after()
        return answer

    def _fail_before(self, key: str) -> None:
        match self._trouble:
            case "answers a 5xx":
                self._broken.add(key)
                raise errors.ServerFailed
            case "answers a 429":
                raise errors.RateLimited
            case "dies before":
                raise ActorDiedError

    def _fail_after(self) -> None:
        match self._trouble:
            case "loses the answer":
                raise errors.OutcomeUnknown
            case "dies after":
                raise ActorDiedError

    async def _tries_in_journal(self, key: str) -> int:
        _, wanted, step, _ = key.split(":")
        found = [getattr(record.event, "charge", None) for record in await records(self._database)]
        newest = max((charge for charge in found if charge and charge.id == wanted), key=lambda charge: charge.version)
        return int(newest.tries.count(step))

    def keys(self, step: ChargeStep) -> list[str]:
        """The keys of the calls of a step, in order."""
        return [call.key for call in self.calls if call.step == step]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow each other faster than in earnest."""
    monkeypatch.setattr(stripe_calls, "FIRST_BACKOFF_SECONDS", 0.01)


async def an_order_to(market: LocalMarket, step: ChargeStep) -> Order:
    """An order whose next call to Stripe that matters is of this step."""
    order = await an_order(market)
    match step:
        case ChargeStep.VOID:
            await pay_until_it_dies(market, order, Sell, before=True)
            expect(TicketAnswer, await market.ask_ticket(CancelOrder(order.ticket_id, order.id)))
        case ChargeStep.REFUND:
            expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    return order


async def go_on(market: LocalMarket, order: Order, step: ChargeStep) -> None:
    """Does what leads to the step."""
    match step:
        case ChargeStep.VOID:
            await recovered(market)
        case ChargeStep.REFUND:
            await market.refund(RefundOrder(order.id, order.seller_id))
        case _:
            await market.pay(Pay(order.id, VISA))


async def agree(market: LocalMarket, order: Order, step: ChargeStep) -> None:
    """Fails unless order, charge, ticket and Stripe tell the same story."""
    now = await order_now(market, order)
    charge = await charge_of(market, order)
    ticket = await as_it_is(market, order.ticket_id)
    match step:
        case ChargeStep.VOID:
            expected = (OrderStatus.CANCELLED, ChargeStatus.VOIDED, TicketStatus.AVAILABLE, LET_GO)
        case ChargeStep.REFUND:
            expected = (OrderStatus.CANCELLED, ChargeStatus.REFUNDED, TicketStatus.AVAILABLE, GIVEN_BACK)
        case _:
            expected = (OrderStatus.COMPLETE, ChargeStatus.COMPLETED, TicketStatus.SOLD, PAID_ONCE)
    assert (now.status, charge.status, ticket.status, await money(market, order)) == expected


# Answers that do not come, or that do not help


@pytest.mark.parametrize("times", [1, stripe_calls.TRIES])
@pytest.mark.parametrize("trouble", ["loses the answer", "answers a 5xx", "answers a 429"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.usefixtures("impatient")
async def test_recovery_makes_up_for_a_failed_stripe_call(
    market: LocalMarket, step: ChargeStep, trouble: Trouble, times: int
) -> None:
    order = await an_order_to(market, step)
    stripe = Troubled(market, step, trouble, times)
    through(market, stripe)
    await go_on(market, order, step)
    for _ in range(times):
        await recovered(market)
    assert stripe.left == 0
    await agree(market, order, step)


@pytest.mark.parametrize("trouble", ["loses the answer", "answers a 5xx", "answers a 429"])
@pytest.mark.parametrize("step", PAYING)
@pytest.mark.usefixtures("impatient")
async def test_a_buyer_whose_payment_failed_pays_again_and_is_charged_once(
    market: LocalMarket, step: ChargeStep, trouble: Trouble
) -> None:
    order = await an_order(market)
    through(market, Troubled(market, step, trouble, stripe_calls.TRIES))
    await market.pay(Pay(order.id, VISA))
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert answer.charge.status is ChargeStatus.COMPLETED
    await agree(market, order, step)


# Processes that end


@pytest.mark.parametrize("with_a_new_host", [True, False])
@pytest.mark.parametrize("trouble", ["dies before", "dies after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_charge_whose_process_ended_is_finished_by_the_next(
    market: LocalMarket, step: ChargeStep, trouble: Trouble, *, with_a_new_host: bool
) -> None:
    order = await an_order_to(market, step)
    through(market, Troubled(market, step, trouble))
    with pytest.raises(ActorDiedError):
        await go_on(market, order, step)
    if with_a_new_host:
        await market.charges.kill()
        market.charges = market._start(ChargeEntity(market.connections.queries), "payments-0")
    stripe = Troubled(market, step, trouble, times=0)
    through(market, stripe)
    await recovered(market)
    await agree(market, order, step)
    for key in stripe.keys(step):
        assert key.endswith(":1"), "what another process may have done is asked for under the same key"


@pytest.mark.parametrize("trouble", ["dies before", "dies after"])
@pytest.mark.parametrize("step", PAYING)
async def test_a_buyer_whose_payment_process_died_pays_again_and_is_charged_once(
    market: LocalMarket, step: ChargeStep, trouble: Trouble
) -> None:
    order = await an_order(market)
    through(market, Troubled(market, step, trouble))
    with pytest.raises(ActorDiedError):
        await market.pay(Pay(order.id, VISA))
    through(market, market.stripe)
    expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    await agree(market, order, step)


# Keys


@pytest.mark.parametrize("trouble", ["loses the answer", "answers a 429"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.usefixtures("impatient")
async def test_a_stripe_call_without_an_answer_is_retried_with_the_same_idempotency_key(
    market: LocalMarket, step: ChargeStep, trouble: Trouble
) -> None:
    order = await an_order_to(market, step)
    stripe = Troubled(market, step, trouble, times=2)
    through(market, stripe)
    await go_on(market, order, step)
    assert stripe.keys(step) == [f"charge:{charge_id(order.id, 1)}:{step}:1"] * 3
    charge = await charge_of(market, order)
    assert charge.tries == ()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.usefixtures("impatient")
async def test_after_a_5xx_the_next_idempotency_key_is_in_the_journal_before_it_is_used(
    market: LocalMarket, step: ChargeStep
) -> None:
    order = await an_order_to(market, step)
    stripe = Troubled(market, step, "answers a 5xx", times=2)
    through(market, stripe)
    await go_on(market, order, step)
    for _ in range(2):
        await recovered(market)
    assert stripe.keys(step) == [f"charge:{charge_id(order.id, 1)}:{step}:{number}" for number in (1, 2, 3)]
    assert [call.tries for call in stripe.calls if call.step == step] == [0, 1, 2]
    charge = await charge_of(market, order)
    assert charge.tries == (step, step)


@pytest.mark.usefixtures("impatient")
async def test_with_the_same_idempotency_key_after_a_5xx_nobody_can_pay_and_the_check_finds_it(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_calls, "idempotency_key", lambda charge, step: f"charge:{charge.id}:{step}:1")
    order = await an_order(market)
    through(market, Troubled(market, ChargeStep.CONFIRM, "answers a 5xx"))
    await market.pay(Pay(order.id, VISA))
    await recovered(market)
    with pytest.raises(AssertionError):
        await agree(market, order, ChargeStep.CONFIRM)


@pytest.mark.usefixtures("impatient")
async def test_with_another_idempotency_key_after_a_lost_answer_an_order_has_two_intents_and_reconciliation_finds_it(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_key(charge: Charge, step: ChargeStep) -> str:
        return f"charge:{charge.id}:{step}:{time.monotonic_ns()}"

    monkeypatch.setattr(stripe_calls, "idempotency_key", another_key)
    order = await an_order(market)
    through(market, Troubled(market, ChargeStep.CREATE, "loses the answer"))
    await market.pay(Pay(order.id, VISA))
    with pytest.raises(AssertionError):
        await agree(market, order, ChargeStep.CREATE)


# Deadlines and pauses


@pytest.mark.parametrize("trouble", ["loses the answer", "answers a 5xx", "answers a 429"])
@pytest.mark.parametrize(("patience", "calls"), [(0, 1), (200, 1), (400, 2)])
async def test_no_stripe_call_is_retried_after_the_deadline(
    market: LocalMarket, trouble: Trouble, patience: int, calls: int
) -> None:
    order = await an_order(market)
    stripe = Troubled(market, ChargeStep.CREATE, trouble, times=10)
    through(market, stripe)
    began, clock = time.monotonic(), market.connections.clock
    charge = a_charge(market, order)
    answer = await market.payments.handle(Authorise(charge), clock.now() + patience)
    assert expect(ChargeAnswer, answer).charge.status is ChargeStatus.CREATED
    assert len(stripe.calls) <= calls
    assert all(call.at < began + patience / 1_000 for call in stripe.calls[1:])


async def test_a_rate_limited_stripe_call_is_retried_with_backoff(market: LocalMarket) -> None:
    order = await an_order(market)
    stripe = Troubled(market, ChargeStep.CREATE, "answers a 429", times=3)
    through(market, stripe)
    expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    times = [call.at for call in stripe.calls if call.step == ChargeStep.CREATE]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(pauses) == 3
    assert all(pause >= backoff for pause, backoff in zip(pauses, (0.25, 0.5, 1.0), strict=True))
