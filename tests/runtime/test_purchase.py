"""A purchase through the ticket, the charge and the sandbox, and where the money is afterwards."""

import asyncio

import pytest

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge_commands import Authorise, PaymentCommand
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import NotFound, OrderClosed, Refusal, RequestMismatch, Unavailable, UnknownPaymentMethod
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, CancelSale, Release, TicketCommand
from actors.domain.ticket_values import CancelReason, OrderStatus, TicketStatus
from config.settings import Settings
from tests.support.buying import (
    DECLINED,
    UNKNOWN,
    VISA,
    WANTS_ACTION,
    Interrupted,
    an_order,
    charge_of,
    money,
    order_now,
    purchases,
)
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import as_it_is, expect

PRICE = 5_000
NOTHING = {"taken": 0, "given back": 0}


async def test_a_payment_completes_the_order_and_sells_the_ticket(market: LocalMarket) -> None:
    order = await an_order(market)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert answer.fresh
    assert (answer.order.status, answer.charge.status) == (OrderStatus.COMPLETE, ChargeStatus.COMPLETED)
    assert (answer.charge.amount, answer.order.charge_id) == (PRICE, answer.charge.id)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.SOLD
    assert await money(market, order) == {"succeeded": 1, "taken": PRICE, "given back": 0}


async def test_a_payment_that_was_answered_can_be_read(market: LocalMarket) -> None:
    order = await an_order(market)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert await order_now(market, order) == answer.order
    assert (await market.connections.queries.charges_of(order.id)) == [answer.charge]


async def test_a_declined_payment_cancels_the_order_and_releases_the_ticket(market: LocalMarket) -> None:
    order = await an_order(market)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, DECLINED)))
    assert (answer.order.status, answer.order.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.DECLINED)
    assert (answer.charge.status, answer.charge.failure) == (ChargeStatus.FAILED, "generic_decline")
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
    assert await money(market, order) == {"canceled": 1, **NOTHING}


class AtTheRelease:
    """Counterparts of a purchase to which something happens before its ticket is to be let go of."""

    def __init__(self, market: LocalMarket, happens: TicketCommand | None) -> None:
        self._market = market
        self._happens = happens
        self.ask_charge = market.ask_charge

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        if isinstance(command, Release):
            if self._happens is None:
                return Unavailable()
            await self._market.ask_ticket(self._happens)
        return await self._market.ask_ticket(command)


async def test_decline_after_the_order_ended_does_not_report_an_open_hold(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    cancelled = AtTheRelease(market, CancelOrder(order.ticket_id, order.id))
    answer = expect(PaymentAnswer, await purchases(market, cancelled).handle(Pay(order.id, DECLINED)))
    assert (answer.order.is_open, answer.charge.status) == (False, ChargeStatus.FAILED)


async def test_a_decline_is_not_answered_before_its_ticket_answers(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    silent = AtTheRelease(market, None)
    assert await purchases(market, silent).handle(Pay(order.id, DECLINED)) == Unavailable()
    again = expect(PaymentAnswer, await market.pay(Pay(order.id, DECLINED)))
    assert (again.order.status, again.order.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.DECLINED)


async def test_with_attempts_left_a_declined_payment_can_be_made_again(market_settings: Settings) -> None:
    async with local_market(market_settings.model_copy(update={"payment_attempts": 2})) as market:
        order = await an_order(market)
        declined = expect(PaymentAnswer, await market.pay(Pay(order.id, DECLINED)))
        assert (declined.order.status, declined.order.attempt) == (OrderStatus.CREATED, 2)
        paid = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
        assert (paid.fresh, paid.charge.attempt) == (True, 2)


async def test_an_unknown_payment_method_leaves_the_order_open_to_be_paid(market: LocalMarket) -> None:
    order = await an_order(market)
    assert await market.pay(Pay(order.id, UNKNOWN)) == UnknownPaymentMethod()
    assert (await order_now(market, order)).status is OrderStatus.CREATED
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, VISA))).fresh


async def test_ten_simultaneous_payments_have_one_charge_and_one_is_fresh(market: LocalMarket) -> None:
    order = await an_order(market)
    answers = await asyncio.gather(*(market.pay(Pay(order.id, VISA)) for _ in range(10)))
    payments = [expect(PaymentAnswer, answer) for answer in answers]
    assert sorted(payment.fresh for payment in payments) == [False] * 9 + [True]
    assert {payment.charge.id for payment in payments} == {payments[0].charge.id}
    assert await money(market, order) == {"succeeded": 1, "taken": PRICE, "given back": 0}


async def test_ten_simultaneous_payments_at_different_actors_take_the_money_once(market: LocalMarket) -> None:
    order = await an_order(market)
    actors = [purchases(market, market) for _ in range(10)]
    answers = await asyncio.gather(*(actor.handle(Pay(order.id, VISA)) for actor in actors))
    assert sum(isinstance(answer, PaymentAnswer) and answer.fresh for answer in answers) == 1
    assert await money(market, order) == {"succeeded": 1, "taken": PRICE, "given back": 0}


@pytest.mark.parametrize("payment_method", [VISA, DECLINED])
async def test_paying_again_answers_the_same_charge(market: LocalMarket, payment_method: str) -> None:
    order = await an_order(market)
    first = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    again = expect(PaymentAnswer, await market.pay(Pay(order.id, payment_method)))
    assert (again.charge, again.order, again.fresh) == (first.charge, first.order, False)


async def test_an_order_that_does_not_exist_cannot_be_paid(market: LocalMarket) -> None:
    assert await market.pay(Pay("0" * 24, VISA)) == NotFound()


# Orders that end


async def test_a_payment_after_the_expiry_is_refused_and_takes_nothing(market: LocalMarket) -> None:
    order = await an_order(market, window=200)
    await eventually(lambda: market.connections.clock.now() >= order.expires_at)
    assert await market.pay(Pay(order.id, VISA)) == OrderClosed()
    assert await money(market, order) == NOTHING


async def test_an_order_cancelled_while_it_is_paid_takes_no_money(market: LocalMarket) -> None:
    class CancelledMeanwhile(Interrupted):
        """Its buyer cancels between the authorisation and the sale."""

        async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
            answer = await market.ask_charge(command)
            if isinstance(command, Authorise):
                await market.ask_ticket(CancelOrder(order.ticket_id, order.id))
            return answer

    order = await an_order(market)
    participants = CancelledMeanwhile(market, type(None), before=True)
    assert await purchases(market, participants).handle(Pay(order.id, VISA)) == OrderClosed()
    assert (await order_now(market, order)).cancel_reason is CancelReason.BUYER
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
    assert await money(market, order) == {"canceled": 1, **NOTHING}


async def test_money_captured_for_a_closed_order_is_refunded(market: LocalMarket) -> None:
    order = await an_order(market)
    await market.pay(Pay(order.id, VISA))
    await market.ask_ticket(CancelSale(order.ticket_id, order.id, CancelReason.REFUNDED))
    assert await market.pay(Pay(order.id, VISA)) == OrderClosed()
    assert await money(market, order) == {"succeeded": 1, "taken": PRICE, "given back": PRICE}
    charge = await charge_of(market, order)
    assert charge.status is ChargeStatus.REFUNDED


# Cards that want their owner


async def test_a_card_that_needs_3d_secure_answers_with_a_client_secret_and_keeps_the_hold(market: LocalMarket) -> None:
    order = await an_order(market)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION)))
    assert answer.client_secret
    assert (answer.charge.status, answer.charge.action_required) == (ChargeStatus.CREATED, True)
    assert (await order_now(market, order)).status is OrderStatus.AWAITING_PAYMENT


async def test_paying_again_while_3d_secure_is_pending_answers_the_same(market: LocalMarket) -> None:
    order = await an_order(market)
    first = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION)))
    again = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION)))
    assert (again.client_secret, again.charge.id) == (first.client_secret, first.charge.id)


# Requests with a key


async def test_an_idempotency_key_that_paid_another_order_is_refused(market: LocalMarket) -> None:
    one, other = await an_order(market), await an_order(market)
    expect(PaymentAnswer, await market.pay(Pay(one.id, VISA, "key")))
    assert await market.pay(Pay(other.id, VISA, "key")) == RequestMismatch()
    assert await money(market, other) == NOTHING


async def test_an_idempotency_key_with_another_payment_method_is_refused(market: LocalMarket) -> None:
    order = await an_order(market)
    expect(PaymentAnswer, await market.pay(Pay(order.id, VISA, "key")))
    assert await market.pay(Pay(order.id, "pm_card_amex", "key")) == RequestMismatch()


async def test_a_repeated_idempotency_key_answers_the_same(market: LocalMarket) -> None:
    order = await an_order(market)
    first = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA, "key")))
    again = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA, "key")))
    assert (again.charge, again.fresh) == (first.charge, False)


async def test_another_idempotency_key_answers_the_state_of_an_unfinished_payment(market: LocalMarket) -> None:
    order = await an_order(market)
    first = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION, "key")))
    again = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION, "another key")))
    assert again.charge.id == first.charge.id
