"""How long a sign-in takes does not tell whether there is such an account."""

import statistics
import time

import httpx
import pytest

from tests.api.world import World

pytestmark = pytest.mark.slow
ROUNDS = 60
TRIES = 3
CLOSE = 0.10


async def test_a_known_and_an_unknown_address_take_as_long(unlimited: World) -> None:
    """Medians of interleaved sign-ins with a wrong password; on a busy machine the measurement may be repeated."""
    member, person = await unlimited.member(), unlimited.anyone()
    for _ in range(TRIES):
        known, unknown = await medians(person.http, member.email)
        if abs(known - unknown) < CLOSE * min(known, unknown):
            return
    raise AssertionError(f"{known * 1_000:.1f} ms for a known address, {unknown * 1_000:.1f} ms for an unknown one")


async def test_the_measurement_finds_a_shortcut(unlimited: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: without the verification of nobody's password the address of nobody is refused sooner."""
    member = await unlimited.member()
    verify = unlimited.services.passwords.verify

    async def hasty(password: str, password_hash: str | None) -> bool:
        return password_hash is not None and await verify(password, password_hash)

    monkeypatch.setattr(unlimited.services.passwords, "verify", hasty)
    known, unknown = await medians(unlimited.anyone().http, member.email)
    assert unknown < known * (1 - CLOSE)


async def medians(http: httpx.AsyncClient, email: str) -> tuple[float, float]:
    """Seconds of a sign-in with a wrong password, for the address and for one that nobody has."""
    seconds: dict[str, list[float]] = {email: [], f"not-{email}": []}
    for _ in range(ROUNDS):
        for address, taken in seconds.items():
            began = time.perf_counter()
            response = await http.post("/api/users/signin", json={"email": address, "password": "a wrong password"})
            taken.append(time.perf_counter() - began)
            assert response.status_code == 401
    known, unknown = (statistics.median(taken) for taken in seconds.values())
    return known, unknown
