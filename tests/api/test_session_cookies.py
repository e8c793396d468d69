"""The session's cookie: which one it is, and who can read it."""

import pytest
from starlette.responses import Response

from tests.api.sessions import SECURE_URL, served_by, sessions_with, status_of, token_of
from tests.api.world import World


async def test_the_cookie_is_kept_from_scripts_and_other_sites(world: World) -> None:
    person = await world.someone()
    user, response = await world.services.users.by_id(person.id), Response()
    assert user
    await world.services.sessions.begin(response, user)
    attributes = response.headers["set-cookie"].split("; ")[1:]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(attributes)
    assert "Secure" not in attributes


async def test_with_https_the_cookie_is_bound_to_the_host(world: World) -> None:
    person = await world.someone()
    user, response = await world.services.users.by_id(person.id), Response()
    assert user
    await sessions_with(world, public_url=SECURE_URL).begin(response, user)
    assert response.headers["set-cookie"].startswith("__Host-session=")
    assert "Secure" in response.headers["set-cookie"]


async def test_with_https_a_cookie_without_the_prefix_is_none(world: World) -> None:
    person = served_by(world, sessions_with(world, public_url=SECURE_URL), SECURE_URL)
    person.http.cookies.set("session", token_of(world))
    assert await status_of(person) == 401
    person.http.cookies.set("__Host-session", token_of(world))
    assert await status_of(person) == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_two_markets_on_one_host_do_not_sign_each_other_out(world: World, scheme: str) -> None:
    here, there = (sessions_with(world, public_url=f"{scheme}://localhost:{port}") for port in (8000, 8001))
    someone = await world.someone()
    user = await world.services.users.by_id(someone.id)
    assert user
    names = []
    for sessions in (here, there):
        response = Response()
        await sessions.begin(response, user)
        names.append(response.headers["set-cookie"].partition("=")[0])
    assert len(set(names)) == 2
    assert all(name.startswith("__Host-") == (scheme == "https") for name in names)


async def test_a_session_is_read_from_the_name_that_all_ports_had(world: World) -> None:
    person = served_by(world, sessions_with(world, public_url="http://localhost:8001"))
    person.http.cookies.set("session", token_of(world))
    assert await status_of(person) == 200


async def test_another_markets_cookie_beside_ones_own_does_no_harm(world: World) -> None:
    person = served_by(world, sessions_with(world, public_url="http://localhost:8001"))
    for name in ("session", "session-8000", "session-8002"):
        person.http.cookies.set(name, "a.token.ofsomebodyelse")
    person.http.cookies.set("session-8001", token_of(world))
    assert await status_of(person) == 200
