"""The ledger check on the real market, and what it finds when one of the protections of payments is off."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_commands import Capture
from actors.domain.charge_values import Charge
from actors.domain.fees import fee_of
from actors.domain.purchase_commands import Pay, ResumePurchase
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import CancelOrder, Sell, TicketCommand
from actors.domain.ticket_events import OrderCompleted
from actors.domain.ticket_values import Order
from actors.payments.participants import Outcome, Participants
from actors.payments.purchase import PurchaseSaga
from actors.payments.purchase_runner import PurchaseRunner
from actors.payments.reconciliation import ReconciliationReport
from actors.runtime.entity import EntityDecision
from actors.storage import ledger_reader, stripe_lists
from actors.storage.ledger_reader import reconcile
from actors.stripe.client import Stripe
from actors.stripe.errors import OutcomeUnknown
from actors.stripe.resources import Intent
from actors.tickets.entity import TicketEntity
from config.settings import Settings
from tests.support.buying import DECLINED, VISA, ActorDiedError, Interrupted, an_order, recovered, through
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import expect


async def violated(market: LocalMarket) -> set[str]:
    return {violation.rule for violation in (await report_of(market)).violations}


async def report_of(market: LocalMarket, *, margin: int = -60_000) -> ReconciliationReport:
    """What the check says; with this margin also of what happened just now."""
    own = market.connections
    return await reconcile(own.database, market.stripe, own.clock, pause_seconds=0, margin=margin)


def purchases_of(market: LocalMarket, kind: type[PurchaseSaga], participants: Participants) -> PurchaseRunner:
    return market.purchase_runner(participants, saga=kind, grace_ms=0, max_attempts=1)


async def test_reconciliation_finds_nothing_in_a_market_that_sold_declined_and_refunded(market: LocalMarket) -> None:
    for method in (VISA, VISA, DECLINED):
        expect(PaymentAnswer, await market.pay(Pay((await an_order(market)).id, method)))
    assert await violated(market) == set()


# Idempotency keys


class LosesTheFirstAnswer(Stripe):
    """Makes every intent, and does not tell of the first."""

    lost = False
    keeps_keys = True

    async def create_intent(
        self, *, amount: int, currency: str, payment_method: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> Intent:
        intent = await super().create_intent(
            amount=amount,
            currency=currency,
            payment_method=payment_method,
            metadata=metadata,
            idempotency_key=idempotency_key if self.keeps_keys else secrets.token_hex(),
        )
        if not self.lost:
            self.lost = True
            raise OutcomeUnknown
        return intent


@pytest.mark.parametrize("keeps_keys", [True, False])
async def test_without_idempotency_keys_a_charge_has_two_payments_and_reconciliation_finds_it(
    market: LocalMarket, *, keeps_keys: bool
) -> None:
    stripe = LosesTheFirstAnswer(market.stripe._client, market.stripe._transport)
    stripe.keeps_keys = keeps_keys
    through(market, stripe)
    expect(PaymentAnswer, await market.pay(Pay((await an_order(market)).id, VISA)))
    assert stripe.lost
    assert await violated(market) == (set() if keeps_keys else {"a charge has one payment at Stripe"})


# Capture only after the sale is in the journal


class CapturesBeforeTheSale(PurchaseSaga):
    async def _sell(self, order: Order, charge: Charge) -> Outcome:
        await self._participants.ask_charge(Capture(charge.id))
        return await super()._sell(order, charge)


@pytest.mark.parametrize("kind", [PurchaseSaga, CapturesBeforeTheSale])
async def test_money_captured_before_the_sale_is_kept_without_one_and_reconciliation_finds_it(
    market: LocalMarket, kind: type[PurchaseSaga]
) -> None:
    order = await an_order(market)
    with pytest.raises(ActorDiedError):
        await purchases_of(market, kind, Interrupted(market, Sell, before=True)).handle(Pay(order.id, VISA))
    await market.ask_ticket(CancelOrder(order.ticket_id, order.id))
    await recovered(market)
    expected = {"an order that is over keeps no money", "captured less refunded is what was sold"}
    assert await violated(market) == (set() if kind is PurchaseSaga else expected)


# Void only after the end of the order is in the journal


class VoidsWithoutAskingTheTicket(PurchaseSaga):
    async def resume(self, order: Order, *, reconcile: bool) -> Outcome:
        await self._refunds.reverse(order)
        return await super().resume(order, reconcile=reconcile)


@pytest.mark.parametrize("kind", [PurchaseSaga, VoidsWithoutAskingTheTicket])
async def test_money_voided_before_the_end_sells_a_ticket_for_nothing_and_reconciliation_finds_it(
    market: LocalMarket, kind: type[PurchaseSaga]
) -> None:
    order = await an_order(market)
    dies_after_the_sale = Interrupted(market, Capture, before=True)
    with pytest.raises(ActorDiedError):
        await purchases_of(market, PurchaseSaga, dies_after_the_sale).handle(Pay(order.id, VISA))
    await market.writes_everything()
    await purchases_of(market, kind, market).handle(ResumePurchase(order.id))
    await recovered(market)
    rules = await violated(market)
    assert ("a completed order has a completed charge" in rules) == (kind is not PurchaseSaga)
    assert bool(rules) == (kind is not PurchaseSaga)


# A market that goes on while it is checked


async def test_reconciliation_compares_the_sums_while_other_orders_are_in_progress(market: LocalMarket) -> None:
    await market.pay(Pay((await an_order(market)).id, VISA))
    await an_order(market)
    report = await report_of(market)
    assert (report.in_progress, dict(report.captured), dict(report.sold)) == (1, {"usd": 5_000}, {"usd": 5_000})
    assert not report.violations


async def test_reconciliation_finds_money_without_a_sale_while_other_orders_are_in_progress(
    market: LocalMarket,
) -> None:
    order = await an_order(market)
    dies = Interrupted(market, Sell, before=True)
    with pytest.raises(ActorDiedError):
        await purchases_of(market, CapturesBeforeTheSale, dies).handle(Pay(order.id, VISA))
    await market.ask_ticket(CancelOrder(order.ticket_id, order.id))
    await recovered(market)
    await an_order(market)
    report = await report_of(market)
    assert report.in_progress == 1
    assert "captured less refunded is what was sold" in {violation.rule for violation in report.violations}


async def test_changes_during_a_reconciliation_count_as_in_progress(market: LocalMarket) -> None:
    await market.pay(Pay((await an_order(market)).id, VISA))
    report = await report_of(market, margin=60_000)
    assert (report.in_progress, dict(report.sold), report.violations) == (1, {}, set())


async def test_every_reconciliation_finds_a_payment_without_a_charge(market: LocalMarket) -> None:
    order = await an_order(market)
    made = await market.stripe.create_intent(
        amount=5_000,
        currency="usd",
        payment_method=VISA,
        metadata={"orderId": order.id, "chargeId": "9" * 24},
        idempotency_key="x",
    )
    await market.stripe.confirm(made.id, idempotency_key="y")
    report = await report_of(market)
    assert {(each.rule, each.id) for each in report.violations} == {("every payment at Stripe has its charge", made.id)}


@pytest.mark.parametrize("page", [1, 2])
async def test_reconciliation_reads_orders_page_by_page(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(ledger_reader, "PAGE", page)
    monkeypatch.setattr(stripe_lists, "PAGE", page)
    for method in (VISA, DECLINED, VISA):
        await market.pay(Pay((await an_order(market)).id, method))
    report = await report_of(market)
    assert (report.orders, report.charges, report.intents, report.completed) == (3, 3, 3, 2)
    assert (dict(report.sold), report.violations) == ({"usd": 10_000}, set())


# Fees


class TakesTheFeeOfTheSale(TicketEntity):
    """Computes the fee once more when the ticket is sold."""

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: int) -> EntityDecision[Ticket]:
        decided = super().decide(ticket, command, now)
        events = [
            OrderCompleted(replace(event.order, fee=fee_of(event.order.price, 1_000)))
            if isinstance(event, OrderCompleted)
            else event
            for event in decided.events
        ]
        return replace(decided, events=tuple(events))


@pytest.mark.parametrize("is_frozen", [True, False])
async def test_a_changed_fee_is_that_of_the_hold_or_reconciliation_finds_it(
    market_settings: Settings, *, is_frozen: bool
) -> None:
    async with local_market(market_settings.model_copy(update={"fee_percent": Decimal("8.5")})) as market:
        order = await an_order(market)
        market.settings = market.settings.model_copy(update={"fee_percent": Decimal(10)})
        await market.tickets.kill()
        if is_frozen:
            market.tickets = market.start_tickets()
        else:
            market.tickets = market._start(TakesTheFeeOfTheSale(market.connections.queries), "tickets-0")
        expect(PaymentAnswer, await market.pay(Pay(order.id, VISA)))
        report = await report_of(market)
        rules = {violation.rule for violation in report.violations}
        assert order.fee == fee_of(order.price, 850)
        assert rules == (set() if is_frozen else {"a fee stays what it was when the ticket was held"})
        assert report.fees["usd"] == fee_of(order.price, 850 if is_frozen else 1_000)
