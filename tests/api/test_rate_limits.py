import asyncio
from collections import Counter

import pytest
from limits import RateLimitItemPerMinute

from serve_app.http.errors import NotAuthorizedError, TooManyRequestsError
from serve_app.security.rate_limits import RateLimits
from tests.api.world import World, errors

ACCOUNT = {"email": "ada@example.com", "password": "a long enough password"}


async def test_the_eleventh_failed_sign_in_of_an_account_has_to_wait(world: World) -> None:
    account = {**ACCOUNT, "email": f"{world.address}@example.com"}
    person = world.anyone()
    attempts = (person.http.post("/api/users/signin", json=account) for _ in range(11))
    responses = await asyncio.gather(*attempts)
    assert Counter(response.status_code for response in responses) == {401: 10, 429: 1}
    [refused] = [response for response in responses if response.status_code == 429]
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert errors(refused)


async def test_sign_ins_that_succeed_do_not_count(world: World) -> None:
    account = {**ACCOUNT, "email": f"{world.address}@example.com"}
    person = world.anyone()
    await person.http.post("/api/users/signup", json=account)
    for _ in range(12):
        assert (await person.http.post("/api/users/signin", json=account)).status_code == 200


async def test_failed_sign_ins_count_for_the_address_over_all_accounts(world: World) -> None:
    limits = world.services.limits
    for number in range(60):
        with pytest.raises(NotAuthorizedError):
            await fail(limits, f"{world.address}-{number}", world.address)
    with pytest.raises(TooManyRequestsError):
        await fail(limits, f"{world.address}-last", world.address)


async def test_an_address_signs_up_600_times_an_hour(world: World) -> None:
    for _ in range(600):
        await world.services.limits.signup(world.address)
    response = await world.anyone().http.post("/api/users/signup", json=ACCOUNT)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) <= 3_600


async def test_limits_hold_in_memory_while_redis_is_away(world: World) -> None:
    limits = RateLimits("redis://127.0.0.1:1/0", enabled=True)
    for _ in range(600):
        await limits.signup(world.address)
    with pytest.raises(TooManyRequestsError):
        await limits.signup(world.address)
    await limits.close()


async def test_limits_can_be_lifted(world: World, redis_url: str) -> None:
    limits = RateLimits(redis_url, enabled=False)
    for _ in range(601):
        await limits.signup(world.address)
    await limits.close()


async def test_simultaneous_failures_are_limited_and_refused_ones_use_up_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = RateLimitItemPerMinute(20, 5, namespace=f"all-{world.address}")
    monkeypatch.setattr("serve_app.security.rate_limits._SIGNINS_OF_ALL", few)
    limits = world.services.limits
    for number in range(20):
        with pytest.raises(NotAuthorizedError):
            await fail(limits, f"{world.address}-{number}", f"{world.address}-{number}")
    for _ in range(15):
        with pytest.raises(TooManyRequestsError) as refused:
            await fail(limits, f"{world.address}-new", f"{world.address}-new")
        assert refused.value.retry_after_seconds
    monkeypatch.undo()
    with pytest.raises(NotAuthorizedError):
        await fail(limits, f"{world.address}-new", f"{world.address}-new")


async def fail(limits: RateLimits, account: str, address: str) -> None:
    async with limits.signin(account, address):
        raise NotAuthorizedError
