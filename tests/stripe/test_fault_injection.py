"""What goes wrong on purpose, seen from our client; and that nothing else does."""

import time
from random import Random

import pytest

from actors.stripe import Stripe, connect
from actors.stripe.errors import OutcomeUnknown, RateLimited, ServerFailed, StripeFailure
from actors.stripe.sandbox import FaultPlan, Ledger, LedgerUnavailable, MemoryLedger, Sandbox, SandboxHTTPClient
from actors.stripe.sandbox.fault_injector import FaultInjector
from tests.stripe.webhook import Webhook, delivering, delivery_to, serving, until
from tests.stripe.wire import API_KEY, Clock, Wire

TAKEN = "payment_intent.succeeded"


async def create(stripe: Stripe, key: str = "key") -> str:
    made = await stripe.create_intent(
        amount=5000, currency="usd", payment_method="pm_card_visa", metadata={}, idempotency_key=key
    )
    return made.id


async def switch(ledger: Ledger, clock: Clock, plan: FaultPlan | None) -> None:
    await ledger.set_faults(plan)
    clock.time += 1


async def failure_of_a_creation(stripe: Stripe) -> StripeFailure:
    with pytest.raises(StripeFailure) as raised:
        await create(stripe)
    return raised.value


async def made(stripe: Stripe) -> list[str]:
    return [intent.id async for intent in stripe.intents()]


async def test_a_lost_answer_is_of_work_that_was_done(ledger: Ledger, stripe: Stripe, clock: Clock) -> None:
    await ledger.set_faults(FaultPlan(lost_answer=1))
    assert type(await failure_of_a_creation(stripe)) is OutcomeUnknown
    await switch(ledger, clock, None)
    (intent_id,) = await made(stripe)
    assert await create(stripe) == intent_id


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (FaultPlan(conflict=1), (OutcomeUnknown, "idempotency_key_in_use")),
        (FaultPlan(rate_limit=1), (RateLimited, "rate_limit")),
        (FaultPlan(connection_reset=1), (OutcomeUnknown, None)),
    ],
)
async def test_other_faults_do_nothing_and_a_repeat_goes_through(
    ledger: Ledger, stripe: Stripe, clock: Clock, plan: FaultPlan, expected: tuple[type[StripeFailure], str | None]
) -> None:
    await ledger.set_faults(plan)
    failure = await failure_of_a_creation(stripe)
    assert (type(failure), failure.code) == expected
    await switch(ledger, clock, None)
    assert await made(stripe) == []
    assert await create(stripe) == (await made(stripe))[0]


async def test_a_server_error_stays_with_its_key(ledger: Ledger, stripe: Stripe, clock: Clock) -> None:
    await ledger.set_faults(FaultPlan(server_error=1))
    assert type(await failure_of_a_creation(stripe)) is ServerFailed
    await switch(ledger, clock, None)
    assert type(await failure_of_a_creation(stripe)) is ServerFailed
    assert await made(stripe) == []
    assert await create(stripe, "another key") == (await made(stripe))[0]


async def test_a_server_error_does_not_replace_a_saved_answer(ledger: Ledger, stripe: Stripe, clock: Clock) -> None:
    intent_id = await create(stripe)
    await switch(ledger, clock, FaultPlan(server_error=1))
    assert await create(stripe) == intent_id


async def test_a_repeated_server_error_says_that_it_is_replayed(ledger: Ledger, wire: Wire) -> None:
    await ledger.set_faults(FaultPlan(server_error=1))
    intent = {"amount": 5000, "currency": "usd", "allowed_payment_method_types[0]": "card"}
    first = await wire.post("/v1/payment_intents", intent, key="key")
    second = await wire.post("/v1/payment_intents", intent, key="key")
    assert (first.status, second.status, first.body) == (500, 500, second.body)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_lookups_are_spared_faults_of_changes(ledger: Ledger, stripe: Stripe, clock: Clock) -> None:
    intent_id = await create(stripe)
    await switch(ledger, clock, FaultPlan(lost_answer=1, conflict=1, server_error=1))
    assert (await stripe.retrieve(intent_id)).id == intent_id


@pytest.mark.parametrize(
    ("plan", "kind"), [(FaultPlan(rate_limit=1), RateLimited), (FaultPlan(connection_reset=1), OutcomeUnknown)]
)
async def test_lookups_meet_the_other_faults(
    ledger: Ledger, stripe: Stripe, clock: Clock, *, plan: FaultPlan, kind: type[StripeFailure]
) -> None:
    intent_id = await create(stripe)
    await switch(ledger, clock, plan)
    with pytest.raises(kind):
        await stripe.retrieve(intent_id)


async def test_an_answer_is_delayed(ledger: Ledger, stripe: Stripe) -> None:
    await ledger.set_faults(FaultPlan(delay=1, delay_seconds=0.1))
    started = time.monotonic()
    await create(stripe)
    assert time.monotonic() - started >= 0.1


async def test_a_delay_beyond_the_timeout_is_an_unknown_outcome(sandbox: Sandbox, ledger: Ledger) -> None:
    await ledger.set_faults(FaultPlan(delay=1, delay_seconds=1000))
    http_client = SandboxHTTPClient(sandbox, timeout_seconds=0.01)
    stripe = connect(api_key=API_KEY, api_base=None, http_client=http_client)
    assert type(await failure_of_a_creation(stripe)) is OutcomeUnknown


class CountingLedger(MemoryLedger):
    """Counts how often the plan is read; it cannot be reached while `is_away`."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.is_away = False

    async def faults(self) -> FaultPlan | None:
        self.reads += 1
        if self.is_away:
            raise LedgerUnavailable
        return await super().faults()


async def test_the_plan_is_read_at_most_once_a_second(clock: Clock) -> None:
    ledger = CountingLedger()
    watch = FaultInjector(ledger, clock, Random())  # noqa: S311  # for faults, not for secrets
    for _ in range(10):
        assert await watch.plan() == FaultPlan()
    await ledger.set_faults(FaultPlan(delay=1))
    clock.time += 0.9
    assert (await watch.plan(), ledger.reads) == (FaultPlan(), 1)
    clock.time += 0.1
    assert (await watch.plan(), ledger.reads) == (FaultPlan(delay=1), 2)


async def test_the_plan_stays_in_force_while_the_ledger_is_away(clock: Clock) -> None:
    ledger = CountingLedger()
    watch = FaultInjector(ledger, clock, Random())  # noqa: S311  # for faults, not for secrets
    await ledger.set_faults(FaultPlan(delay=1))
    await watch.plan()
    ledger.is_away = True
    clock.time += 1
    assert await watch.plan() == FaultPlan(delay=1)


async def test_a_seed_draws_the_same_numbers_again(clock: Clock) -> None:
    async def drawn(seed: int) -> list[bool]:
        ledger = MemoryLedger()
        await ledger.set_faults(FaultPlan(conflict=0.5, seed=seed))
        watch = FaultInjector(ledger, clock, Random())  # noqa: S311  # for faults, not for secrets
        plan = await watch.plan()
        return [watch.strikes(plan.conflict) for _ in range(64)]

    assert await drawn(1) == await drawn(1)
    assert await drawn(1) != await drawn(2)
    assert 16 < sum(await drawn(1)) < 48


@pytest.mark.parametrize("fields", [{"conflict": -0.1}, {"rate_limit": 1.1}, {"delay_seconds": -1}])
def test_a_fault_plan_with_an_invalid_probability_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        FaultPlan(**fields)  # type: ignore[arg-type]  # the seed is none of these


async def test_a_webhook_is_delivered_twice(ledger: Ledger, clock: Clock) -> None:
    sandbox = Sandbox(ledger, now=clock, event_types={TAKEN})
    # Before the delivery begins: it reads the plan when it first looks for events.
    await Wire(SandboxHTTPClient(sandbox)).captured()
    await switch(ledger, clock, FaultPlan(duplicate_webhook=1))
    async with serving(Webhook()) as webhook, delivering(delivery_to(webhook, sandbox)):
        await until(lambda: webhook.types == [TAKEN, TAKEN])
    assert len({event["id"] for event in webhook.events}) == 1


class Drawn(Random):
    """Always draws a tenth of what it could."""

    def random(self) -> float:
        return 0.1


async def test_a_webhook_is_held_back(ledger: Ledger, clock: Clock) -> None:
    sandbox = Sandbox(ledger, now=clock, random=Drawn(), event_types={TAKEN})
    await Wire(SandboxHTTPClient(sandbox)).captured()
    await switch(ledger, clock, FaultPlan(reorder_webhook=1))
    started = time.monotonic()
    async with serving(Webhook()) as webhook, delivering(delivery_to(webhook, sandbox)):
        await until(lambda: webhook.types == [TAKEN])
    assert time.monotonic() - started >= 0.2
