"""Which changes are announced, once each, whatever dies at whichever write."""

import asyncio
import json
from typing import Any

import pytest

from actors.stripe.client import API_VERSION
from actors.stripe.sandbox import Ledger, Sandbox, SandboxHTTPClient
from actors.stripe.sandbox.events import EVENT_TYPES
from actors.stripe.sandbox.ledger_entry import Event
from tests.stripe.ledgers import Crash, CrashingLedger, InterleavingLedger, TwoWritesLedger
from tests.stripe.wire import HELD, NOW, Wire

INTENTS = "/v1/payment_intents"


def announcing_all(ledger: Ledger) -> Sandbox:
    return Sandbox(ledger, now=lambda: NOW, event_types=EVENT_TYPES)


@pytest.fixture
def sandbox(ledger: Ledger) -> Sandbox:
    return announcing_all(ledger)


async def announced(ledger: Ledger) -> list[Event]:
    """The events that a delivery would deliver, in the order in which they were made."""
    return [event for one in await ledger.pending_webhooks(NOW + 1000, 100, ()) for event in one.events]


async def types(ledger: Ledger) -> list[str]:
    return [event.type for event in await announced(ledger)]


def object_of(event: Event) -> dict[str, Any]:
    subject: dict[str, Any] = json.loads(event.body)["data"]["object"]
    return subject


def wires(ledger: Ledger, processes: int) -> list[Wire]:
    return [Wire(SandboxHTTPClient(announcing_all(ledger))) for _ in range(processes)]


async def test_each_step_of_a_purchase_makes_a_webhook_event(wire: Wire, ledger: Ledger) -> None:
    await wire.captured()
    assert sorted(await types(ledger)) == [
        "payment_intent.amount_capturable_updated",
        "payment_intent.created",
        "payment_intent.succeeded",
    ]


async def test_a_webhook_event_is_shaped_as_stripes(wire: Wire, ledger: Ledger) -> None:
    made = await wire.post(INTENTS, {"amount": 5000, "currency": "usd", **HELD}, key="key")
    (event,) = await announced(ledger)
    assert json.loads(event.body) == {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": int(NOW),
        "data": {"object": made.body},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": made.headers["Request-Id"], "idempotency_key": "key"},
        "type": "payment_intent.created",
    }
    assert event.id.startswith("evt_")


@pytest.mark.parametrize(
    ("payment_method", "path", "event_type"),
    [
        ("pm_card_authenticationRequired", "confirm", "payment_intent.requires_action"),
        ("pm_card_chargeDeclined", "confirm", "payment_intent.payment_failed"),
        ("pm_card_visa", "cancel", "payment_intent.canceled"),
    ],
)
async def test_each_change_of_an_intent_makes_a_webhook_event(
    wire: Wire, ledger: Ledger, payment_method: str, path: str, event_type: str
) -> None:
    intent_id = await wire.intent(payment_method=payment_method)
    await wire.post(f"{INTENTS}/{intent_id}/{path}", {})
    found = [event for event in await announced(ledger) if event.type == event_type]
    assert [object_of(event)["id"] for event in found] == [intent_id]


async def test_each_decline_makes_a_webhook_event(wire: Wire, ledger: Ledger) -> None:
    intent_id = await wire.intent(payment_method="pm_card_chargeDeclined")
    for _ in range(2):
        await wire.post(f"{INTENTS}/{intent_id}/confirm", {"payment_method": "pm_card_chargeDeclined"})
    assert (await types(ledger)).count("payment_intent.payment_failed") == 2


async def test_a_refund_makes_webhook_events_of_the_refund_and_its_charge(wire: Wire, ledger: Ledger) -> None:
    intent_id = await wire.captured()
    made = await wire.post("/v1/refunds", {"payment_intent": intent_id, "amount": 2000})
    found = {event.type: object_of(event) for event in await announced(ledger)}
    assert found["refund.created"] == made.body
    charge = found["charge.refunded"]
    assert (charge["object"], charge["id"], charge["payment_intent"]) == ("charge", made.body["charge"], intent_id)
    assert (charge["amount_refunded"], charge["refunded"]) == (2000, False)


async def test_refused_and_repeated_requests_make_no_webhook_event(wire: Wire, ledger: Ledger) -> None:
    intent_id = await wire.captured()
    before = await types(ledger)
    await wire.post(f"{INTENTS}/{intent_id}/cancel", {})
    for _ in range(2):
        await wire.post("/v1/refunds", {"payment_intent": intent_id}, key="key")
    assert sorted(await types(ledger)) == sorted([*before, "refund.created", "charge.refunded"])


async def test_a_change_makes_its_webhook_event_when_its_process_dies_right_after_writing_it() -> None:
    ledger = CrashingLedger(at=2, saves_first=True)
    before, after = wires(ledger, 2)
    intent_id = await before.intent(payment_method="pm_card_visa")
    with pytest.raises(Crash):
        await before.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key")
    assert await types(ledger) == ["payment_intent.created", "payment_intent.amount_capturable_updated"]
    await after.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key")
    assert await types(ledger) == ["payment_intent.created", "payment_intent.amount_capturable_updated"]


async def test_with_a_second_write_for_events_a_crash_loses_the_webhook_event() -> None:
    ledger = TwoWritesLedger()
    before, after = wires(ledger, 2)
    intent_id = await before.intent(payment_method="pm_card_visa")
    ledger.crashes = True
    with pytest.raises(Crash):
        await before.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key")
    ledger.crashes = False
    assert (await after.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key")).status == 200
    assert await types(ledger) == ["payment_intent.created"]


async def test_a_change_that_was_never_written_makes_no_webhook_event() -> None:
    ledger = CrashingLedger(at=2, saves_first=False)
    before, after = wires(ledger, 2)
    intent_id = await before.intent(payment_method="pm_card_visa")
    with pytest.raises(Crash):
        await before.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key")
    assert await types(ledger) == ["payment_intent.created"]
    await after.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key")
    assert await types(ledger) == ["payment_intent.created", "payment_intent.amount_capturable_updated"]


async def confirmed_at_once(ledger: Ledger) -> None:
    processes = wires(ledger, 5)
    intent_id = await processes[0].intent(payment_method="pm_card_visa")
    await asyncio.gather(*(wire.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key") for wire in processes))


async def test_a_change_that_lost_its_race_makes_no_webhook_event(ledger: Ledger) -> None:
    await confirmed_at_once(ledger)
    assert (await types(ledger)).count("payment_intent.amount_capturable_updated") == 1


async def test_the_harness_makes_changes_that_lose_their_race() -> None:
    ledger = InterleavingLedger()
    await confirmed_at_once(ledger)
    assert ledger.losers > 0
    assert (await types(ledger)).count("payment_intent.amount_capturable_updated") == 1


async def test_only_webhook_events_that_somebody_wants_are_kept_for_delivery(ledger: Ledger) -> None:
    wanted = Sandbox(ledger, now=lambda: NOW, event_types={"payment_intent.succeeded"})
    await Wire(SandboxHTTPClient(wanted)).captured()
    assert await types(ledger) == ["payment_intent.succeeded"]
