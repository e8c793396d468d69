"""What all ledgers promise: in memory, in MongoDB, and in memory over the network of a simulation."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from actors.stripe.sandbox import FaultPlan, Ledger, LedgerUnavailable, MemoryLedger, MongoLedger
from actors.stripe.sandbox.failures import Failure
from actors.stripe.sandbox.ledger import Claim, Span
from actors.stripe.sandbox.notes import EventNote, PartNote
from actors.stripe.sandbox.payment_intent import Dispute, PaymentIntent, Refund, SavedAnswer, Settlement
from tests.simulation.server import Direct
from tests.simulation.stripe import RemoteLedger

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
    refunds=(Refund("re_1", 100, 1_800_000_002), Refund("re_2", 200, 1_800_000_003, "failed", "unknown")),
    disputes=(Dispute("dp_1", 4900, 1_800_000_004, "won"),),
    settlements=(Settlement("refund_fails", 1_800_000_005.5, "re_1"), Settlement("dispute_opens", 1_800_000_009.0)),
    answers=(SavedAnswer("key-1", 200, "{}"),),
    changes=("chg_1", "chg_2"),
)


@pytest.fixture(params=["memory", "mongo", "remote"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Each of the ledgers, empty."""
    match request.param:
        case "memory":
            return MemoryLedger()
        case "remote":
            return RemoteLedger(Direct(), MemoryLedger())
    mongo_ledger: MongoLedger = request.getfixturevalue("mongo_ledger")
    return mongo_ledger


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
    note = PartNote("re_1", "refund", "pi_1", 1_800_000_000)
    await ledger.note_parts([note])
    assert await ledger.part("re_1") == note
    assert await ledger.part("re_2") is None


async def test_a_key_that_stands_for_a_failure_is_kept_as_such(ledger: Ledger) -> None:
    broken = replace(claim("pi_1"), broken=True)
    await ledger.claim(broken)
    assert await ledger.claim(claim("pi_1")) == broken


async def test_several_intents_are_loaded_at_once(ledger: Ledger) -> None:
    other = replace(NEW, id="pi_2")
    await ledger.save(NEW)
    await ledger.save(other)
    assert await ledger.load_all({"pi_1", "pi_2", "pi_3"}) == {"pi_1": NEW, "pi_2": other}


# Ten objects, two a second; the newest first they are 9, 8, 7 and so on.
TIMES = {f"x_{number}": 1_800_000_000 + number // 2 for number in range(10)}
SPANS = [
    (Span(100), "9876543210"),
    (Span(3), "987"),
    (Span(100, created_since=1_800_000_003), "9876"),
    (Span(100, after=(1_800_000_003, "x_7")), "6543210"),
    (Span(100, after=(1_800_000_003, "x_6")), "543210"),
    (Span(2, created_since=1_800_000_001, after=(1_800_000_003, "x_6")), "54"),
    (Span(100, created_since=1_800_000_004, after=(1_800_000_003, "x_6")), ""),
]


@pytest.mark.parametrize(("span", "expected"), SPANS)
async def test_intents_are_listed_the_newest_first(ledger: Ledger, span: Span, expected: str) -> None:
    for identity, created in TIMES.items():
        await ledger.save(replace(NEW, id=identity, created=created))
    assert [intent.id for intent in await ledger.intents(span)] == [f"x_{number}" for number in expected]


@pytest.mark.parametrize(("span", "expected"), SPANS)
async def test_parts_of_a_kind_are_listed_the_newest_first(ledger: Ledger, span: Span, expected: str) -> None:
    await ledger.note_parts([PartNote(identity, "refund", "pi_1", created) for identity, created in TIMES.items()])
    await ledger.note_parts([PartNote("dp_1", "dispute", "pi_1", 1_800_000_003)])
    assert [part.id for part in await ledger.parts("refund", span)] == [f"x_{number}" for number in expected]


async def test_intents_whose_settlement_is_due_are_found(ledger: Ledger) -> None:
    for identity, times in (("none", ()), ("late", (20.0,)), ("due", (20.0, 10.0)), ("past", (5.0,))):
        settlements = tuple(Settlement("dispute_opens", time) for time in times)
        await ledger.save(replace(NEW, id=identity, settlements=settlements))
    assert sorted(await ledger.intents_to_settle(10.0, 100)) == ["due", "past"]
    assert len(await ledger.intents_to_settle(10.0, 1)) == 1
    assert sorted(await ledger.intents_to_settle(4.0, 100)) == []


def event(identity: str, due_at: float) -> EventNote:
    return EventNote(identity, "some.type", "pi_1", 1, "chg_1", "{}", noted_at=1.5, due_at=due_at)


async def test_due_events_are_found_the_longest_due_first(ledger: Ledger) -> None:
    events = [event("evt_1", 3.0), event("evt_2", 1.0), event("evt_3", 2.0), event("evt_4", 9.0)]
    await ledger.note_events(events)
    assert await ledger.due_events(3.0, 100, ()) == [events[1], events[2], events[0]]
    assert await ledger.due_events(3.0, 2, ()) == [events[1], events[2]]
    assert await ledger.due_events(3.0, 100, {"evt_2", "evt_1"}) == [events[2]]


async def test_events_are_removed_and_postponed_together(ledger: Ledger) -> None:
    events = [event(f"evt_{number}", 1.0) for number in range(5)]
    await ledger.note_events(events)
    await ledger.remove_events(["evt_0", "evt_1", "evt_missing"])
    await ledger.postpone_events(["evt_2", "evt_3", "evt_missing"], 7.5)
    assert await ledger.due_events(7.0, 100, ()) == [events[4]]
    later = await ledger.due_events(7.5, 100, {"evt_4"})
    assert sorted(later, key=lambda one: one.id) == [replace(one, due_at=7.5, attempts=1) for one in events[2:4]]


async def test_the_plan_of_faults_is_replaced_and_ended(ledger: Ledger) -> None:
    assert await ledger.faults() is None
    for plan in (FaultPlan(delay=0.5), FaultPlan(conflict=1, seed=7), None, None):
        await ledger.set_faults(plan)
        assert await ledger.faults() == plan


async def test_an_intent_of_an_earlier_release_is_read(database: AsyncDatabase[dict[str, Any]]) -> None:
    ledger = MongoLedger(database)
    await ledger.save(NEW)
    added = {"disputes": "", "settlements": "", "changes": ""}
    await database["sandbox_intents"].update_one({"_id": "pi_1"}, {"$unset": added})
    assert await ledger.load("pi_1") == NEW


async def test_indexes_are_created_once_more_without_harm(database: AsyncDatabase[dict[str, Any]]) -> None:
    ledger = MongoLedger(database)
    for _ in range(2):
        await ledger.create_indexes()
    await ledger.save(NEW)
    await ledger.create_indexes()
    assert await ledger.load("pi_1") == NEW


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
            with pytest.raises(LedgerUnavailable):
                await ledger.note_events([event("evt_1", 1.0)])
            with pytest.raises(LedgerUnavailable):
                await ledger.due_events(1.0, 1, ())
