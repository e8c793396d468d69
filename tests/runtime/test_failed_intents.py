"""An intent that failed is cancelled at Stripe, so that nobody pays it later in the browser."""

from dataclasses import replace

import pytest

from actors.domain.answers import ChargeAnswer as Answer
from actors.domain.answers import PaymentAnswer
from actors.domain.charge_commands import PaymentCommand, ReverseCharge, ScheduleRetry
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.purchase_commands import Pay, ResumePurchase
from actors.domain.refusals import Refusal, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, Sell
from actors.domain.ticket_values import Order, OrderStatus, TicketStatus
from actors.payments.charge_workflow import ChargeWorkflow
from actors.payments.stripe_calls import FIRST_REST_MS, UNTIRED
from actors.stripe import errors
from actors.stripe.client import Stripe
from actors.stripe.resources import Intent
from actors.stripe.sandbox.payment_intent import PaymentIntent, Status
from config.settings import Settings
from tests.support.buying import (
    DECLINED,
    VISA,
    WANTS_ACTION,
    Ahead,
    Interrupted,
    an_order,
    changed_at_stripe,
    charge_of,
    confirmed_in_a_browser,
    intents_of,
    money,
    order_now,
    pay_until_it_dies,
    purchases,
    recovered,
    through,
)
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import as_it_is, expect

NOTHING = {"taken": 0, "given back": 0}
LET_GO = {"canceled": 1, **NOTHING}


async def asked_by_the_bank(market: LocalMarket) -> tuple[Order, str]:
    """An order about whose card the bank asks, and the client secret that its buyer's browser has."""
    order = await an_order(market)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION)))
    assert answer.client_secret is not None
    return order, answer.client_secret


async def the_bank_says_no(market: LocalMarket, secret: str) -> None:
    assert market.account.sandbox is not None
    await market.account.sandbox.authenticate(secret, succeeds=False)


async def test_an_intent_whose_authentication_failed_cannot_be_paid_in_the_browser(market: LocalMarket) -> None:
    order, secret = await asked_by_the_bank(market)
    await the_bank_says_no(market, secret)
    answer = expect(PaymentAnswer, await market.resume(ResumePurchase(order.id)))
    assert (answer.order.status, answer.charge.status) == (OrderStatus.CANCELLED, ChargeStatus.FAILED)
    assert answer.charge.intent_cancelled
    assert await confirmed_in_a_browser(market, secret) == 400
    assert await money(market, order) == LET_GO


async def test_an_intent_is_cancelled_after_its_failure_and_the_end_of_the_order_are_in_the_journal(
    market: LocalMarket,
) -> None:
    class AtTheCancel(Interrupted):
        """Looks at the documents when the intent is to be cancelled."""

        async def ask_charge(self, command: PaymentCommand) -> Answer | Refusal:
            if isinstance(command, ReverseCharge):
                seen.append(((await charge_of(market, order)).status, (await order_now(market, order)).status))
            return await super().ask_charge(command)

    seen: list[tuple[ChargeStatus, OrderStatus]] = []
    order = await an_order(market)
    await purchases(market, AtTheCancel(market, type(None), before=True)).handle(Pay(order.id, DECLINED))
    assert seen == [(ChargeStatus.FAILED, OrderStatus.CANCELLED)]


class CannotSettle:
    """Counterparts of an actor whose charges do not hear that they are to be settled."""

    def __init__(self, market: LocalMarket) -> None:
        self._market = market
        self.ask_ticket = market.ask_ticket

    async def ask_charge(self, command: PaymentCommand) -> Answer | Refusal:
        return Unavailable() if isinstance(command, ReverseCharge) else await self._market.ask_charge(command)


async def failed_and_paid_in_the_browser(market: LocalMarket) -> Order:
    """An order that is over, whose failed intent was paid before it could be cancelled."""
    order, secret = await asked_by_the_bank(market)
    await the_bank_says_no(market, secret)
    await purchases(market, CannotSettle(market)).handle(ResumePurchase(order.id))
    assert await confirmed_in_a_browser(market, secret) == 200
    assert await money(market, order) == {"requires_capture": 1, **NOTHING}
    return order


async def test_the_supervisor_voids_money_with_which_a_failed_intent_was_paid(market: LocalMarket) -> None:
    order = await failed_and_paid_in_the_browser(market)
    await recovered(market)
    assert await money(market, order) == LET_GO
    assert (await charge_of(market, order)).intent_cancelled
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE


async def test_a_webhook_event_of_a_failed_intent_that_was_paid_is_handled(market: LocalMarket) -> None:
    order = await failed_and_paid_in_the_browser(market)
    assert await market.stalled_purchases()._webhook_events._old_news([order.id]) == set()
    await market.resume(ResumePurchase(order.id))
    assert await money(market, order) == LET_GO
    assert await market.stalled_purchases()._webhook_events._old_news([order.id]) == {order.id}


async def test_money_captured_for_a_failed_intent_is_refunded(market: LocalMarket) -> None:
    order = await failed_and_paid_in_the_browser(market)
    (intent,) = await intents_of(market, order)
    await market.stripe.capture(intent.id, amount=intent.amount, idempotency_key="by hand")
    await recovered(market)
    assert await money(market, order) == {"succeeded": 1, "taken": 5_000, "given back": 5_000}
    assert (await charge_of(market, order)).status is ChargeStatus.REFUNDED


async def test_without_cancelling_the_intent_money_is_held_without_a_ticket_and_reconciliation_finds_it(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Charge, "is_payable", property(lambda _charge: False))
    order = await failed_and_paid_in_the_browser(market)
    await recovered(market)
    assert await money(market, order) != LET_GO


async def test_a_charge_that_failed_in_an_older_release_is_cancelled_by_a_webhook_event_of_its_intent(
    market: LocalMarket,
) -> None:
    order = await failed_and_paid_in_the_browser(market)
    await market.writes_everything()
    charges = market.connections.database["charges"]
    await charges.update_many({}, {"$unset": {"intent_cancelled": "", "by_payable_since": ""}})
    assert await market.stalled_purchases()._webhook_events._old_news([order.id]) == set()
    await market.resume(ResumePurchase(order.id))
    assert await money(market, order) == LET_GO


class AnotherAccount(Stripe):
    """A Stripe whose account has none of these intents."""

    def __init__(self, market: LocalMarket) -> None:
        super().__init__(market.stripe._client, market.stripe._transport)
        self.asked: list[tuple[str, str]] = []

    async def cancel(self, intent_id: str, *, idempotency_key: str) -> Intent:
        self.asked.append((intent_id, idempotency_key))
        raise errors.NotFound("resource_missing")


async def test_a_failed_intent_of_another_stripe_account_counts_as_cancelled(market: LocalMarket) -> None:
    order, stripe = await failed_and_paid_in_the_browser(market), AnotherAccount(market)
    through(market, stripe)
    for _ in range(2):
        await recovered(market)
    assert len(stripe.asked) == 1
    assert (await charge_of(market, order)).intent_cancelled


async def test_an_authorised_intent_that_is_not_found_waits_for_the_right_key(market: LocalMarket) -> None:
    order, right = await an_order(market), market.payments
    await pay_until_it_dies(market, order, Sell, before=True)
    expect(TicketAnswer, await market.ask_ticket(CancelOrder(order.ticket_id, order.id)))
    through(market, AnotherAccount(market))
    await recovered(market)
    assert (await charge_of(market, order)).status is ChargeStatus.AUTHORISED
    market.payments = right
    await recovered(market)
    assert await money(market, order) == LET_GO


async def test_the_intent_of_an_earlier_attempt_is_cancelled_while_the_order_goes_on(
    market_settings: Settings,
) -> None:
    async with local_market(market_settings.model_copy(update={"payment_attempts": 2})) as market:
        order = await an_order(market)
        await purchases(market, CannotSettle(market)).handle(Pay(order.id, DECLINED))
        assert (await order_now(market, order)).status is OrderStatus.CREATED
        await recovered(market)
        assert await money(market, order) == LET_GO
        assert (await order_now(market, order)).status is OrderStatus.CREATED
        assert expect(PaymentAnswer, await market.pay(Pay(order.id, VISA))).fresh


# Refusals that may change


def _as(intent: PaymentIntent, status: Status) -> PaymentIntent:
    return replace(intent, status=status)


async def test_a_cancel_refused_while_the_bank_decides_is_retried_with_a_new_idempotency_key(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Sell, before=True)
    expect(TicketAnswer, await market.ask_ticket(CancelOrder(order.ticket_id, order.id)))
    await changed_at_stripe(market, order, lambda intent: _as(intent, "processing"))
    await recovered(market)
    await market.writes_everything()
    assert (await charge_of(market, order)).tries == ("void",)
    await changed_at_stripe(market, order, lambda intent: _as(intent, "requires_capture"))
    await recovered(market)
    assert await money(market, order) == LET_GO
    assert (await charge_of(market, order)).status is ChargeStatus.VOIDED


async def test_a_cancel_refused_very_often_is_retried_after_a_rest_so_that_its_charge_stays_small(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Sell, before=True)
    expect(TicketAnswer, await market.ask_ticket(CancelOrder(order.ticket_id, order.id)))
    await changed_at_stripe(market, order, lambda intent: _as(intent, "processing"))
    charge = await charge_of(market, order)
    await market.ask_host(market.charges, [ScheduleRetry(charge.id, ChargeStep.VOID)] * UNTIRED)
    for _ in range(3):
        await recovered(market)
    await market.writes_everything()
    assert (await charge_of(market, order)).tries == ("void",) * UNTIRED

    later = Ahead(market.connections.clock, FIRST_REST_MS)
    market.payments = ChargeWorkflow(market.charges.host, market.stripe, later)
    await changed_at_stripe(market, order, lambda intent: _as(intent, "requires_capture"))
    await recovered(market)
    assert await money(market, order) == LET_GO


async def test_with_the_same_idempotency_key_the_refused_cancel_is_replayed_and_reconciliation_finds_it(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave(_payments: ChargeWorkflow, _charge: Charge, _step: str, refused: Exception) -> None:
        raise refused

    monkeypatch.setattr(ChargeWorkflow, "_ask_anew", leave)
    order = await an_order(market)
    await pay_until_it_dies(market, order, Sell, before=True)
    expect(TicketAnswer, await market.ask_ticket(CancelOrder(order.ticket_id, order.id)))
    await changed_at_stripe(market, order, lambda intent: _as(intent, "processing"))
    await recovered(market)
    await changed_at_stripe(market, order, lambda intent: _as(intent, "requires_capture"))
    await recovered(market)
    assert await money(market, order) == {"requires_capture": 1, **NOTHING}
