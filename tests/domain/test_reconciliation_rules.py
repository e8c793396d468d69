"""The ledger check finds what is wrong with ledgers, and nothing in those that are right."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from actors.payments.reconciliation import STUCK_AFTER_MS, Ledgers, check
from actors.stripe.resources import Dispute, Intent, Refund

NOW = 1_700_000_000_000
PRICE = 5_000
ORDER = Order(
    "o1", "t1", "seller", "buyer", "Hamlet", PRICE, "usd", OrderStatus.COMPLETE, NOW, NOW, NOW, charge_id="c1"
)
CHARGE = Charge(
    "c1", "o1", "t1", "buyer", 1, PRICE, "usd", "pm_card_visa", ChargeStatus.COMPLETED, NOW, NOW, stripe_id="pi_1"
)
INTENT = Intent("pi_1", "succeeded", PRICE, PRICE, "usd", metadata={"chargeId": "c1", "orderId": "o1"})
TOO_LITTLE = replace(INTENT, amount_received=PRICE - 1)
HELD = replace(INTENT, status="requires_capture", amount_received=0)
REFUND = Refund("re_1", "succeeded", PRICE, "usd", "pi_1")
FAILED_REFUND = replace(REFUND, status="failed")
OVER = replace(ORDER, status=OrderStatus.CANCELLED, cancel_reason=CancelReason.REFUNDED)
BACK = replace(CHARGE, status=ChargeStatus.REFUNDED, stripe_refund_id="re_1")


def ledgers(
    order: Order = ORDER,
    charge: Charge = CHARGE,
    *intents: Intent,
    refunds: tuple[Refund, ...] = (),
    disputes: tuple[Dispute, ...] = (),
) -> Ledgers:
    return Ledgers({order.id: order}, {charge.id: charge}, intents or (INTENT,), refunds, disputes, {order.id: 0})


def rules(found: Ledgers, now: int = NOW) -> set[str]:
    return {violation.rule for violation in check(found, now).violations}


@pytest.mark.parametrize(
    "right",
    [
        pytest.param(ledgers(), id="a sale"),
        pytest.param(replace(ledgers(replace(ORDER, fee=1)), fees={"o1": 1}), id="a sale with a fee"),
        pytest.param(ledgers(OVER, BACK, refunds=(REFUND,)), id="a refunded sale"),
        pytest.param(
            ledgers(disputes=(Dispute("dp_1", "pi_1", PRICE, "usd", "needs_response"),)), id="a disputed sale"
        ),
        pytest.param(
            ledgers(
                replace(OVER, charge_id=None),
                replace(CHARGE, status=ChargeStatus.VOIDED),
                replace(INTENT, status="canceled", amount_received=0),
            ),
            id="an authorisation that was given up",
        ),
        pytest.param(
            ledgers(ORDER, CHARGE, INTENT, replace(INTENT, id="pi_9", metadata={})), id="somebody else's payment"
        ),
    ],
)
def test_reconciliation_finds_nothing_in_correct_ledgers(right: Ledgers) -> None:
    report = check(right, NOW)
    assert report.violations == set()
    assert report.in_progress == 0
    assert report.captured["usd"] - report.refunded["usd"] == report.sold["usd"]


def two_sales(found: Ledgers) -> Ledgers:
    another = replace(ORDER, id="o2", charge_id="c2")
    charge = replace(CHARGE, id="c2", order_id="o2", stripe_id="pi_2")
    intent = replace(INTENT, id="pi_2", metadata={"chargeId": "c2"})
    return Ledgers({**found.orders, "o2": another}, {**found.charges, "c2": charge}, (*found.intents, intent), (), ())


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (lambda: two_sales(ledgers()), "a ticket is sold once"),
        (
            lambda: ledgers(ORDER, CHARGE, replace(INTENT, amount_received=PRICE - 1)),
            "a completed order is paid its price, once",
        ),
        (lambda: ledgers(replace(ORDER, fee=1)), "a fee stays what it was when the ticket was held"),
        (lambda: ledgers(replace(ORDER, fee=PRICE + 1)), "a price is what its seller gets and the fee"),
        (lambda: ledgers(replace(ORDER, fee=-1)), "a price is what its seller gets and the fee"),
        (lambda: ledgers(ORDER, CHARGE, INTENT, replace(INTENT, id="pi_2")), "a charge has one payment at Stripe"),
        (lambda: ledgers(ORDER, CHARGE, INTENT, replace(INTENT, id="pi_2")), "every payment at Stripe has its charge"),
        (lambda: ledgers(refunds=(REFUND,)), "a completed order is paid its price, once"),
        (lambda: ledgers(OVER, CHARGE), "an order that is over keeps no money"),
        (
            lambda: ledgers(OVER, BACK, refunds=(replace(REFUND, status="failed"),)),
            "an order that is over keeps no money",
        ),
        (
            lambda: ledgers(ORDER, replace(CHARGE, status=ChargeStatus.VOIDED)),
            "a completed order has a completed charge",
        ),
        (lambda: ledgers(replace(ORDER, charge_id="c9")), "a completed order has a completed charge"),
        (lambda: ledgers(ORDER, replace(CHARGE, order_id="o9")), "every charge has its order"),
        (
            lambda: ledgers(
                replace(OVER, charge_id=None),
                replace(CHARGE, status=ChargeStatus.VOIDED),
                HELD,
            ),
            "no authorisation is left open",
        ),
        (lambda: ledgers(OVER, CHARGE), "captured less refunded is what was sold"),
    ],
)
def test_reconciliation_finds_each_wrong_entry(wrong: Callable[[], Ledgers], rule: str) -> None:
    assert rule in rules(wrong())


def test_reconciliation_ignores_work_in_progress_until_it_is_stuck() -> None:
    paying = ledgers(
        ORDER,
        replace(CHARGE, status=ChargeStatus.AUTHORISED),
        replace(INTENT, status="requires_capture", amount_received=0),
    )
    assert check(paying, NOW).in_progress == 1
    assert rules(paying) == set()
    assert rules(paying, NOW + STUCK_AFTER_MS + 1) == {"what is begun is ended"}


def test_reconciliation_counts_a_pending_refund_as_in_progress() -> None:
    refunding = ledgers(replace(ORDER, refunding=True), replace(CHARGE, refunding=True), refunds=(REFUND,))
    assert rules(refunding) == set()
    assert check(refunding, NOW).in_progress == 1
