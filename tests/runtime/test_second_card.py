"""Another card for an order that is being paid already: what is tried, and what its buyer hears."""

import asyncio

import pytest

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge import charge_id
from actors.domain.charge_commands import Authorise, Capture, OpenCharge, PaymentCommand, ReadCharge
from actors.domain.charge_values import ChargeStatus
from actors.domain.purchase_commands import Pay, ResumePurchase
from actors.domain.refusals import (
    AttemptOver,
    NoPaymentMethod,
    OrderClosed,
    PaymentInProgress,
    Refusal,
    UnknownPaymentMethod,
)
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ReadOrder, Release, Sell, TicketCommand
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from config.settings import Settings
from tests.support.buying import (
    DECLINED,
    UNKNOWN,
    VISA,
    WANTS_ACTION,
    ActorDiedError,
    Interrupted,
    a_charge,
    an_order,
    confirmed_in_a_browser,
    money,
    order_now,
    pay_until_it_dies,
    purchases,
    recovered,
)
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import expect

AMEX = "pm_card_amex"
ANOTHER_THAT_WANTS_ACTION = "pm_card_threeDSecure2Required"
PRICE = 5_000
NOTHING = {"taken": 0, "given back": 0}
SECOND_PAID = {"canceled": 1, "succeeded": 1, "taken": PRICE, "given back": 0}


async def asked_by_the_bank(market: LocalMarket) -> tuple[Order, str]:
    """An order about whose card the bank asks, and the client secret that its buyer's browser has."""
    order = await an_order(market)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION)))
    assert answer.client_secret is not None
    return order, answer.client_secret


async def proves_who_they_are(market: LocalMarket, secret: str) -> None:
    assert market.account.sandbox is not None
    await market.account.sandbox.authenticate(secret, succeeds=True)


async def test_a_second_card_is_tried_while_the_bank_asks_about_the_first(market: LocalMarket) -> None:
    order, secret = await asked_by_the_bank(market)
    paid = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert (paid.fresh, paid.order.status) == (True, OrderStatus.COMPLETE)
    assert (paid.charge.payment_method, paid.charge.attempt) == (VISA, 2)
    assert await money(market, order) == SECOND_PAID
    first, second = await market.connections.queries.charges_of(order.id)
    assert (first.status, second.status) == (ChargeStatus.VOIDED, ChargeStatus.COMPLETED)
    assert await confirmed_in_a_browser(market, secret) == 400


async def test_an_abandoned_attempt_does_not_count_and_a_declined_second_card_cancels_the_order(
    market: LocalMarket,
) -> None:
    order, _ = await asked_by_the_bank(market)
    second = expect(PaymentAnswer, await market.pay(Pay(order.id, ANOTHER_THAT_WANTS_ACTION)))
    declined = expect(PaymentAnswer, await market.pay(Pay(order.id, DECLINED)))
    assert second.order.is_open
    assert (declined.order.status, declined.order.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.DECLINED)
    assert declined.order.counted_attempts == 1
    assert await money(market, order) == {"canceled": 3, **NOTHING}


async def test_the_same_card_again_while_the_bank_asks_goes_on_with_it(market: LocalMarket) -> None:
    order, secret = await asked_by_the_bank(market)
    again = expect(PaymentAnswer, await market.pay(Pay(order.id, WANTS_ACTION)))
    without = expect(PaymentAnswer, await market.pay(Pay(order.id, None)))
    assert (again.client_secret, without.client_secret) == (secret, secret)
    assert len(await market.connections.queries.charges_of(order.id)) == 1


async def test_without_a_card_an_order_that_the_bank_answered_is_paid(market: LocalMarket) -> None:
    order, secret = await asked_by_the_bank(market)
    await proves_who_they_are(market, secret)
    paid = expect(PaymentAnswer, await market.pay(Pay(order.id, None)))
    assert (paid.fresh, paid.charge.status) == (True, ChargeStatus.COMPLETED)
    again = expect(PaymentAnswer, await market.pay(Pay(order.id, None)))
    assert (again.fresh, again.charge) == (False, paid.charge)


async def test_a_payment_without_a_card_completes_an_order_whose_actor_died_between_approval_and_sale(
    market: LocalMarket,
) -> None:
    order, secret = await asked_by_the_bank(market)
    await proves_who_they_are(market, secret)
    with pytest.raises(ActorDiedError):
        await purchases(market, Interrupted(market, Sell, before=True)).handle(Pay(order.id, None))
    assert await money(market, order) == {"requires_capture": 1, **NOTHING}
    paid = expect(PaymentAnswer, await market.pay(Pay(order.id, None)))
    assert (paid.fresh, paid.order.status, paid.charge.status) == (True, OrderStatus.COMPLETE, ChargeStatus.COMPLETED)


async def test_without_a_card_an_order_that_no_bank_asks_about_is_left_alone(market: LocalMarket) -> None:
    order = await an_order(market)
    assert await market.pay(Pay(order.id, None)) == NoPaymentMethod()
    assert (await order_now(market, order)).status is OrderStatus.CREATED


async def test_the_first_card_pays_when_the_bank_approved_it_meanwhile(
    market: LocalMarket,
) -> None:
    order, secret = await asked_by_the_bank(market)
    await proves_who_they_are(market, secret)
    answer = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
    assert (answer.fresh, answer.charge.payment_method) == (False, WANTS_ACTION)
    assert await money(market, order) == {"succeeded": 1, "taken": PRICE, "given back": 0}


async def test_the_order_ends_when_the_bank_declined_meanwhile_and_no_decline_of_the_second_card_is_reported(
    market: LocalMarket,
) -> None:
    order, secret = await asked_by_the_bank(market)
    assert market.account.sandbox is not None
    await market.account.sandbox.authenticate(secret, succeeds=False)
    assert await market.pay(Pay(order.id, VISA)) == OrderClosed()
    assert await money(market, order) == {"canceled": 1, **NOTHING}


async def test_the_second_card_is_tried_when_the_bank_declined_and_attempts_are_left(market_settings: Settings) -> None:
    async with local_market(market_settings.model_copy(update={"payment_attempts": 2})) as market:
        order, secret = await asked_by_the_bank(market)
        assert market.account.sandbox is not None
        await market.account.sandbox.authenticate(secret, succeeds=False)
        paid = expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
        assert (paid.fresh, paid.charge.payment_method, paid.order.counted_attempts) == (True, VISA, 2)


class Waits(Interrupted):
    """Counterparts of an actor whose charge answers one message only when a test wants it to."""

    def __init__(self, market: LocalMarket, to: type = Authorise) -> None:
        super().__init__(market, type(None), before=True)
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()
        self._to = to

    async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
        if isinstance(command, self._to):
            self.asked.set()
            await self.goes_on.wait()
        return await super().ask_charge(command)


async def test_another_card_is_refused_while_the_answer_to_the_first_is_on_its_way(market: LocalMarket) -> None:
    order = await an_order(market)
    participants = Waits(market)
    actor = purchases(market, participants)
    first = asyncio.create_task(actor.handle(Pay(order.id, VISA)))
    await participants.asked.wait()
    assert await actor.handle(Pay(order.id, AMEX)) == PaymentInProgress()
    participants.goes_on.set()
    assert expect(PaymentAnswer, await first).fresh
    assert await money(market, order) == {"succeeded": 1, "taken": PRICE, "given back": 0}


async def test_a_payment_that_is_redelivered_waits_for_another_card_and_hears_that_it_paid(market: LocalMarket) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Capture, before=True)
    participants = Waits(market, ReadCharge)
    actor = purchases(market, participants)
    other = asyncio.create_task(actor.handle(Pay(order.id, AMEX)))
    await participants.asked.wait()
    repeated = asyncio.create_task(actor.handle(Pay(order.id, VISA), redelivered=True))
    await asyncio.sleep(0)
    participants.goes_on.set()
    for answer in (await repeated, await other):
        charge = expect(PaymentAnswer, answer).charge
        assert (charge.status, charge.payment_method) == (ChargeStatus.COMPLETED, VISA)


async def test_another_card_is_refused_while_another_process_does_not_know_what_became_of_the_first(
    market: LocalMarket,
) -> None:
    class NoAnswer(Interrupted):
        """An actor that does not hear what became of the first card."""

        async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
            if isinstance(command, Authorise):
                return await market.ask_charge(ReadCharge(command.charge.id))
            return await super().ask_charge(command)

    order = await an_order(market)
    await pay_until_it_dies(market, order, Authorise, before=True)
    await market.ask_host(market.charges, [OpenCharge(a_charge(market, order))])
    participants = NoAnswer(market, type(None), before=True)
    assert await purchases(market, participants).handle(Pay(order.id, AMEX)) == PaymentInProgress()


# A late yes


class AboutToSell(Interrupted):
    """Counterparts of an actor that waits before it sells."""

    def __init__(self, market: LocalMarket) -> None:
        super().__init__(market, type(None), before=True)
        self.reached, self.goes_on = asyncio.Event(), asyncio.Event()

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        if isinstance(command, Sell):
            self.reached.set()
            await self.goes_on.wait()
        return await super().ask_ticket(command)


async def late_yes(market: LocalMarket) -> tuple[Order, object]:
    """What an actor hears that sells with the first card after another actor abandoned it and paid with the second."""

    class BankSaysYes(Interrupted):
        """The bank says yes, and an actor hears it, in the moment in which this actor abandons the first card."""

        async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
            if isinstance(command, Release):
                await proves_who_they_are(market, secret)
                sales.append(asyncio.create_task(purchases(market, seller).handle(ResumePurchase(order.id))))
                await seller.reached.wait()
            return await super().ask_ticket(command)

    order, secret = await asked_by_the_bank(market)
    seller, sales = AboutToSell(market), list[asyncio.Task[object]]()
    await purchases(market, BankSaysYes(market, type(None), before=True)).handle(Pay(order.id, VISA))
    seller.goes_on.set()
    return order, await sales[0]


async def test_a_late_approval_of_an_abandoned_attempt_sells_nothing_and_is_voided(market: LocalMarket) -> None:
    order, heard = await late_yes(market)
    assert heard in (AttemptOver(), OrderClosed())
    assert await money(market, order) == SECOND_PAID
    assert (await order_now(market, order)).charge_id == charge_id(order.id, 2)


async def test_a_late_approval_before_the_second_card_is_answered_sells_nothing(market: LocalMarket) -> None:
    order, _ = await asked_by_the_bank(market)
    await market.pay(Pay(order.id, ANOTHER_THAT_WANTS_ACTION))
    late = Sell(order.ticket_id, order.id, charge_id(order.id, 1), PRICE, attempt=1)
    assert await market.ask_ticket(late) == AttemptOver()


async def test_an_actor_that_dies_after_it_abandoned_a_card_leaves_the_order_open_and_no_money(
    market: LocalMarket,
) -> None:
    order, _ = await asked_by_the_bank(market)
    await pay_until_it_dies(market, order, Release, before=False)
    assert await money(market, order) == {"requires_action": 1, **NOTHING}
    await recovered(market)
    assert await money(market, order) == {"canceled": 1, **NOTHING}
    assert (await order_now(market, order)).status is OrderStatus.CREATED
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, VISA))).fresh


# Payment methods that nobody has


@pytest.mark.parametrize("times", [1, 3])
async def test_an_unknown_payment_method_does_not_count_as_an_attempt(market: LocalMarket, times: int) -> None:
    order = await an_order(market)
    for _ in range(times):
        assert await market.pay(Pay(order.id, UNKNOWN)) == UnknownPaymentMethod()
    now = await order_now(market, order)
    assert (now.status, now.attempt, now.counted_attempts) == (OrderStatus.CREATED, times + 1, 1)
    assert expect(PaymentAnswer, await market.pay(Pay(order.id, VISA))).fresh


async def test_with_two_attempts_unknown_payment_methods_leave_both(market_settings: Settings) -> None:
    async with local_market(market_settings.model_copy(update={"payment_attempts": 2})) as market:
        order = await an_order(market)
        for _ in range(3):
            assert await market.pay(Pay(order.id, UNKNOWN)) == UnknownPaymentMethod()
        declined = expect(PaymentAnswer, await market.pay(Pay(order.id, DECLINED)))
        assert declined.order.status is OrderStatus.CREATED
        again = expect(PaymentAnswer, await market.pay(Pay(order.id, DECLINED)))
        assert again.order.cancel_reason is CancelReason.DECLINED


# Purchases that are resumed


async def test_an_order_that_is_open_again_is_not_marked_as_being_paid_when_an_old_document_is_resumed(
    market_settings: Settings,
) -> None:
    async with local_market(market_settings.model_copy(update={"payment_attempts": 2})) as market:
        order = await an_order(market)
        await pay_until_it_dies(market, order, Authorise, before=True)
        await market.pay(Pay(order.id, DECLINED))
        old = {"$set": {"status": "awaiting:payment", "attempt": 1, "version": 2}}
        await market.connections.database["orders"].update_one({"_id": order.id}, old)
        await market.resume(ResumePurchase(order.id))
        answer = expect(TicketAnswer, await market.ask_ticket(ReadOrder(order.ticket_id, order.id)))
        assert answer.order is not None
        assert (answer.order.status, answer.order.attempt) == (OrderStatus.CREATED, 2)
