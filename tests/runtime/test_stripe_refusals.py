"""What Stripe refuses besides declines has an answer and an end: at the confirmation and at the capture."""

from collections.abc import Callable

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import OrderClosed, UnknownPaymentMethod
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.payments import charge_workflow, stripe_calls
from actors.payments.charge_workflow import ChargeWorkflow
from actors.stripe import errors
from actors.stripe.client import Stripe
from actors.stripe.resources import Intent
from tests.support.buying import VISA, WANTS_ACTION, an_order, charge_of, money, order_now, recovered, through
from tests.support.local_market import LocalMarket
from tests.support.trading import as_it_is, expect

PRICE = 5_000
NOTHING = {"taken": 0, "given back": 0}
LET_GO = {"canceled": 1, **NOTHING}
PAID_ONCE = {"succeeded": 1, "taken": PRICE, "given back": 0}
Refusal = Callable[[], errors.StripeFailure]


class Refusing(Stripe):
    """A Stripe that refuses one step so many times. A refusal is saved under its key, as Stripe saves it."""

    def __init__(self, market: LocalMarket, step: str, refusal: Refusal, times: int) -> None:
        super().__init__(market.stripe._client, market.stripe._transport)
        self.keys: list[str] = []
        self._step, self._refusal, self._left = step, refusal, times
        self._refused: set[str] = set()

    async def confirm(self, intent_id: str, *, idempotency_key: str, confirmation_token: str | None = None) -> Intent:
        self._refuse("confirm", idempotency_key)
        return await super().confirm(intent_id, idempotency_key=idempotency_key, confirmation_token=confirmation_token)

    async def capture(self, intent_id: str, *, amount: int, idempotency_key: str) -> Intent:
        self._refuse("capture", idempotency_key)
        return await super().capture(intent_id, amount=amount, idempotency_key=idempotency_key)

    def _refuse(self, step: str, key: str) -> None:
        if step != self._step:
            return
        self.keys.append(key)
        if key not in self._refused and self._left:
            self._left -= 1
            self._refused.add(key)
        if key in self._refused:
            raise self._refusal()


def refuses(market: LocalMarket, step: str, refusal: Refusal, times: int = 1_000) -> Refusing:
    """The market pays through a Stripe that refuses."""
    stripe = Refusing(market, step, refusal, times)
    through(market, stripe)
    return stripe


async def stands(market: LocalMarket, order: Order) -> tuple[OrderStatus, CancelReason | None, TicketStatus]:
    now = await order_now(market, order)
    return now.status, now.cancel_reason, (await as_it_is(market, order.ticket_id)).status


ENDED = (OrderStatus.CANCELLED, CancelReason.CAPTURE_FAILED, TicketStatus.AVAILABLE)

# Captures


@pytest.mark.parametrize(
    "refusal",
    [
        lambda: errors.Rejected("an_unheard_of_code"),
        lambda: errors.CardDeclined("card_declined", None),
        lambda: errors.InvalidState("payment_intent_unexpected_state"),
    ],
)
async def test_a_refused_capture_is_retried_with_new_idempotency_keys(market: LocalMarket, refusal: Refusal) -> None:
    order = await an_order(market)
    stripe = refuses(market, "capture", refusal, times=2)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert (answer.order.status, answer.charge.status) == (OrderStatus.COMPLETE, ChargeStatus.AUTHORISED)
    for _ in range(2):
        await recovered(market)
    assert [key.rpartition(":")[2] for key in stripe.keys] == ["1", "2", "3"]
    assert await money(market, order) == PAID_ONCE
    assert (await charge_of(market, order)).tries == ("capture", "capture")


async def test_with_the_same_idempotency_key_a_refused_capture_is_replayed_and_the_check_finds_it(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave(_payments: ChargeWorkflow, _charge: Charge, _step: str, refused: Exception) -> None:
        raise refused

    monkeypatch.setattr(ChargeWorkflow, "_ask_anew", leave)
    order = await an_order(market)
    refuses(market, "capture", lambda: errors.Rejected("an_unheard_of_code"), times=1)
    await market.pay(Pay(order.id, VISA))
    for _ in range(2):
        await recovered(market)
    assert await money(market, order) != PAID_ONCE


@pytest.mark.parametrize("code", charge_workflow.NEVER_CAPTURED)
async def test_a_capture_that_is_refused_for_good_ends_the_sale_and_takes_nothing(
    market: LocalMarket, code: str
) -> None:
    order = await an_order(market)
    refuses(market, "capture", lambda: errors.Rejected(code))
    assert await market.pay(Pay(order.id, VISA)) == OrderClosed()
    assert await stands(market, order) == ENDED
    assert await money(market, order) == LET_GO
    assert (await charge_of(market, order)).status is ChargeStatus.VOIDED


async def test_a_capture_that_is_refused_again_and_again_ends_the_sale(market: LocalMarket) -> None:
    order = await an_order(market)
    stripe = refuses(market, "capture", lambda: errors.Rejected("an_unheard_of_code"))
    await market.pay(Pay(order.id, VISA))
    for _ in range(charge_workflow.CAPTURE_REFUSALS - 1):
        await recovered(market)
    assert len(set(stripe.keys)) == charge_workflow.CAPTURE_REFUSALS
    assert await stands(market, order) == ENDED
    assert await money(market, order) == LET_GO


async def test_failures_of_stripe_are_no_refusals_of_a_capture(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_calls, "FIRST_BACKOFF_SECONDS", 0.0)
    in_turn = iter(
        [errors.ServerFailed()] * charge_workflow.CAPTURE_REFUSALS + [errors.Rejected("an_unheard_of_code")] * 2
    )
    order = await an_order(market)
    stripe = refuses(market, "capture", lambda: next(in_turn), times=charge_workflow.CAPTURE_REFUSALS + 2)
    await market.pay(Pay(order.id, VISA))
    for _ in range(4):
        await recovered(market)
    assert await money(market, order) == PAID_ONCE
    assert len(set(stripe.keys)) == len(stripe.keys) == charge_workflow.CAPTURE_REFUSALS + 3
    charge = await charge_of(market, order)
    assert (charge.status, charge.capture_refusals) == (ChargeStatus.COMPLETED, 2)


async def test_a_stripe_key_that_may_not_capture_leaves_the_sale_to_its_operator(market: LocalMarket) -> None:
    order = await an_order(market)
    refuses(market, "capture", lambda: errors.AuthenticationFailed("secret_key_required"), times=1)
    await market.pay(Pay(order.id, VISA))
    assert (await order_now(market, order)).status is OrderStatus.COMPLETE
    assert (await charge_of(market, order)).status is ChargeStatus.AUTHORISED


# Confirmations


async def test_a_card_that_is_known_and_cannot_be_used_is_answered_like_a_decline(market: LocalMarket) -> None:
    order = await an_order(market)
    refuses(market, "confirm", lambda: errors.Rejected("payment_method_customer_decline"))
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert (answer.charge.status, answer.charge.failure) == (ChargeStatus.FAILED, "payment_method_customer_decline")
    assert (answer.order.status, answer.order.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.DECLINED)
    assert await money(market, order) == LET_GO


async def test_a_card_that_can_be_used_once_pays_one_of_two_tickets_and_the_buyer_is_told(
    market: LocalMarket,
) -> None:
    first, second = await an_order(market), await an_order(market)
    once = "pm_card_visa_once_1NnQUf2eZvKYlo2C"
    assert expect(PaymentAnswer, await market.pay(Pay(first.id, once))).fresh
    refused = expect(PaymentAnswer, await market.pay(Pay(second.id, once)))
    assert (refused.charge.status, refused.charge.failure) == (ChargeStatus.FAILED, "rejected")
    assert (await money(market, first), await money(market, second)) == (PAID_ONCE, LET_GO)


async def test_a_stripe_key_that_may_not_confirm_declines_nobody(market: LocalMarket) -> None:
    order = await an_order(market)
    refuses(market, "confirm", lambda: errors.AuthenticationFailed("secret_key_required"), times=1)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert (answer.charge.status, answer.order.is_open) == (ChargeStatus.CREATED, True)


# Confirmation tokens


async def test_a_confirmation_token_pays(market: LocalMarket) -> None:
    order = await an_order(market)
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, "ctoken_visa"))).fresh
    assert await money(market, order) == PAID_ONCE


async def test_a_confirmation_token_of_a_card_that_needs_3d_secure_answers_with_a_client_secret(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    token = WANTS_ACTION.replace("pm_card_", "ctoken_")
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, token))).client_secret
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, None))).client_secret


async def test_a_declined_confirmation_token_is_not_confirmed_again(market: LocalMarket) -> None:
    order = await an_order(market)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, "ctoken_chargeDeclined")))
    assert (answer.charge.failure, answer.order.cancel_reason) == ("generic_decline", CancelReason.DECLINED)
    assert await money(market, order) == LET_GO


async def test_an_unknown_confirmation_token_leaves_the_order_alone(market: LocalMarket) -> None:
    order = await an_order(market)
    assert await market.pay(Pay(order.id, "ctoken_nobodyHasSuchOne")) == UnknownPaymentMethod()
    assert (await order_now(market, order)).status is OrderStatus.CREATED
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, VISA))).fresh
