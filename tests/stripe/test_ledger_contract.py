"""What both ledgers promise."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from actors.stripe.sandbox import Ledger, LedgerUnavailable, MongoLedger
from actors.stripe.sandbox.failures import Failure
from actors.stripe.sandbox.ledger import Claim
from actors.stripe.sandbox.payment_intent import PaymentIntent, Refund, SavedAnswer

NEW = PaymentIntent(
    id="pi_1",
    status="requires_confirmation",
    amount=5000,
    currency="usd",
    capture_method="manual",
    metadata={"orderId": "1", "dotted.key": "2"},
    created=1_800_000_000,
    client_secret="pi_1_secret_1",
    version=1,
    payment_method="pm_1",
    card="visa",
)
FULL = replace(
    NEW,
    status="succeeded",
    latest_charge="ch_1",
    amount_received=5000,
    last_payment_error=Failure(402, "card_error", "Your card was declined.", "card_declined"),
    canceled_at=1_800_000_001,
    refunds=(Refund("re_1", 100, 1_800_000_002), Refund("re_2", 200, 1_800_000_003)),
    answers=(SavedAnswer("key-1", 200, "{}"),),
)


def claim(intent_id: str, key: str = "key") -> Claim:
    return Claim(key, "/v1/payment_intents", "fingerprint", intent_id)


async def test_a_key_belongs_to_its_first_claim(ledger: Ledger) -> None:
    assert await ledger.claim(claim("pi_1")) == claim("pi_1")
    assert await ledger.claim(claim("pi_2")) == claim("pi_1")


async def test_different_keys_are_claimed_independently(ledger: Ledger) -> None:
    await ledger.claim(claim("pi_1", key="one"))
    assert await ledger.claim(claim("pi_2", key="two")) == claim("pi_2", key="two")


async def test_claims_made_at_once_agree_on_one_holder(ledger: Ledger) -> None:
    holders = await asyncio.gather(*(ledger.claim(claim(f"pi_{number}")) for number in range(10)))
    assert len({holder.intent_id for holder in holders}) == 1


@pytest.mark.parametrize("intent", [NEW, FULL])
async def test_an_intent_is_loaded_as_it_was_saved(ledger: Ledger, intent: PaymentIntent) -> None:
    assert await ledger.save(intent)
    assert await ledger.load(intent.id) == intent


async def test_an_intent_that_was_never_saved_is_not_there(ledger: Ledger) -> None:
    assert await ledger.load("pi_1") is None


async def test_the_next_version_replaces_the_one_before(ledger: Ledger) -> None:
    await ledger.save(NEW)
    changed = replace(FULL, version=2)
    assert await ledger.save(changed)
    assert await ledger.load("pi_1") == changed


@pytest.mark.parametrize("version", [1, 3])
async def test_a_version_that_does_not_follow_is_not_written(ledger: Ledger, version: int) -> None:
    await ledger.save(NEW)
    assert not await ledger.save(replace(FULL, version=version))
    assert await ledger.load("pi_1") == NEW


async def test_a_later_version_of_an_unknown_intent_is_not_written(ledger: Ledger) -> None:
    assert not await ledger.save(replace(NEW, version=2))
    assert await ledger.load("pi_1") is None


@pytest.mark.parametrize("version", [1, 2])
async def test_of_many_writers_of_a_version_exactly_one_wins(ledger: Ledger, version: int) -> None:
    if version == 2:
        await ledger.save(NEW)
    writers = [replace(NEW, version=version, amount=number) for number in range(10)]
    wins = await asyncio.gather(*(ledger.save(writer) for writer in writers))
    assert wins.count(True) == 1
    assert await ledger.load("pi_1") == writers[wins.index(True)]


async def test_a_refund_leads_to_its_intent(ledger: Ledger) -> None:
    await ledger.note_refund("re_1", "pi_1")
    assert await ledger.intent_of_refund("re_1") == "pi_1"
    assert await ledger.intent_of_refund("re_2") is None


async def test_a_mongo_ledger_finds_what_another_process_wrote(database: AsyncDatabase[dict[str, Any]]) -> None:
    first, second = MongoLedger(database), MongoLedger(database)
    await first.claim(claim("pi_1"))
    await first.save(FULL)
    assert await second.claim(claim("pi_2")) == claim("pi_1")
    assert await second.load("pi_1") == FULL


async def test_a_mongo_ledger_without_its_database_says_so() -> None:
    # A server that accepts and stays silent: where connections are refused, pymongo leaks a socket when it is closed.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mongodb://127.0.0.1:{silent.getsockname()[1]}"
        async with AsyncMongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=50, connectTimeoutMS=50) as client:
            ledger = MongoLedger(client["nowhere"])
            with pytest.raises(LedgerUnavailable):
                await ledger.load("pi_1")
            with pytest.raises(LedgerUnavailable):
                await ledger.save(NEW)
            with pytest.raises(LedgerUnavailable):
                await ledger.claim(claim("pi_1"))
