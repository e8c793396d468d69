"""A request is carried out once, however often, at whatever moment and in whichever process it is repeated."""

import asyncio
import hashlib
import json

import pytest
from stripe import APIConnectionError

from actors.stripe import connect
from actors.stripe.errors import OutcomeUnknown
from actors.stripe.sandbox import Ledger, Sandbox, SandboxHTTPClient, ledger_writer
from actors.stripe.sandbox.ledger_entry import IdempotencyRecord
from tests.stripe.ledgers import (
    CountingLedger,
    Crash,
    CrashingLedger,
    InterleavingLedger,
    KeylessLedger,
    LostAnswerLedger,
    UnguardedLedger,
)
from tests.stripe.wire import API_KEY, HELD, Received, Wire

CREATE = {"amount": 5000, "currency": "usd", "payment_method": "pm_card_visa", **HELD}
INTENTS = "/v1/payment_intents"


def wires(ledger: Ledger, processes: int) -> list[Wire]:
    return [Wire(SandboxHTTPClient(Sandbox(ledger))) for _ in range(processes)]


async def refund_at_once(ledger: Ledger, keys: list[str]) -> list[Received]:
    """A refund of 2000 of 5000 for each key, each from a process of its own."""
    processes = wires(ledger, len(keys))
    intent_id = await processes[0].captured()
    fields = {"payment_intent": intent_id, "amount": 2000}
    return await asyncio.gather(
        *(wire.post("/v1/refunds", fields, key=key) for wire, key in zip(processes, keys, strict=True))
    )


def refunded(answers: list[Received]) -> int:
    return sum(amount for _, amount in {(a.body["id"], a.body["amount"]) for a in answers if a.status == 200})


async def test_a_repeat_is_answered_with_the_saved_answer_and_says_so(wire: Wire) -> None:
    first = await wire.post(INTENTS, CREATE, key="key")
    second = await wire.post(INTENTS, CREATE, key="key")
    assert second.body == first.body
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["Idempotency-Key"] == "key"


async def test_a_repeat_gets_the_old_answer_after_the_intent_has_moved_on(wire: Wire) -> None:
    first = await wire.post(INTENTS, CREATE, key="key")
    await wire.post(f"{INTENTS}/{first.body['id']}/cancel", {})
    assert (await wire.post(INTENTS, CREATE, key="key")).body == first.body


async def test_a_saved_decline_is_replayed_as_a_decline(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_chargeDeclined")
    first = await wire.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key")
    second = await wire.post(f"{INTENTS}/{intent_id}/confirm", {}, key="key")
    assert first.status == second.status == 402
    assert second.body == first.body


async def test_a_saved_server_error_is_replayed_until_the_key_changes(ledger: Ledger, wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_visa")
    path = f"{INTENTS}/{intent_id}/confirm"
    nothing = hashlib.sha256(b"[]").hexdigest()
    assert await ledger.bind(IdempotencyRecord("confirm:1", path, nothing, 500, '{"error": {"type": "api_error"}}'))
    again = await wire.post(path, {}, key="confirm:1")
    assert (again.status, again.headers["Idempotent-Replayed"]) == (500, "true")
    assert (await wire.post(path, {}, key="confirm:2")).status == 200


async def test_a_key_with_other_parameters_is_refused(wire: Wire) -> None:
    await wire.post(INTENTS, CREATE, key="key")
    refused = await wire.post(INTENTS, {**CREATE, "amount": 6000}, key="key")
    assert (refused.status, refused.error["type"]) == (400, "idempotency_error")


async def test_a_key_at_another_endpoint_is_refused(wire: Wire) -> None:
    made = await wire.post(INTENTS, CREATE, key="key")
    refused = await wire.post(f"{INTENTS}/{made.body['id']}/confirm", {}, key="key")
    assert (refused.status, refused.error["type"]) == (400, "idempotency_error")


async def test_a_request_that_was_refused_by_its_parameters_leaves_its_key_free(wire: Wire) -> None:
    assert (await wire.post(INTENTS, {**CREATE, "amount": 1}, key="key")).status == 400
    assert (await wire.post(INTENTS, CREATE, key="key")).status == 200


async def test_a_key_of_more_than_255_characters_is_refused(wire: Wire) -> None:
    assert (await wire.post(INTENTS, CREATE, key="k" * 255)).status == 200
    assert (await wire.post(INTENTS, CREATE, key="k" * 256)).status == 400


async def test_requests_without_a_key_are_each_carried_out(wire: Wire) -> None:
    first, second = await wire.post(INTENTS, CREATE), await wire.post(INTENTS, CREATE)
    assert first.body["id"] != second.body["id"]


async def test_two_requests_with_one_key_at_once_in_one_process_are_a_conflict() -> None:
    (wire,) = wires(InterleavingLedger(), 1)
    answers = await asyncio.gather(*(wire.post(INTENTS, CREATE, key="key") for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [200, 409]
    conflict = next(answer for answer in answers if answer.status == 409)
    assert conflict.error["code"] == "idempotency_key_in_use"


async def test_a_conflict_is_an_unknown_outcome_to_our_client() -> None:
    stripe = connect(api_key=API_KEY, api_base=None, http_client=SandboxHTTPClient(Sandbox(InterleavingLedger())))
    requests = [
        stripe.create_intent(
            amount=5000, currency="usd", payment_method="pm_card_visa", metadata={}, idempotency_key="key"
        )
        for _ in range(2)
    ]
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(result) for result in results if isinstance(result, BaseException)] == [OutcomeUnknown]


async def test_processes_that_share_a_ledger_agree_on_the_answer_to_a_key(ledger: Ledger) -> None:
    answers = await asyncio.gather(*(wire.post(INTENTS, CREATE, key="key") for wire in wires(ledger, 5)))
    assert len({answer.body["id"] for answer in answers}) == 1
    assert len({json.dumps(answer.body) for answer in answers}) == 1


async def test_one_refund_is_made_when_processes_repeat_it_at_once(ledger: Ledger) -> None:
    answers = await refund_at_once(ledger, ["key"] * 5)
    assert refunded(answers) == 2000


async def test_refunds_at_once_never_give_back_more_than_was_captured(ledger: Ledger) -> None:
    answers = await refund_at_once(ledger, [f"key-{number}" for number in range(5)])
    assert refunded(answers) == 4000
    assert sorted(answer.status for answer in answers) == [200, 200, 400, 400, 400]


async def test_the_harness_interleaves_refunds() -> None:
    answers = await refund_at_once(InterleavingLedger(), [f"key-{number}" for number in range(5)])
    assert refunded(answers) == 4000


async def test_without_the_version_guard_too_much_is_given_back() -> None:
    answers = await refund_at_once(UnguardedLedger(), [f"key-{number}" for number in range(5)])
    assert refunded(answers) > 5000


async def test_without_unique_keys_a_repeat_gives_money_back_again() -> None:
    answers = await refund_at_once(KeylessLedger(), ["key"] * 2)
    assert refunded(answers) == 4000


async def test_a_process_goes_on_from_what_another_one_wrote(ledger: Ledger) -> None:
    first, second = wires(ledger, 2)
    intent_id = await first.intent(payment_method="pm_card_visa")
    confirmed = await second.post(f"{INTENTS}/{intent_id}/confirm", {})
    assert (await first.get(f"{INTENTS}/{intent_id}")).body == confirmed.body
    captured = await first.post(f"{INTENTS}/{intent_id}/capture", {})
    assert (captured.status, captured.body["status"]) == (200, "succeeded")
    refunds = [
        await wire.post("/v1/refunds", {"payment_intent": intent_id, "amount": 3000}) for wire in (second, first)
    ]
    assert [answer.status for answer in refunds] == [200, 400]


async def test_a_change_written_without_an_answer_is_replayed() -> None:
    ledger = LostAnswerLedger()
    (wire,) = wires(ledger, 1)
    intent_id = await wire.captured()
    fields = {"payment_intent": intent_id, "amount": 2000}
    ledger.loses = True
    with pytest.raises(APIConnectionError):
        await wire.post("/v1/refunds", fields, key="key")
    ledger.loses = False
    again = await wire.post("/v1/refunds", fields, key="key")
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
    rest = await wire.post("/v1/refunds", {"payment_intent": intent_id})
    assert rest.body["amount"] == 3000


async def test_a_process_reads_only_what_it_did_not_write_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_writer, "REMEMBERED", 2)
    ledger = CountingLedger()
    (wire,) = wires(ledger, 1)
    made = [await wire.intent(payment_method="pm_card_visa") for _ in range(3)]
    for intent_id in made[::-1]:
        await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    assert ledger.loaded == made[:1]


AFTER_OR_BEFORE_THE_SAVE = pytest.mark.parametrize("saves_first", [True, False])


@AFTER_OR_BEFORE_THE_SAVE
async def test_an_intent_is_made_once_when_a_crash_interrupts_it(*, saves_first: bool) -> None:
    before, after = wires(CrashingLedger(at=1, saves_first=saves_first), 2)
    with pytest.raises(Crash):
        await before.post(INTENTS, CREATE, key="key")
    made = await after.post(INTENTS, CREATE, key="key")
    again = await after.post(INTENTS, CREATE, key="key")
    assert made.status == 200
    assert again.body == made.body


@AFTER_OR_BEFORE_THE_SAVE
async def test_a_refund_is_made_once_when_a_crash_interrupts_it(*, saves_first: bool) -> None:
    before, after = wires(CrashingLedger(at=4, saves_first=saves_first), 2)
    intent_id = await before.captured()
    fields = {"payment_intent": intent_id, "amount": 2000}
    with pytest.raises(Crash):
        await before.post("/v1/refunds", fields, key="key")
    made = await after.post("/v1/refunds", fields, key="key")
    assert made.status == 200
    assert (await after.get(f"/v1/refunds/{made.body['id']}")).body == made.body
    rest = await after.post("/v1/refunds", {"payment_intent": intent_id})
    assert rest.body["amount"] == 3000
