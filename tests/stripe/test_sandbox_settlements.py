"""Refunds and disputes that do not end at once, as with Stripe's test cards."""

import asyncio

import pytest

from actors.stripe import Stripe
from actors.stripe.errors import InvalidState
from actors.stripe.sandbox import Ledger, Sandbox, SandboxHTTPClient
from tests.stripe.ledgers import Crash, CrashingLedger
from tests.stripe.wire import Clock, Wire

PENDING, FAILING, DISPUTED = "pm_card_pendingRefund", "pm_card_refundFail", "pm_card_createDispute"


async def types(ledger: Ledger, clock: Clock) -> list[str]:
    return [event.type for one in await ledger.pending_webhooks(clock.time, 100, ()) for event in one.events]


async def settle(sandbox: Sandbox, clock: Clock) -> None:
    clock.time += 2
    await sandbox.settle_due()


async def test_a_pending_refund_succeeds_later(
    stripe: Stripe, wire: Wire, sandbox: Sandbox, ledger: Ledger, clock: Clock
) -> None:
    intent_id = await wire.captured(PENDING)
    made = await stripe.refund(intent_id, amount=2000, idempotency_key="key")
    assert made.status == "pending"
    clock.time += 1.9
    await sandbox.settle_due()
    assert (await stripe.retrieve_refund(made.id)).status == "pending"
    clock.time += 0.1
    await sandbox.settle_due()
    assert (await stripe.retrieve_refund(made.id)).status == "succeeded"
    found = await types(ledger, clock)
    assert (found.count("refund.created"), found.count("refund.updated"), found.count("refund.failed")) == (1, 1, 0)


async def test_money_of_a_pending_refund_cannot_be_refunded_again(stripe: Stripe, wire: Wire) -> None:
    intent_id = await wire.captured(PENDING)
    await stripe.refund(intent_id, amount=5000, idempotency_key="1")
    with pytest.raises(InvalidState) as refused:
        await stripe.refund(intent_id, amount=1, idempotency_key="2")
    assert refused.value.code == "charge_already_refunded"


async def test_a_refund_may_fail_after_it_succeeded_and_its_money_is_back(
    stripe: Stripe, wire: Wire, sandbox: Sandbox, ledger: Ledger, clock: Clock
) -> None:
    intent_id = await wire.captured(FAILING)
    made = await stripe.refund(intent_id, amount=5000, idempotency_key="1")
    assert (made.status, made.failure_reason) == ("succeeded", None)
    await settle(sandbox, clock)
    failed = await stripe.retrieve_refund(made.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    found = await types(ledger, clock)
    assert (found.count("refund.updated"), found.count("refund.failed")) == (1, 1)
    assert (await stripe.refund(intent_id, amount=5000, idempotency_key="2")).status == "succeeded"


async def test_a_captured_charge_is_disputed_later(
    stripe: Stripe, wire: Wire, sandbox: Sandbox, ledger: Ledger, clock: Clock
) -> None:
    intent_id = await wire.captured(DISPUTED)
    assert await stripe.disputes_of(intent_id) == []
    await settle(sandbox, clock)
    (dispute,) = await stripe.disputes_of(intent_id)
    shape = (await wire.get(f"/v1/disputes/{dispute.id}")).body
    assert (shape["status"], shape["reason"], shape["amount"]) == ("needs_response", "fraudulent", 5000)
    assert dispute.id.startswith("dp_")
    assert (await types(ledger, clock)).count("charge.dispute.created") == 1
    with pytest.raises(InvalidState) as refused:
        await stripe.refund(intent_id, amount=1, idempotency_key="key")
    assert refused.value.code == "charge_disputed"


async def test_money_that_is_only_held_is_not_disputed(
    stripe: Stripe, wire: Wire, sandbox: Sandbox, clock: Clock
) -> None:
    intent_id = await wire.intent(payment_method=DISPUTED)
    await wire.post(f"/v1/payment_intents/{intent_id}/confirm", {})
    await settle(sandbox, clock)
    assert await stripe.disputes_of(intent_id) == []


async def test_a_charge_refunded_in_time_is_not_disputed(
    stripe: Stripe, wire: Wire, sandbox: Sandbox, clock: Clock
) -> None:
    intent_id = await wire.captured(DISPUTED)
    await stripe.refund(intent_id, amount=5000, idempotency_key="key")
    await settle(sandbox, clock)
    assert await stripe.disputes_of(intent_id) == []


WINNING = ("", {"evidence[uncategorized_text]": "winning_evidence"}, "won")
LOSING = ("", {"evidence[uncategorized_text]": "losing_evidence"}, "lost")
GIVING_IN: tuple[str, dict[str, str], str] = ("/close", {}, "lost")


@pytest.mark.parametrize("answer", [WINNING, LOSING, GIVING_IN])
async def test_a_dispute_is_closed_once(
    wire: Wire, sandbox: Sandbox, ledger: Ledger, clock: Clock, answer: tuple[str, dict[str, str], str]
) -> None:
    path, fields, status = answer
    intent_id = await wire.captured(DISPUTED)
    await settle(sandbox, clock)
    dispute_id = (await wire.get("/v1/disputes")).body["data"][0]["id"]
    closed = await wire.post(f"/v1/disputes/{dispute_id}{path}", fields)
    assert (closed.body["id"], closed.body["status"]) == (dispute_id, status)
    assert (await wire.post(f"/v1/disputes/{dispute_id}/close", {})).status == 400
    assert (await types(ledger, clock)).count("charge.dispute.closed") == 1
    refund = await wire.post("/v1/refunds", {"payment_intent": intent_id})
    assert refund.status == (200 if status == "won" else 400)


async def test_a_dispute_that_does_not_exist_cannot_be_closed(wire: Wire) -> None:
    assert (await wire.post("/v1/disputes/dp_missing/close", {})).status == 404
    assert (await wire.get("/v1/disputes/dp_missing")).status == 404


async def test_processes_that_settle_at_once_settle_once(
    stripe: Stripe, wire: Wire, ledger: Ledger, clock: Clock
) -> None:
    refunded, disputed = await wire.captured(PENDING), await wire.captured(DISPUTED)
    made = await stripe.refund(refunded, amount=5000, idempotency_key="key")
    clock.time += 2
    await asyncio.gather(*(Sandbox(ledger, now=clock).settle_due() for _ in range(4)))
    assert (await stripe.retrieve_refund(made.id)).status == "succeeded"
    assert len(await stripe.disputes_of(disputed)) == 1
    assert len([dispute async for dispute in stripe.disputes()]) == 1
    assert await ledger.to_settle(clock.time + 100, 10) == {}


@pytest.mark.parametrize("saves_first", [True, False])
async def test_a_crash_while_settling_loses_nothing(clock: Clock, *, saves_first: bool) -> None:
    ledger = CrashingLedger(at=4, saves_first=saves_first)
    sandbox = Sandbox(ledger, now=clock)
    wire = Wire(SandboxHTTPClient(sandbox))
    await wire.captured(DISPUTED)
    with pytest.raises(Crash):
        await settle(sandbox, clock)
    await Sandbox(ledger, now=clock).settle_due()
    assert len((await wire.get("/v1/disputes")).body["data"]) == 1
