"""Refunds whose process ends on the way, or whose answers are lost."""

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_commands import Capture, ReverseCharge
from actors.domain.charge_values import ChargeStatus
from actors.domain.ticket_commands import CancelSale, StartRefund
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.stripe.client import Stripe
from actors.stripe.errors import OutcomeUnknown, ServerFailed
from actors.stripe.resources import Intent, Refund
from tests.support.buying import (
    ActorDiedError,
    Interrupted,
    an_order,
    charge_of,
    money,
    order_now,
    pay_until_it_dies,
    purchases,
    recovered,
    through,
)
from tests.support.local_market import LocalMarket
from tests.support.refunding import TAKEN, a_sale, is_given_back, refund_of, stands
from tests.support.trading import as_it_is, expect

AFTER_THE_WISH = [
    pytest.param(StartRefund, False, id="after the wish"),
    pytest.param(ReverseCharge, True, id="before the money"),
    pytest.param(ReverseCharge, False, id="after the money"),
    pytest.param(CancelSale, True, id="before the end of the order"),
    pytest.param(CancelSale, False, id="after the end of the order"),
]


async def refund_until_it_dies(market: LocalMarket, order: Order, at: type, *, before: bool) -> None:
    with pytest.raises(ActorDiedError):
        await purchases(market, Interrupted(market, at, before=before)).handle(refund_of(order))


@pytest.mark.parametrize(("at", "before"), AFTER_THE_WISH)
async def test_a_stalled_refund_is_finished_by_the_supervisor(market: LocalMarket, at: type, *, before: bool) -> None:
    order = await a_sale(market)
    await refund_until_it_dies(market, order, at, before=before)
    await recovered(market)
    await is_given_back(market, order)


@pytest.mark.parametrize(("at", "before"), [*AFTER_THE_WISH, pytest.param(StartRefund, True, id="before the wish")])
async def test_a_stalled_refund_can_be_requested_again(market: LocalMarket, at: type, *, before: bool) -> None:
    order = await a_sale(market)
    await refund_until_it_dies(market, order, at, before=before)
    answer = expect(PaymentAnswer, await market.refund(refund_of(order)))
    assert answer.order.cancel_reason is CancelReason.REFUNDED
    await is_given_back(market, order)


async def test_a_refund_that_stalled_before_it_was_recorded_leaves_the_sale_alone(market: LocalMarket) -> None:
    order = await a_sale(market)
    await refund_until_it_dies(market, order, StartRefund, before=True)
    await recovered(market)
    await stands(market, order)
    assert await money(market, order) == TAKEN


async def test_without_the_supervisor_a_stalled_refund_is_not_finished_and_reconciliation_finds_it(
    market: LocalMarket,
) -> None:
    order = await a_sale(market)
    await refund_until_it_dies(market, order, ReverseCharge, before=True)
    with pytest.raises(AssertionError):
        await is_given_back(market, order)
    assert (await order_now(market, order)).refunding


async def test_the_refund_of_a_sale_that_was_not_captured_voids_its_charge(market: LocalMarket) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Capture, before=True)
    expect(PaymentAnswer, await market.refund(refund_of(order)))
    now = await order_now(market, order)
    assert (now.status, now.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.REFUNDED)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
    assert (await charge_of(market, order)).status is ChargeStatus.VOIDED
    assert await money(market, order) == {"canceled": 1, "taken": 0, "given back": 0}


class LosesAnswers(Stripe):
    """Makes refunds and does not tell, as long as it `loses`. With `forgets` it does not know its keys again."""

    loses = True
    forgets = False

    def __init__(self, market: LocalMarket) -> None:
        super().__init__(market.stripe._client, market.stripe._transport)
        self.keys: list[str] = []

    async def refund(self, intent_id: str, *, amount: int, idempotency_key: str) -> Refund:
        self.keys.append(idempotency_key)
        key = f"{idempotency_key}-{len(self.keys)}" if self.forgets else idempotency_key
        refund = await super().refund(intent_id, amount=amount, idempotency_key=key)
        if self.loses:
            raise OutcomeUnknown
        return refund


def losing(market: LocalMarket) -> LosesAnswers:
    stripe = LosesAnswers(market)
    through(market, stripe)
    return stripe


async def test_a_refund_whose_answer_is_lost_is_made_once(market: LocalMarket) -> None:
    order = await a_sale(market)
    stripe = losing(market)
    answer = expect(PaymentAnswer, await market.refund(refund_of(order)))
    assert (answer.order.refunding, answer.charge.refunding) == (True, True)
    assert len(stripe.keys) > 1
    assert set(stripe.keys) == {f"charge:{answer.charge.id}:refund:1"}
    stripe.loses = False
    await recovered(market)
    await is_given_back(market, order)


async def test_a_refund_whose_idempotency_key_stripe_has_forgotten_is_made_once(market: LocalMarket) -> None:
    order = await a_sale(market)
    stripe = losing(market)
    await market.refund(refund_of(order))
    stripe.loses, stripe.forgets = False, True
    asked = len(stripe.keys)
    await recovered(market)
    assert len(stripe.keys) == asked
    await is_given_back(market, order)


class CapturesNothing(Stripe):
    """Fails whenever it is to take money, without doing it."""

    async def capture(self, intent_id: str, *, amount: int, idempotency_key: str) -> Intent:
        raise ServerFailed(f"{intent_id} {amount} {idempotency_key}")


async def test_a_refund_of_a_sale_that_cannot_be_captured_yet_ends_with_the_ticket_for_sale(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Capture, before=True)
    own = market.payments
    failing = CapturesNothing(market.stripe._client, market.stripe._transport)
    through(market, failing)
    answer = await market.refund(refund_of(order))
    market.payments = own
    for _ in range(3):
        await recovered(market)
    ended = await order_now(market, order)
    assert ended.status is OrderStatus.CANCELLED, answer
    found = await money(market, order)
    assert found["taken"] == found["given back"]
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
