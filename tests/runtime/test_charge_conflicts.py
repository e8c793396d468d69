"""Two processes at work on one charge: the journal lets one of them through, and the other says how it stands."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from actors.domain.answers import ChargeAnswer
from actors.domain.charge import charge_id
from actors.domain.charge_commands import Authorise, Capture, OpenCharge, PaymentCommand, ReverseCharge
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.ticket_values import Order
from actors.payments.charge_entity import ChargeEntity
from actors.payments.charge_workflow import ChargeWorkflow
from actors.stripe.client import Stripe
from actors.stripe.resources import Intent
from tests.support.buying import VISA, an_order, money
from tests.support.eventually import eventually
from tests.support.local_market import PAYMENT_PATIENCE, LocalMarket
from tests.support.trading import expect


class Held(Stripe):
    """Stripe's answers to what takes or lets go of money wait in front of a gate; what they tell of is done."""

    def __init__(self, market: LocalMarket) -> None:
        super().__init__(market.stripe._client, market.stripe._transport)
        self.gate = asyncio.Event()
        self.waiting = 0

    async def confirm(self, intent_id: str, *, idempotency_key: str, confirmation_token: str | None = None) -> Intent:
        assert confirmation_token is None
        return await self._later(super().confirm(intent_id, idempotency_key=idempotency_key))

    async def capture(self, intent_id: str, *, amount: int, idempotency_key: str) -> Intent:
        return await self._later(super().capture(intent_id, amount=amount, idempotency_key=idempotency_key))

    async def _later(self, call: Coroutine[Any, Any, Intent]) -> Intent:
        answer = await call
        self.waiting += 1
        await self.gate.wait()
        return answer


class TwoProcesses:
    """The slow one hears from Stripe when the gate is open, the other at once."""

    def __init__(self, market: LocalMarket) -> None:
        self._market = market
        self.held = Held(market)
        other = market._start(ChargeEntity(market.connections.queries), "payments-1")
        self._slow = ChargeWorkflow(other.host, self.held, market.connections.clock)

    async def quick(self, command: PaymentCommand) -> Charge:
        return expect(ChargeAnswer, await self._market.ask_charge(command)).charge

    async def slow_behind(self, command: PaymentCommand, *others: PaymentCommand) -> Charge:
        """What the slow one answers when the other one does all of that meanwhile."""
        deadline = self._market.connections.clock.now() + PAYMENT_PATIENCE
        slow = asyncio.create_task(self._slow.handle(command, deadline))
        await eventually(lambda: self.held.waiting == 1)
        for other in others:
            await self.quick(other)
        self.held.gate.set()
        return expect(ChargeAnswer, await slow).charge


@pytest.fixture
async def processes(market: LocalMarket) -> TwoProcesses:
    return TwoProcesses(market)


def charge_for(order: Order) -> Charge:
    return Charge(
        id=charge_id(order.id, 1),
        order_id=order.id,
        ticket_id=order.ticket_id,
        buyer_id=order.buyer_id,
        attempt=1,
        amount=order.price,
        currency=order.currency,
        payment_method=VISA,
        status=ChargeStatus.CREATED,
        created_at=order.created_at,
        updated_at=order.created_at,
    )


Then = Callable[[str], list[PaymentCommand]]


@pytest.mark.parametrize(
    ("then", "status", "taken"),
    [
        (list, ChargeStatus.AUTHORISED, 0),
        (lambda one: [Capture(one)], ChargeStatus.COMPLETED, 5_000),
        (lambda one: [ReverseCharge(one)], ChargeStatus.VOIDED, 0),
    ],
    ids=["authorised", "captured", "voided"],
)
async def test_a_process_that_loses_the_race_to_authorise_answers_with_the_charge_as_it_stands(
    market: LocalMarket, processes: TwoProcesses, then: Then, status: ChargeStatus, taken: int
) -> None:
    order = await an_order(market)
    charge = charge_for(order)
    commands = [] if then is list else then(charge.id)
    answer = await processes.slow_behind(Authorise(charge), Authorise(charge), *commands)
    assert answer.status is status
    found = await money(market, order)
    assert (found["taken"], found["given back"]) == (taken, 0)
    assert sum(found.values()) == 1 + taken


async def test_a_process_without_the_intent_does_not_void_a_charge_for_which_another_made_one(
    market: LocalMarket, processes: TwoProcesses
) -> None:
    order = await an_order(market)
    charge = charge_for(order)
    await market.ask_host(market.charges, [OpenCharge(charge)])
    answer = await processes.slow_behind(Authorise(charge), ReverseCharge(charge.id))
    assert answer.status is ChargeStatus.AUTHORISED
    assert (await processes.quick(ReverseCharge(charge.id))).status is ChargeStatus.VOIDED
    assert await money(market, order) == {"canceled": 1, "taken": 0, "given back": 0}


async def test_a_process_that_loses_the_race_to_capture_answers_with_the_charge_as_it_stands(
    market: LocalMarket, processes: TwoProcesses
) -> None:
    order = await an_order(market)
    charge = await processes.quick(Authorise(charge_for(order)))
    answer = await processes.slow_behind(Capture(charge.id), Capture(charge.id), ReverseCharge(charge.id))
    assert answer.status is ChargeStatus.REFUNDED
    assert await money(market, order) == {"succeeded": 1, "taken": 5_000, "given back": 5_000}
