"""How long a sign-in takes does not tell whether there is such an account.

Measured in processor time of the service, which other programs on the machine do not disturb: both sign-ins ask the
database the same, and wait for nothing else.
"""

import statistics
import time

import httpx
import pytest

from tests.api.world import World

pytestmark = pytest.mark.slow
PAIRS = 60
TRIES = 3
# Of a sign-in's processor time.
CLOSE = 0.03
LEAK = 0.06


async def test_signin_takes_as_long_for_a_known_as_for_an_unknown_address(unlimited: World) -> None:
    """On a busy machine the measurement may be repeated."""
    member, http = await unlimited.member(), unlimited.anyone().http
    differences = [await difference(http, member.email)]
    while abs(differences[-1]) >= CLOSE and len(differences) < TRIES:
        differences.append(await difference(http, member.email))
    assert abs(differences[-1]) < CLOSE, f"a known address takes longer by these shares: {differences}"


async def test_without_a_hash_to_verify_signin_is_quicker_for_an_unknown_address(
    unlimited: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    member, http = await unlimited.member(), unlimited.anyone().http
    verify = unlimited.services.passwords.verify

    async def hasty(password: str, password_hash: str | None) -> bool:
        return password_hash is not None and await verify(password, password_hash)

    monkeypatch.setattr(unlimited.services.passwords, "verify", hasty)
    assert await difference(http, member.email) > CLOSE


async def test_the_measurement_finds_a_leak_of_a_few_percent_of_a_signin(
    unlimited: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of its precision."""
    member, http = await unlimited.member(), unlimited.anyone().http
    verify = unlimited.services.passwords.verify
    longer = LEAK * statistics.median([await seconds_of_signin(http, member.email) for _ in range(PAIRS // 5)])

    async def leaking(password: str, password_hash: str | None) -> bool:
        matches = await verify(password, password_hash)
        ends = time.process_time() + (longer if password_hash is not None else 0)
        while time.process_time() < ends:
            pass
        return matches

    monkeypatch.setattr(unlimited.services.passwords, "verify", leaking)
    differences = [await difference(http, member.email) for _ in range(TRIES)]
    assert min(differences) > CLOSE, "so no repetition would have let it pass"


async def difference(http: httpx.AsyncClient, known: str) -> float:
    """How much longer a sign-in with a known address takes than the one beside it, as a share: the median of pairs."""
    unknown = f"not-{known}"
    longer, seconds = [], []
    for pair in range(PAIRS):
        addresses = (known, unknown) if pair % 2 else (unknown, known)
        taken = {address: await seconds_of_signin(http, address) for address in addresses}
        longer.append(taken[known] - taken[unknown])
        seconds.append(taken[known])
    return statistics.median(longer) / statistics.median(seconds)


async def seconds_of_signin(http: httpx.AsyncClient, address: str) -> float:
    """With a wrong password."""
    began = time.process_time()
    response = await http.post("/api/users/signin", json={"email": address, "password": "a wrong password"})
    ended = time.process_time()
    if response.status_code == 503:  # the database of a busy machine did not answer; that is another test's matter
        return await seconds_of_signin(http, address)
    assert response.status_code == 401
    return ended - began
