"""A slow Stripe holds up nobody but those who pay."""

import asyncio
import time
from collections.abc import Mapping
from statistics import median

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge_commands import Authorise, PaymentCommand, ReadCharge
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.instants import Instant
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import Refusal
from actors.payments.charge_workflow import ChargeWorkflow
from actors.stripe.client import Stripe
from actors.stripe.resources import Intent
from tests.support.buying import VISA, a_charge, an_order, through
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, expect, listed


class Slow(Stripe):
    """Takes a second to answer a call."""

    def __init__(self, market: LocalMarket) -> None:
        super().__init__(market.stripe._client, market.stripe._transport)

    async def create_intent(
        self, *, amount: int, currency: str, payment_method: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> Intent:
        await asyncio.sleep(1)
        return await super().create_intent(
            amount=amount,
            currency=currency,
            payment_method=payment_method,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )

    async def confirm(self, intent_id: str, *, idempotency_key: str, confirmation_token: str | None = None) -> Intent:
        assert confirmation_token is None
        await asyncio.sleep(1)
        return await super().confirm(intent_id, idempotency_key=idempotency_key)

    async def capture(self, intent_id: str, *, amount: int, idempotency_key: str) -> Intent:
        await asyncio.sleep(1)
        return await super().capture(intent_id, amount=amount, idempotency_key=idempotency_key)


class OneAtATime(ChargeWorkflow):
    """A mailbox whose turns wait for Stripe."""

    def __init__(self, market: LocalMarket, stripe: Stripe) -> None:
        super().__init__(market.charges.host, stripe, market.connections.clock)
        self._turn = asyncio.Lock()

    async def handle(self, command: PaymentCommand, deadline: Instant) -> ChargeAnswer | Refusal:
        async with self._turn:
            return await super().handle(command, deadline)


async def reading_while_others_pay(market: LocalMarket, how_many: int) -> tuple[float, float]:
    """How long so many payments at once took, and how long a read of another charge took meanwhile, in seconds.

    The read is the median: the answers of a hundred payments keep this one process busy, and the sandbox is in it.
    """
    charge = expect(ChargeAnswer, await market.ask_charge(Authorise(await a_new_charge(market)))).charge
    holds = [a_hold(ticket_id) for ticket_id in await listed(market, how_many)]
    await market.ask_host(market.tickets, holds)
    began, reads = time.monotonic(), list[float]()
    payments = asyncio.gather(*(market.pay(Pay(hold.order_id, VISA)) for hold in holds))
    while not payments.done():
        await asyncio.wait([payments], timeout=0.05)
        asked = time.monotonic()
        assert expect(ChargeAnswer, await market.ask_charge(ReadCharge(charge.id))).charge == charge
        reads.append(time.monotonic() - asked)
    took = time.monotonic() - began
    assert {expect(PaymentAnswer, answer).charge.status for answer in await payments} == {ChargeStatus.COMPLETED}
    return took, median(reads)


async def a_new_charge(market: LocalMarket) -> Charge:
    order = await an_order(market)
    return a_charge(market, order)


async def test_a_slow_stripe_makes_no_payment_wait_for_another(market: LocalMarket) -> None:
    through(market, Slow(market))
    took, read = await reading_while_others_pay(market, 100)
    assert took < 15
    assert read < 0.5


async def test_with_a_mailbox_that_waits_for_stripe_every_payment_waits_and_the_check_finds_it(
    market: LocalMarket,
) -> None:
    market.payments = OneAtATime(market, Slow(market))
    took, read = await reading_while_others_pay(market, 3)
    assert took > 8
    assert read > 0.5
