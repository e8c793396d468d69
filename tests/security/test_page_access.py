"""Who may see and send which page. A page route that is not in the table fails; ownership is tested with each page."""

from enum import Enum, auto

import pytest

from serve_app.api import create_api
from tests.api.world import NOBODY, World
from tests.security.test_authorisation_matrix import routes_in

BROWSER = {"accept": "text/html"}
Key = tuple[str, str]


class Access(Enum):
    """Signed-out people are led to the sign-in; pages of administrators are 404 to everybody else."""

    ANYONE = auto()
    SIGNED_IN = auto()
    ADMINISTRATORS = auto()


PAGES: dict[Key, Access] = {
    ("GET", "/static/{digest}/{name}"): Access.ANYONE,
    ("GET", "/help"): Access.ANYONE,
}


def page_routes(world: World) -> set[Key]:
    found = set()
    for route in routes_in(create_api(world.services)):
        if route.endpoint.__module__.startswith("serve_app.web."):
            found |= {(method, route.path) for method in (route.methods or ()) if method != "HEAD"}
    return found


def address_of(path: str) -> str:
    names = dict.fromkeys(("ticket_id", "order_id", "user_id", "session_id", "report_id"), NOBODY)
    return path.format(digest="0" * 12, name="holdfast.css", **names)


def keys_of(access: Access) -> list[Key]:
    return [key for key, found in PAGES.items() if found is access]


async def test_every_page_route_is_in_the_table_and_nothing_else(world: World) -> None:
    assert page_routes(world) == set(PAGES)


@pytest.mark.parametrize("key", keys_of(Access.SIGNED_IN), ids=" ".join)
async def test_signed_out_visitor_is_led_to_the_sign_in(world: World, key: Key) -> None:
    response = await world.anyone().http.request(key[0], address_of(key[1]), headers=BROWSER)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/signin?next=/")


@pytest.mark.parametrize("key", keys_of(Access.ANYONE), ids=" ".join)
async def test_public_page_does_not_ask_for_a_session(world: World, key: Key) -> None:
    response = await world.anyone().http.request(key[0], address_of(key[1]), headers=BROWSER)
    assert response.status_code < 500
    assert "/signin" not in response.headers.get("location", "")


@pytest.mark.parametrize("key", keys_of(Access.ADMINISTRATORS), ids=" ".join)
async def test_page_of_administrators_is_unknown_to_everybody_else(world: World, key: Key) -> None:
    for person in (world.anyone(), await world.someone()):
        response = await person.http.request(key[0], address_of(key[1]), headers=BROWSER)
        assert response.status_code == 404
