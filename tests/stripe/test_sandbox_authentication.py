"""3-D Secure as the buyer meets it, without an API key."""

import asyncio

import pytest

from actors.stripe import Stripe
from actors.stripe.errors import InvalidState
from actors.stripe.sandbox import Ledger, NothingToAuthenticateError, Sandbox, SandboxHTTPClient
from tests.stripe.ledgers import Crash, CrashingLedger
from tests.stripe.wire import NOW, Wire

INTENTS = "/v1/payment_intents"


async def waiting(wire: Wire, **fields: object) -> tuple[str, str]:
    """The id and the client secret of an intent that waits for its buyer."""
    intent_id = await wire.intent(payment_method="pm_card_authenticationRequired", **fields)
    answer = await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    return intent_id, answer.body["client_secret"]


async def test_a_successful_authentication_holds_the_money(stripe: Stripe, wire: Wire, sandbox: Sandbox) -> None:
    intent_id, secret = await waiting(wire)
    await sandbox.authenticate(secret, succeeds=True)
    held = await stripe.retrieve(intent_id)
    assert (held.status, held.error_code) == ("requires_capture", None)
    assert held.latest_charge is not None
    with pytest.raises(InvalidState):
        await stripe.confirm(intent_id, idempotency_key="again")
    assert (await stripe.capture(intent_id, amount=5000, idempotency_key="capture")).status == "succeeded"


async def test_automatic_capture_takes_the_money_after_authentication(
    stripe: Stripe, wire: Wire, sandbox: Sandbox
) -> None:
    intent_id, secret = await waiting(wire, capture_method="automatic")
    await sandbox.authenticate(secret, succeeds=True)
    assert (await stripe.retrieve(intent_id)).status == "succeeded"


async def test_a_failed_authentication_leaves_the_intent_without_a_card(
    stripe: Stripe, wire: Wire, sandbox: Sandbox
) -> None:
    intent_id, secret = await waiting(wire)
    await sandbox.authenticate(secret, succeeds=False)
    found = await stripe.retrieve(intent_id)
    assert found.status == "requires_payment_method"
    assert found.error_code == "payment_intent_authentication_failure"
    retried = await wire.post(f"{INTENTS}/{intent_id}/confirm", {"payment_method": "pm_card_visa"})
    assert (retried.body["status"], retried.body["last_payment_error"]) == ("requires_capture", None)


@pytest.mark.parametrize("change", ["x", "", "é"])
async def test_another_secret_permits_nothing(stripe: Stripe, wire: Wire, sandbox: Sandbox, change: str) -> None:
    intent_id, secret = await waiting(wire)
    for wrong in (secret + change + "y", change, intent_id, f"{intent_id}_secret_{change}", "pi_missing_secret_x"):
        with pytest.raises(NothingToAuthenticateError) as refused:
            await sandbox.authenticate(wrong, succeeds=True)
        assert str(refused.value) == ""
    assert (await stripe.retrieve(intent_id)).status == "requires_action"


@pytest.mark.parametrize("succeeds", [True, False])
async def test_there_is_nothing_to_authenticate_twice(wire: Wire, sandbox: Sandbox, *, succeeds: bool) -> None:
    _, secret = await waiting(wire)
    await sandbox.authenticate(secret, succeeds=succeeds)
    for again in (True, False):
        with pytest.raises(NothingToAuthenticateError):
            await sandbox.authenticate(secret, succeeds=again)


async def test_one_of_two_answers_at_once_counts(stripe: Stripe, wire: Wire, ledger: Ledger) -> None:
    intent_id, secret = await waiting(wire)
    dialogs = [Sandbox(ledger, now=lambda: NOW).authenticate(secret, succeeds=yes) for yes in (True, False)]
    results = await asyncio.gather(*dialogs, return_exceptions=True)
    assert [type(result) for result in results].count(NothingToAuthenticateError) == 1
    expected = "requires_capture" if results[0] is None else "requires_payment_method"
    assert (await stripe.retrieve(intent_id)).status == expected


@pytest.mark.parametrize("saves_first", [True, False])
async def test_a_crash_leaves_an_authentication_done_or_undone(*, saves_first: bool) -> None:
    ledger = CrashingLedger(at=3, saves_first=saves_first)
    sandbox = Sandbox(ledger, now=lambda: NOW)
    wire = Wire(SandboxHTTPClient(sandbox))
    intent_id, secret = await waiting(wire)
    with pytest.raises(Crash):
        await sandbox.authenticate(secret, succeeds=True)
    status = (await wire.get(f"{INTENTS}/{intent_id}")).body["status"]
    assert status == ("requires_capture" if saves_first else "requires_action")


@pytest.mark.parametrize(
    ("succeeds", "event_type"),
    [(True, "payment_intent.amount_capturable_updated"), (False, "payment_intent.payment_failed")],
)
async def test_an_authentication_makes_a_webhook_event_without_a_request(
    wire: Wire, sandbox: Sandbox, ledger: Ledger, *, succeeds: bool, event_type: str
) -> None:
    _, secret = await waiting(wire)
    await sandbox.authenticate(secret, succeeds=succeeds)
    announced = [event for one in await ledger.pending_webhooks(NOW, 100, ()) for event in one.events]
    (event,) = (event for event in announced if event.type == event_type)
    assert '"request": {"id": null, "idempotency_key": null}' in event.body
