"""What all ledgers promise: in memory, in MongoDB, and in memory over the network of a simulation."""

import asyncio
import gc
import socket
from dataclasses import replace
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from actors.storage.sandbox_ledger import MongoLedger
from actors.stripe.sandbox import FaultPlan, Ledger, LedgerUnavailable, MemoryLedger
from actors.stripe.sandbox.failures import Failure
from actors.stripe.sandbox.ledger import Span
from actors.stripe.sandbox.ledger_entry import Change, CreatedObject, Event, IdempotencyRecord, Kind, PendingWebhook
from actors.stripe.sandbox.payment_intent import Dispute, PaymentIntent, Refund, Settlement
from tests.simulation.server import Direct
from tests.simulation.stripe import RemoteLedger
from tests.support.commands import Commands

Database = AsyncDatabase[dict[str, Any]]

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


def use(key: str = "key", body: str = "{}") -> IdempotencyRecord:
    return IdempotencyRecord(key, "/v1/payment_intents", "fingerprint", 200, body)


def change(intent: PaymentIntent = NEW, key: str | None = None) -> Change:
    return Change(1_800_000_000.5, intent, use(key, intent.id) if key else None)


@pytest.mark.parametrize("intent", [NEW, FULL])
async def test_an_intent_is_loaded_as_it_was_written(ledger: Ledger, intent: PaymentIntent) -> None:
    assert await ledger.append(change(intent))
    assert await ledger.load(intent.id) == intent


async def test_an_intent_that_was_never_written_is_not_there(ledger: Ledger) -> None:
    assert await ledger.load("pi_1") is None


async def test_an_intent_is_what_its_last_change_left(ledger: Ledger) -> None:
    for version in range(1, 12):
        assert await ledger.append(change(replace(FULL, version=version, amount=version)))
    assert await ledger.load("pi_1") == replace(FULL, version=11, amount=11)


async def test_a_version_that_is_there_is_not_written_again(ledger: Ledger) -> None:
    await ledger.append(change())
    assert not await ledger.append(change(replace(FULL, version=1)))
    assert await ledger.load("pi_1") == NEW


@pytest.mark.parametrize("version", [1, 2])
async def test_exactly_one_of_many_writers_of_a_version_wins(ledger: Ledger, version: int) -> None:
    if version == 2:
        await ledger.append(change())
    writers = [replace(NEW, version=version, amount=number) for number in range(10)]
    wins = await asyncio.gather(*(ledger.append(change(writer)) for writer in writers))
    assert wins.count(True) == 1
    assert await ledger.load("pi_1") == writers[wins.index(True)]


async def test_a_key_stands_for_its_first_use(ledger: Ledger) -> None:
    assert await ledger.append(change(key="key"))
    assert not await ledger.append(change(replace(NEW, id="pi_2"), key="key"))
    assert not await ledger.bind(use())
    assert await ledger.use_of("key") == use(body="pi_1")
    assert await ledger.load("pi_2") is None


async def test_different_keys_are_used_independently(ledger: Ledger) -> None:
    assert await ledger.append(change(key="one"))
    assert await ledger.append(change(replace(NEW, version=2), key="two"))
    assert await ledger.use_of("two") == use("two", "pi_1")
    assert await ledger.use_of("three") is None


async def test_exactly_one_of_many_simultaneous_uses_of_a_key_wins(ledger: Ledger) -> None:
    intents = [replace(NEW, id=f"pi_{number}") for number in range(10)]
    wins = await asyncio.gather(*(ledger.append(change(intent, key="key")) for intent in intents))
    winner = intents[wins.index(True)]
    assert wins.count(True) == 1
    assert await ledger.use_of("key") == use(body=winner.id)
    assert await ledger.load_all([intent.id for intent in intents]) == {winner.id: winner}


async def test_a_key_can_stand_for_an_answer_without_a_change(ledger: Ledger) -> None:
    assert await ledger.bind(use())
    assert not await ledger.append(change(key="key"))
    assert await ledger.use_of("key") == use()
    assert await ledger.load("pi_1") is None


async def test_changes_written_together_with_a_late_change_are_written(ledger: Ledger) -> None:
    await ledger.append(change(replace(NEW, id="x_3")))
    intents = [replace(NEW, id=f"x_{number}") for number in range(6)]
    wins = await asyncio.gather(*(ledger.append(change(intent)) for intent in intents))
    assert wins == [True, True, True, False, True, True]
    assert await ledger.load_all([intent.id for intent in intents]) == {intent.id: intent for intent in intents}


async def test_several_intents_are_loaded_at_once(ledger: Ledger) -> None:
    newer, other = replace(NEW, version=2), replace(NEW, id="pi_2")
    for intent in (NEW, newer, other):
        await ledger.append(change(intent))
    assert await ledger.load_all({"pi_1", "pi_2", "pi_3"}) == {"pi_1": newer, "pi_2": other}


async def test_an_object_that_a_change_made_leads_to_its_intent(ledger: Ledger) -> None:
    made = CreatedObject("refund", "re_1", "pi_1", 1_800_000_000)
    await ledger.append(replace(change(), made=made))
    assert await ledger.made("re_1") == made
    assert await ledger.made("re_2") is None


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


@pytest.mark.parametrize("kind", ["intent", "refund", "dispute"])
@pytest.mark.parametrize(("span", "expected"), SPANS)
async def test_objects_of_a_kind_are_listed_the_newest_first(
    ledger: Ledger, kind: Kind, span: Span, expected: str
) -> None:
    for identity, created in TIMES.items():
        await ledger.append(
            replace(change(replace(NEW, id=identity)), made=CreatedObject(kind, identity, identity, created))
        )
        await ledger.append(change(replace(NEW, id=identity, version=2)))
    other: Kind = "refund" if kind == "dispute" else "dispute"
    await ledger.append(replace(change(), made=CreatedObject(other, "other", "pi_1", 1_800_000_003)))
    assert [made.id for made in await ledger.listed(kind, span)] == [f"x_{number}" for number in expected]


async def test_intents_whose_settlement_is_due_are_found_until_it_has_happened(ledger: Ledger) -> None:
    for identity, times in (("none", ()), ("late", (20.0,)), ("due", (20.0, 10.0)), ("past", (5.0,))):
        settlements = tuple(Settlement("dispute_opens", time) for time in times)
        await ledger.append(change(replace(NEW, id=identity, settlements=settlements)))
    found = await ledger.to_settle(10.0, 100)
    assert sorted(found.values()) == ["due", "past"]
    assert len(await ledger.to_settle(10.0, 1)) == 1
    assert await ledger.to_settle(4.0, 100) == {}
    await ledger.mark_settled(found)
    assert list((await ledger.to_settle(20.0, 100)).values()) == ["late"]


def announcing(number: int, at: float) -> Change:
    events = (Event(f"evt_{number}", "some.type", "{}"), Event(f"evt_{number}_too", "other.type", "[]"))
    return replace(change(replace(NEW, id=f"pi_{number}")), at=at, events=events)


def webhook(made: Change) -> PendingWebhook:
    return PendingWebhook(made.id, made.at, made.events, due_at=made.at)


async def test_webhook_events_to_deliver_are_found_the_longest_due_first(ledger: Ledger) -> None:
    changes = [announcing(1, 3.0), announcing(2, 1.0), announcing(3, 2.0), announcing(4, 9.0)]
    for one in (*changes, change()):
        await ledger.append(one)
    first, second, third, _ = map(webhook, changes)
    assert await ledger.pending_webhooks(3.0, 100, ()) == [second, third, first]
    assert await ledger.pending_webhooks(3.0, 2, ()) == [second, third]
    assert await ledger.pending_webhooks(3.0, 100, {second.id, first.id}) == [third]


async def test_webhook_events_are_ended_and_postponed_together(ledger: Ledger) -> None:
    changes = [announcing(number, 1.0) for number in range(5)]
    for one in changes:
        await ledger.append(one)
    ids = [one.id for one in changes]
    await ledger.mark_delivered([*ids[:2], "missing"])
    # The second one was delivered by another delivery meanwhile.
    await ledger.postpone([*ids[1:4], "missing"], 7.5)
    assert await ledger.pending_webhooks(7.0, 100, ()) == [webhook(changes[4])]
    later = await ledger.pending_webhooks(7.5, 100, {ids[4]})
    expected = [replace(webhook(one), due_at=7.5, attempts=1) for one in changes[2:4]]
    assert sorted(later, key=lambda one: one.id) == expected


async def test_the_plan_of_faults_is_replaced_and_ended(ledger: Ledger) -> None:
    assert await ledger.faults() is None
    for plan in (FaultPlan(delay=0.5), FaultPlan(conflict=1, seed=7), None, None):
        await ledger.set_faults(plan)
        assert await ledger.faults() == plan


async def test_indexes_are_created_once_more_without_harm(database: Database) -> None:
    ledger = MongoLedger(database)
    for _ in range(2):
        await ledger.create_indexes()
    await ledger.append(change())
    await ledger.create_indexes()
    assert await ledger.load("pi_1") == NEW


async def test_a_mongo_ledger_finds_what_another_process_wrote(mongo_ledger: MongoLedger, database: Database) -> None:
    other = MongoLedger(database)
    await mongo_ledger.append(change(FULL, key="key"))
    assert not await other.append(change(replace(NEW, id="pi_2"), key="key"))
    assert await other.use_of("key") == use(body="pi_1")
    assert await other.load("pi_1") == FULL


async def test_exactly_one_of_two_processes_that_use_a_key_at_once_wins(
    mongo_ledger: MongoLedger, database: Database
) -> None:
    for number in range(20):
        intents = [replace(NEW, id=f"pi_{number}_{process}") for process in range(2)]
        writes = zip((mongo_ledger, MongoLedger(database)), intents, strict=True)
        wins = await asyncio.gather(*(ledger.append(change(intent, key=str(number))) for ledger, intent in writes))
        assert sorted(wins) == [False, True]
        assert await mongo_ledger.use_of(str(number)) == use(str(number), intents[wins.index(True)].id)


async def test_concurrent_requests_of_a_process_go_in_few_commands(
    mongo_ledger: MongoLedger, commands: Commands
) -> None:
    intents = [replace(NEW, id=f"pi_{number}") for number in range(100)]
    commands.names.clear()
    await asyncio.gather(*(mongo_ledger.append(change(intent)) for intent in intents))
    assert await asyncio.gather(*(mongo_ledger.load(intent.id) for intent in intents)) == intents
    assert commands.names == ["insert", "find"]


@pytest.mark.filterwarnings("ignore:unclosed <socket")  # pymongo leaves one open when it is closed while it connects
async def test_a_mongo_ledger_without_its_database_says_so() -> None:
    await every_question_finds_a_ledger_unavailable()
    gc.collect()  # here, where the warning is expected


async def every_question_finds_a_ledger_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mongodb://127.0.0.1:{silent.getsockname()[1]}"
        async with AsyncMongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=50, connectTimeoutMS=50) as client:
            ledger = MongoLedger(client["nowhere"])
            with pytest.raises(LedgerUnavailable):
                await ledger.load("pi_1")
            with pytest.raises(LedgerUnavailable):
                await ledger.append(change())
            with pytest.raises(LedgerUnavailable):
                await ledger.use_of("key")
            with pytest.raises(LedgerUnavailable):
                await ledger.pending_webhooks(1.0, 1, ())
