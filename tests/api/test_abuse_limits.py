"""What somebody may do how often, beyond signing in: by user and by address, with the seconds to wait."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from config.settings import Settings
from serve_app.http.errors import TooManyRequestsError
from serve_app.security.leaky_buckets import LeakyBuckets, Rate
from serve_app.security.rate_limits import RateLimits
from tests.api.fake_market import DECLINED, UNKNOWN
from tests.api.world import NOBODY, PASSWORD, TICKET, World, errors, fields
from tests.support.local_market import LocalMarket, local_market

SIGNUP = "/api/users/signup"


class Time:
    """The seconds that limits go by, until the test moves them on."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def limits(redis_url: str, time: Time) -> AsyncIterator[RateLimits]:
    limits = RateLimits(redis_url, enabled=True, now=time)
    yield limits
    await limits.close()


@pytest.fixture
def limited(world: World, limits: RateLimits) -> World:
    return world.serving(limits=limits)


def test_bucket_takes_as_many_as_its_rate_says_and_leaks_evenly() -> None:
    buckets = LeakyBuckets(Rate(10, 60))
    for _ in range(10):
        assert buckets.wait("ann", 0.0) == 0
        buckets.add("ann", 0.0)
    assert buckets.wait("ann", 0.0) == 6
    assert buckets.wait("ann", 5.9) == 1
    assert buckets.wait("ann", 6.0) == 0
    assert buckets.wait("bob", 0.0) == 0
    buckets.add("ann", 6.0)
    assert buckets.wait("ann", 6.0) == 6
    assert buckets.wait("ann", 600.0) == 0


def test_bucket_that_is_not_as_deep_refills_as_evenly() -> None:
    buckets = LeakyBuckets(Rate(60, 60, at_once=3))
    for _ in range(3):
        assert buckets.wait("ann", 0.0) == 0
        buckets.add("ann", 0.0)
    assert buckets.wait("ann", 0.0) == 1
    for second in range(1, 61):
        assert buckets.wait("ann", second) == 0
        buckets.add("ann", second)
        assert buckets.wait("ann", second) == 1


def test_buckets_remember_a_bounded_number_of_names() -> None:
    buckets = LeakyBuckets(Rate(1, 60))
    for number in range(50_010):
        buckets.add(str(number), 0.0)
    assert len(buckets._empty_at) == 50_000
    assert buckets.wait("50009", 0.0) == 60


@pytest.mark.parametrize(
    ("take", "of_user", "of_address"),
    [
        (lambda limits: limits.change, 100, 1_000),
        (lambda limits: limits.hold, 300, 6_000),
        (lambda limits: limits.export, 10, 60),
    ],
)
def test_one_user_has_to_wait_and_then_one_address(
    limits: RateLimits,
    time: Time,
    take: Callable[[RateLimits], Callable[[str, str], None]],
    of_user: int,
    of_address: int,
) -> None:
    count = take(limits)
    for _ in range(of_user):
        count("flood", "a")
    with pytest.raises(TooManyRequestsError) as refused:
        count("flood", "a")
    assert refused.value.retry_after_seconds is not None
    time.seconds += refused.value.retry_after_seconds
    count("flood", "a")

    def flood_from_many_accounts() -> None:
        for number in range(2 * of_address):
            count(f"user {number}", "a")

    with pytest.raises(TooManyRequestsError):
        flood_from_many_accounts()
    count("user elsewhere", "b")


async def test_buyer_who_reserves_without_end_has_to_wait_and_others_do_not(limited: World, time: Time) -> None:
    flood, other = await limited.someone(), await limited.someone()
    for _ in range(300):
        limited.services.limits.hold(flood.id, limited.address)
    refused = await flood.http.post("/api/orders", json={"ticketId": NOBODY})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert errors(refused)
    assert (await other.http.post("/api/orders", json={"ticketId": NOBODY})).status_code == 404
    time.seconds += 300
    assert (await flood.http.post("/api/orders", json={"ticketId": NOBODY})).status_code == 404


async def test_seller_who_lists_without_end_has_to_wait(limited: World) -> None:
    seller = await limited.someone()
    ticket = await seller.lists()
    for _ in range(99):
        limited.services.limits.change(seller.id, limited.address)
    path = f"/api/tickets/{ticket['id']}"
    answers = [
        await seller.http.post("/api/tickets", json=TICKET),
        await seller.http.put(path, json=TICKET),
        await seller.http.delete(path),
    ]
    assert [answer.status_code for answer in answers] == [429] * 3
    assert {answer.headers["retry-after"] for answer in answers} == {"3"}
    assert (await seller.http.get(path)).json()["version"] == 1


@pytest.mark.parametrize("card", [DECLINED, UNKNOWN])
async def test_account_that_tries_cards_is_stopped_after_ten_that_were_refused(limited: World, card: str) -> None:
    seller, tester = await limited.someone(), await limited.someone()
    statuses: Counter[int] = Counter()
    for _ in range(12):
        order = await tester.orders(await seller.lists())
        response = await tester.pays(order, card)
        statuses[response.status_code] += 1
        if response.status_code == 429:
            assert 1 <= int(response.headers["retry-after"]) <= 3_600
        await tester.http.delete(f"/api/orders/{order['id']}")
    assert statuses == {402 if card == DECLINED else 400: 10, 429: 2}


@dataclass(frozen=True)
class CardTrials:
    """A world with limits and with real payments, whose cards may ask for 3-D Secure."""

    world: World
    market: LocalMarket

    async def bank_refuses(self, secret: str) -> None:
        assert self.market.account.sandbox is not None
        await self.market.account.sandbox.authenticate(secret, succeeds=False)


@pytest.fixture
async def trials(world: World, limits: RateLimits, settings: Settings) -> AsyncIterator[CardTrials]:
    async with local_market(settings) as market:
        yield CardTrials(world.serving(limits=limits, market=market), market)


async def test_cards_that_ask_for_3d_secure_and_are_given_up_for_the_next_one_count_as_refused(
    trials: CardTrials,
) -> None:
    seller, tester = await trials.world.someone(), await trials.world.someone()
    order = await tester.orders(await seller.lists())
    cards = ["pm_card_authenticationRequired", "pm_card_threeDSecure2Required"] * 6
    statuses = [(await tester.pays(order, card)).status_code for card in cards]
    assert statuses == [202] * 11 + [429]


async def test_a_card_whose_bank_said_no_before_the_next_one_counts_as_refused(trials: CardTrials) -> None:
    seller, tester = await trials.world.someone(), await trials.world.someone()
    statuses: Counter[int] = Counter()
    for _ in range(11):
        order = await tester.orders(await seller.lists())
        asked = await tester.pays(order, "pm_card_authenticationRequired")
        statuses[asked.status_code] += 1
        if asked.status_code == 202:
            await trials.bank_refuses(asked.json()["clientSecret"])
            statuses[(await tester.pays(order, "pm_card_visa")).status_code] += 1
    assert statuses == {202: 10, 409: 10, 429: 1}


async def test_a_card_that_asks_for_3d_secure_and_pays_does_not_count_as_refused(trials: CardTrials) -> None:
    seller, buyer = await trials.world.someone(), await trials.world.someone()
    for _ in range(11):
        order = await buyer.orders(await seller.lists())
        asked = await buyer.pays(order, "pm_card_authenticationRequired")
        assert trials.market.account.sandbox is not None
        await trials.market.account.sandbox.authenticate(asked.json()["clientSecret"], succeeds=True)
        assert (await buyer.http.post("/api/payments", json={"orderId": order["id"]})).status_code == 201


async def test_address_that_tries_cards_with_many_accounts_is_stopped(limited: World) -> None:
    limits = limited.services.limits
    for number in range(200):
        await limits.payment_refused(f"{limited.address} {number}", limited.address)
    with pytest.raises(TooManyRequestsError):
        await limits.pay("another", limited.address)
    await limits.pay("another", f"not {limited.address}")


async def test_payments_that_succeed_do_not_count_as_refused(limited: World) -> None:
    seller, buyer = await limited.someone(), await limited.someone()
    for _ in range(12):
        order = await buyer.orders(await seller.lists())
        assert (await buyer.pays(order)).status_code == 201


async def test_limits_are_lifted_for_load_tests(redis_url: str, time: Time) -> None:
    limits = RateLimits(redis_url, enabled=False, now=time)
    for _ in range(1_300):
        limits.hold("one", "a")
        limits.change("one", "a")
    await limits.payment_refused("one", "a")
    await limits.pay("one", "a")
    await limits.close()


async def test_signing_up_again_and_again_does_not_fill_an_inbox(world: World) -> None:
    """Also not when each account is closed before the next, or with something behind a plus."""
    mailbox = f"victim{world.address.replace('.', '-')}"
    for number in range(12):
        email = f"{mailbox}+{number}@example.com" if number % 2 else f"{mailbox}@example.com"
        person = world.anyone()
        response = await person.http.post(SIGNUP, json={"email": email, "password": PASSWORD})
        assert response.status_code == 201
        closed = await person.http.request("DELETE", "/api/users/me", json={"password": PASSWORD})
        assert closed.status_code == 204
    assert await world.database["mails"].count_documents({"kind": "verification"}) == 5


async def test_password_that_is_guessed_at_sign_up_with_a_repeated_key_counts(world: World) -> None:
    account = {"email": f"{world.address}@example.com", "password": PASSWORD}
    key = {"Idempotency-Key": "always the same"}
    assert (await world.anyone().http.post(SIGNUP, json=account, headers=key)).status_code == 201
    guesses: Counter[int] = Counter()
    for number in range(12):
        guess = {**account, "password": f"a wrong password {number}"}
        guesses[(await world.anyone().http.post(SIGNUP, json=guess, headers=key)).status_code] += 1
    assert guesses == {409: 10, 429: 2}
    right = await world.anyone().http.post(SIGNUP, json=account, headers=key)
    assert right.status_code == 429, "the right one is not told apart"
    assert fields(right) == {""}
