"""Wherever the process of a purchase ends, the Supervisor finishes it, one way or the other, and the money is right."""

import pytest

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge_commands import Authorise, Capture, PaymentCommand
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import Refusal, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, Sell, StartPayment
from actors.domain.ticket_values import OrderStatus, TicketStatus
from tests.support.buying import (
    VISA,
    ActorDiedError,
    Interrupted,
    an_order,
    money,
    order_now,
    pay_until_it_dies,
    purchases,
    recovered,
)
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket
from tests.support.trading import as_it_is, expect

PAID_ONCE = {"succeeded": 1, "taken": 5_000, "given back": 0}
ONCE_STRIPE_WAS_ASKED = [
    pytest.param(Authorise, False, id="after the authorisation"),
    pytest.param(Sell, True, id="before the sale"),
    pytest.param(Sell, False, id="after the sale"),
    pytest.param(Capture, True, id="before the capture"),
    pytest.param(Capture, False, id="after the capture"),
]
BEFORE_ANY_CHARGE = [
    pytest.param(StartPayment, True, id="before its first message"),
    pytest.param(StartPayment, False, id="after its first message"),
    pytest.param(Authorise, True, id="before the authorisation"),
]


@pytest.mark.parametrize(("at", "before"), ONCE_STRIPE_WAS_ASKED)
async def test_a_stalled_purchase_is_finished_by_the_supervisor(market: LocalMarket, at: type, *, before: bool) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, at, before=before)
    await recovered(market)
    assert (await order_now(market, order)).status is OrderStatus.COMPLETE
    assert (await market.connections.queries.charges_of(order.id))[0].status is ChargeStatus.COMPLETED
    assert await money(market, order) == PAID_ONCE


@pytest.mark.parametrize(("at", "before"), ONCE_STRIPE_WAS_ASKED + BEFORE_ANY_CHARGE)
async def test_a_stalled_purchase_can_be_paid_again_by_its_buyer(
    market: LocalMarket, at: type, *, before: bool
) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, at, before=before)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert answer.charge.status is ChargeStatus.COMPLETED
    assert (await order_now(market, order)).status is OrderStatus.COMPLETE
    assert await money(market, order) == PAID_ONCE


@pytest.mark.parametrize(("at", "before"), BEFORE_ANY_CHARGE)
async def test_a_purchase_that_stalled_before_it_had_a_charge_is_left_to_its_buyer(
    market: LocalMarket, at: type, *, before: bool
) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, at, before=before)
    await recovered(market)
    assert (await order_now(market, order)).is_open
    assert await money(market, order) == {"taken": 0, "given back": 0}


async def test_a_capture_without_an_answer_is_repeated_by_the_supervisor(market: LocalMarket) -> None:
    class CaptureUnanswered(Interrupted):
        """PaymentActor does not answer when it is to capture."""

        async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
            return Unavailable() if isinstance(command, Capture) else await market.ask_charge(command)

    order = await an_order(market)
    participants = CaptureUnanswered(market, type(None), before=True)
    answer = expect(PaymentAnswer, await purchases(market, participants).handle(Pay(order.id, VISA)))
    assert (answer.order.status, answer.charge.status) == (OrderStatus.COMPLETE, ChargeStatus.AUTHORISED)
    await recovered(market)
    assert await money(market, order) == PAID_ONCE


async def test_without_the_supervisor_the_money_of_a_sale_is_not_captured_and_reconciliation_finds_it(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Capture, before=True)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.SOLD
    assert await money(market, order) == {"requires_capture": 1, "taken": 0, "given back": 0}


@pytest.mark.parametrize("cancelled", [True, False])
async def test_an_authorisation_is_voided_when_its_order_ended_meanwhile(
    market: LocalMarket, *, cancelled: bool
) -> None:
    order = await an_order(market, window=60_000 if cancelled else 1_500)
    participants = purchases(market, ShortGrace(market, Sell, before=True))
    with pytest.raises(ActorDiedError):
        await participants.handle(Pay(order.id, VISA))
    if cancelled:
        expect(TicketAnswer, await market.ask_ticket(CancelOrder(order.ticket_id, order.id)))
    else:
        await eventually(lambda: market.connections.clock.now() >= order.expires_at)
    await recovered(market)

    async def is_cancelled() -> bool:
        return (await order_now(market, order)).status is OrderStatus.CANCELLED

    await eventually(is_cancelled)
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.AVAILABLE
    assert await money(market, order) == {"canceled": 1, "taken": 0, "given back": 0}


class ShortGrace(Interrupted):
    """Holds are not extended."""

    async def ask_ticket(self, command: object) -> TicketAnswer | Refusal:
        if isinstance(command, StartPayment):
            command = StartPayment(command.ticket_id, command.order_id, grace=0)
        return await super().ask_ticket(command)  # type: ignore[arg-type]


async def test_a_supervisor_that_resumes_a_purchase_twice_captures_once(market: LocalMarket) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Sell, before=False)
    await recovered(market)
    await recovered(market)
    assert await money(market, order) == PAID_ONCE
