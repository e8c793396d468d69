"""Payments against the end of their orders in the same moment: one of the two wins, and the money follows it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import pytest

from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge_commands import PaymentCommand, ReverseCharge
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import OrderComplete, Refusal, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, Reserve
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from actors.payments.participants import Outcome
from actors.stripe.sandbox.payment_intent import PaymentIntent
from config.settings import Settings
from tests.support.buying import VISA, Interrupted, all_intents, purchases, recovered
from tests.support.eventually import eventually
from tests.support.examples import WINDOW
from tests.support.journal_checks import held_twice, sold_too_late
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import a_hold, expect, listed

PRICE = 5_000
AT_ONCE = 50
ROUNDS = 4

pytestmark = pytest.mark.slow


async def holds(market: LocalMarket, windows: Sequence[int]) -> list[Reserve]:
    """New tickets, each held for its window in ms."""
    tickets = await listed(market, len(windows))
    wanted = [a_hold(ticket_id, window=window) for ticket_id, window in zip(tickets, windows, strict=True)]
    for answer in await market.ask_host(market.tickets, wanted):
        expect(TicketAnswer, answer)
    return wanted


async def pay_all(market: LocalMarket, held: Sequence[Reserve]) -> list[Outcome]:
    return list(await asyncio.gather(*(market.pay(Pay(hold.order_id, VISA)) for hold in held)))


async def duration(market: LocalMarket) -> int:
    """How long so many payments at once take here, in ms."""
    held = await holds(market, [WINDOW] * AT_ONCE)
    began = time.monotonic()
    for answer in await pay_all(market, held):
        expect(PaymentAnswer, answer)
    return int((time.monotonic() - began) * 1_000)


def spread(whole: int) -> list[int]:
    """Moments before, during and after something that takes this long."""
    return [1 + whole * place * 5 // (4 * AT_ONCE) for place in range(AT_ONCE)]


async def orders_of(market: LocalMarket, held: Sequence[Reserve]) -> dict[str, Order]:
    return await market.connections.queries.orders([hold.order_id for hold in held])


async def is_quiet(market: LocalMarket, held: Sequence[Reserve]) -> bool:
    orders = await orders_of(market, held)
    charges = await market.connections.queries.charges_by_order(list(orders))
    return not any(order.is_open or order.has_pending_money for order in orders.values()) and not any(
        charge.is_open for attempts in charges.values() for charge in attempts
    )


async def settled_down(market: LocalMarket, held: Sequence[Reserve]) -> None:
    """Returns once the supervisor has nothing left to do. Raises TimeoutError."""

    async def has_nothing_left() -> bool:
        await recovered(market)
        return await is_quiet(market, held)

    await eventually(has_nothing_left, seconds=30)


async def wrong(market: LocalMarket, held: Sequence[Reserve]) -> dict[str, str]:
    """What is not right about each order that is neither sold and paid nor over and paid back."""
    intents: dict[str, list[PaymentIntent]] = defaultdict(list)
    for intent in await all_intents(market):
        intents[intent.metadata["orderId"]].append(intent)
    orders = await orders_of(market, held)
    charges = await market.connections.queries.charges_by_order(list(orders))
    found = {
        order.id: _sale(intents[order.id], charges[order.id])
        if order.status is OrderStatus.COMPLETE
        else _end(order, intents[order.id])
        for order in orders.values()
    }
    return {order_id: fault for order_id, fault in found.items() if fault}


def _sale(intents: Sequence[PaymentIntent], charges: Sequence[Charge]) -> str:
    if [charge.status for charge in charges] != [ChargeStatus.COMPLETED]:
        return f"sold, and its charges are {[charge.status.value for charge in charges]}"
    taken = [(intent.status, intent.amount_received, len(intent.refunds)) for intent in intents]
    return "" if taken == [("succeeded", PRICE, 0)] else f"sold, and Stripe has {taken}"


def _end(order: Order, intents: Sequence[PaymentIntent]) -> str:
    if order.status is not OrderStatus.CANCELLED:
        return f"still {order.status.value}"
    if any(intent.status == "requires_capture" for intent in intents):
        return "over, and money is set aside"
    taken = sum(intent.amount_received for intent in intents)
    back = sum(refund.amount for intent in intents for refund in intent.refunds)
    return "" if taken == back else f"over, and {taken - back} cents are kept"


async def test_exactly_one_of_a_payment_and_an_expiry_in_the_same_moment_wins(market_settings: Settings) -> None:
    async with local_market(market_settings.model_copy(update={"payment_grace_seconds": 0})) as market:
        windows = spread(await duration(market))
        everything: list[Reserve] = []
        for _ in range(ROUNDS):
            held = await holds(market, windows)
            end = market.connections.clock.now() + max(windows)
            answers = await pay_all(market, held)
            await eventually(lambda end=end: market.connections.clock.now() > end)  # type: ignore[misc]
            everything += held
            await settled_down(market, held)
            orders = await orders_of(market, held)
            for hold, answer in zip(held, answers, strict=True):
                if isinstance(answer, PaymentAnswer) and answer.order.status is OrderStatus.COMPLETE:
                    assert orders[hold.order_id].status is OrderStatus.COMPLETE, "what was told stays true"
        assert await wrong(market, everything) == {}
        assert not await sold_too_late(market.connections.database)
        assert not await held_twice(market.connections.database)
        ended = [order.cancel_reason for order in (await orders_of(market, everything)).values()]
        assert len(ended) == AT_ONCE * ROUNDS
        assert set(ended) == {None, CancelReason.EXPIRED}


async def cancel_after(market: LocalMarket, hold: Reserve, milliseconds: int) -> TicketAnswer | Refusal:
    await asyncio.sleep(milliseconds / 1_000)
    return await market.ask_ticket(CancelOrder(hold.ticket_id, hold.order_id))


async def test_exactly_one_of_a_payment_and_a_cancellation_in_the_same_moment_wins(market: LocalMarket) -> None:
    moments = spread(await duration(market))
    everything: list[Reserve] = []
    for _ in range(ROUNDS):
        held = await holds(market, [WINDOW] * AT_ONCE)
        cancellations = asyncio.gather(
            *(cancel_after(market, hold, moment) for hold, moment in zip(held, moments, strict=True))
        )
        answers, cancelled = await asyncio.gather(pay_all(market, held), cancellations)
        everything += held
        await settled_down(market, held)
        orders = await orders_of(market, held)
        for hold, paid, ended in zip(held, answers, cancelled, strict=True):
            order = orders[hold.order_id]
            if isinstance(ended, TicketAnswer):
                assert (order.status, order.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.BUYER)
                assert not (isinstance(paid, PaymentAnswer) and paid.order.status is OrderStatus.COMPLETE)
            else:
                assert (ended, order.status) == (OrderComplete(), OrderStatus.COMPLETE)
    assert await wrong(market, everything) == {}
    assert not await held_twice(market.connections.database)
    statuses = [order.status for order in (await orders_of(market, everything)).values()]
    assert len(statuses) == AT_ONCE * ROUNDS
    assert set(statuses) == {OrderStatus.COMPLETE, OrderStatus.CANCELLED}


class NeverSettles(Interrupted):
    """Money that is not to be kept stays where it is."""

    async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
        return Unavailable() if isinstance(command, ReverseCharge) else await super().ask_charge(command)


@pytest.mark.parametrize("settles", [True, False])
async def test_without_voiding_the_money_stays_held_and_reconciliation_finds_it(
    market: LocalMarket, *, settles: bool
) -> None:
    moments = spread(await duration(market))
    held = await holds(market, [WINDOW] * AT_ONCE)
    participants = market if settles else NeverSettles(market, type(None), before=True)
    market.purchases = purchases(market, participants)
    await asyncio.gather(
        pay_all(market, held),
        *(cancel_after(market, hold, moment) for hold, moment in zip(held, moments, strict=True)),
    )
    if settles:
        await settled_down(market, held)
    faults = set((await wrong(market, held)).values())
    assert faults == (set() if settles else {"over, and money is set aside"})
