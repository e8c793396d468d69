import pytest

from tests.api.world import World, errors

FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:8001"},
    {"Origin": "http://localhost:8000.evil.example"},
    {"Origin": ""},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8000"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://LOCALHOST:8000"},
    {"Origin": "http://127.0.0.1:8000", "Host": "127.0.0.1:8000"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_site_changes_nothing(world: World, headers: dict[str, str]) -> None:
    person = world.anyone()
    for method, path in (("POST", "/api/tickets"), ("PUT", "/api/tickets/x"), ("DELETE", "/api/orders/x")):
        response = await person.http.request(method, path, headers=headers)
        assert response.status_code == 403
        assert errors(response)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_site_may_link_here(world: World, headers: dict[str, str]) -> None:
    assert (await world.anyone().http.get("/api/tickets", headers=headers)).status_code == 200


@pytest.mark.parametrize("headers", OWN, ids=str)
async def test_own_pages_and_programs_pass(world: World, headers: dict[str, str]) -> None:
    assert (await world.anyone().http.post("/api/users/signout", headers=headers)).status_code == 200
