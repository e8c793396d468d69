"""Who may see and send which page. A page route that is not in the table fails; ownership is tested with each page."""

from enum import Enum, auto

import pytest

from serve_app.api import create_api
from tests.api.routes import routes_in
from tests.api.world import NOBODY, World

BROWSER = {"accept": "text/html"}
Key = tuple[str, str]


class Access(Enum):
    """Signed-out people are led to the sign-in, or on to another page; of administrators' pages nobody else hears."""

    ANYONE = auto()
    LEADS_ON = auto()
    SIGNED_IN = auto()
    ADMINS = auto()


PAGES: dict[Key, Access] = {
    ("GET", "/"): Access.ANYONE,
    ("GET", "/static/{digest}/{name}"): Access.ANYONE,
    ("GET", "/help"): Access.ANYONE,
    ("GET", "/accessibility"): Access.ANYONE,
    ("GET", "/privacy"): Access.ANYONE,
    ("GET", "/terms"): Access.ANYONE,
    ("GET", "/robots.txt"): Access.ANYONE,
    ("GET", "/live"): Access.ANYONE,
    ("GET", "/sitemap.xml"): Access.ANYONE,
    ("GET", "/opensearch.xml"): Access.ANYONE,
    ("GET", "/site.webmanifest"): Access.ANYONE,
    ("GET", "/.well-known/change-password"): Access.ANYONE,
    ("GET", "/.well-known/security.txt"): Access.ANYONE,
    ("GET", "/signup"): Access.ANYONE,
    ("POST", "/signup"): Access.ANYONE,
    ("GET", "/signin"): Access.ANYONE,
    ("POST", "/signin"): Access.ANYONE,
    ("GET", "/verify"): Access.ANYONE,
    ("POST", "/verify"): Access.ANYONE,
    ("GET", "/reset-password"): Access.ANYONE,
    ("POST", "/reset-password"): Access.ANYONE,
    ("GET", "/tickets/{ticket_id}"): Access.ANYONE,
    ("GET", "/tickets/{ticket_id}/buy"): Access.ANYONE,
    # Sign-out ends a session if there is one; what only leads elsewhere tells nothing.
    ("POST", "/signout"): Access.LEADS_ON,
    ("GET", "/signout"): Access.LEADS_ON,
    ("GET", "/account/password"): Access.LEADS_ON,
    ("GET", "/account/verification"): Access.LEADS_ON,
    ("GET", "/account/sessions"): Access.LEADS_ON,
    ("GET", "/account/sessions/{session_id}"): Access.LEADS_ON,
    ("GET", "/account/tokens"): Access.LEADS_ON,
    ("GET", "/account/tokens/{token_id}"): Access.LEADS_ON,
    ("GET", "/account/close"): Access.LEADS_ON,
    ("GET", "/account/webhooks/{endpoint_id}/rotate"): Access.LEADS_ON,
    ("GET", "/account/webhooks/{endpoint_id}/test"): Access.LEADS_ON,
    ("GET", "/account/webhooks/{endpoint_id}/delete"): Access.LEADS_ON,
    ("GET", "/account/webhooks/{endpoint_id}/deliveries/{delivery_id}"): Access.LEADS_ON,
    ("GET", "/listings/{ticket_id}/refund"): Access.LEADS_ON,
    ("GET", "/tickets/{ticket_id}/favourite"): Access.LEADS_ON,
    ("GET", "/tickets/{ticket_id}/wait"): Access.LEADS_ON,
    ("GET", "/tickets/{ticket_id}/leave-line"): Access.LEADS_ON,
    ("GET", "/listings/{ticket_id}/close-line"): Access.LEADS_ON,
    ("POST", "/tickets/{ticket_id}/wait"): Access.SIGNED_IN,
    ("POST", "/tickets/{ticket_id}/leave-line"): Access.SIGNED_IN,
    ("POST", "/listings/{ticket_id}/close-line"): Access.SIGNED_IN,
    ("GET", "/orders/{order_id}/accept"): Access.SIGNED_IN,
    ("POST", "/orders/{order_id}/accept"): Access.SIGNED_IN,
    ("POST", "/tickets/{ticket_id}/buy"): Access.SIGNED_IN,
    ("GET", "/tickets/{ticket_id}/edit"): Access.SIGNED_IN,
    ("POST", "/tickets/{ticket_id}/edit"): Access.SIGNED_IN,
    ("GET", "/tickets/{ticket_id}/withdraw"): Access.SIGNED_IN,
    ("POST", "/tickets/{ticket_id}/withdraw"): Access.SIGNED_IN,
    ("GET", "/favourites"): Access.SIGNED_IN,
    ("POST", "/tickets/{ticket_id}/favourite"): Access.SIGNED_IN,
    ("GET", "/tickets/{ticket_id}/report"): Access.SIGNED_IN,
    ("POST", "/tickets/{ticket_id}/report"): Access.SIGNED_IN,
    ("GET", "/sell"): Access.SIGNED_IN,
    ("POST", "/sell"): Access.SIGNED_IN,
    ("GET", "/listings"): Access.SIGNED_IN,
    ("GET", "/listings.csv"): Access.SIGNED_IN,
    ("GET", "/listings/{ticket_id}"): Access.SIGNED_IN,
    ("POST", "/listings/{ticket_id}/refund"): Access.SIGNED_IN,
    ("GET", "/orders"): Access.SIGNED_IN,
    ("GET", "/orders.csv"): Access.SIGNED_IN,
    ("GET", "/orders/{order_id}"): Access.SIGNED_IN,
    ("GET", "/orders/{order_id}/pay"): Access.SIGNED_IN,
    ("POST", "/orders/{order_id}/pay"): Access.SIGNED_IN,
    ("GET", "/orders/{order_id}/bank"): Access.SIGNED_IN,
    ("POST", "/orders/{order_id}/bank"): Access.SIGNED_IN,
    ("GET", "/orders/{order_id}/cancel"): Access.SIGNED_IN,
    ("POST", "/orders/{order_id}/cancel"): Access.SIGNED_IN,
    ("GET", "/orders/{order_id}/ticket.ics"): Access.SIGNED_IN,
    ("GET", "/account"): Access.SIGNED_IN,
    ("GET", "/account/export"): Access.SIGNED_IN,
    ("POST", "/account/password"): Access.SIGNED_IN,
    ("POST", "/account/verification"): Access.SIGNED_IN,
    ("POST", "/account/sessions"): Access.SIGNED_IN,
    ("POST", "/account/sessions/{session_id}"): Access.SIGNED_IN,
    ("POST", "/account/tokens"): Access.SIGNED_IN,
    ("POST", "/account/tokens/{token_id}"): Access.SIGNED_IN,
    ("POST", "/account/close"): Access.SIGNED_IN,
    ("GET", "/account/webhooks"): Access.SIGNED_IN,
    ("POST", "/account/webhooks"): Access.SIGNED_IN,
    ("GET", "/account/webhooks/{endpoint_id}"): Access.SIGNED_IN,
    ("POST", "/account/webhooks/{endpoint_id}"): Access.SIGNED_IN,
    ("POST", "/account/webhooks/{endpoint_id}/rotate"): Access.SIGNED_IN,
    ("POST", "/account/webhooks/{endpoint_id}/test"): Access.SIGNED_IN,
    ("POST", "/account/webhooks/{endpoint_id}/delete"): Access.SIGNED_IN,
    ("POST", "/account/webhooks/{endpoint_id}/deliveries/{delivery_id}"): Access.SIGNED_IN,
    ("GET", "/admin"): Access.ADMINS,
    ("POST", "/admin/reports/{report_id}"): Access.ADMINS,
    ("GET", "/admin/users/{user_id}"): Access.ADMINS,
    ("POST", "/admin/users/{user_id}"): Access.ADMINS,
    ("GET", "/admin/tickets/{ticket_id}"): Access.ADMINS,
    ("POST", "/admin/tickets/{ticket_id}"): Access.ADMINS,
    ("GET", "/admin/orders/{order_id}"): Access.ADMINS,
    ("POST", "/admin/orders/{order_id}"): Access.ADMINS,
}


def page_routes(world: World) -> set[Key]:
    found = set()
    for route in routes_in(create_api(world.services)):
        if route.endpoint.__module__.startswith("serve_app.web."):
            found |= {(method, route.path) for method in (route.methods or ()) if method != "HEAD"}
    return found


def address_of(path: str) -> str:
    names = dict.fromkeys(
        ("ticket_id", "order_id", "user_id", "session_id", "report_id", "token_id", "endpoint_id", "delivery_id"),
        NOBODY,
    )
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


@pytest.mark.parametrize("key", keys_of(Access.ADMINS), ids=" ".join)
async def test_page_of_administrators_is_404_for_everybody_else(world: World, key: Key) -> None:
    unknown = await world.anyone().http.get("/no-such-page", headers=BROWSER)
    for person in (world.anyone(), await world.someone()):
        response = await person.http.request(key[0], address_of(key[1]), headers=BROWSER)
        assert response.status_code == unknown.status_code == 404
        assert "There is nothing here" in response.text


@pytest.mark.parametrize("key", keys_of(Access.ANYONE), ids=" ".join)
async def test_public_page_does_not_ask_for_a_session(world: World, key: Key) -> None:
    response = await world.anyone().http.request(key[0], address_of(key[1]), headers=BROWSER)
    assert response.status_code < 500
    assert "/signin" not in response.headers.get("location", "")


@pytest.mark.parametrize("key", keys_of(Access.LEADS_ON), ids=" ".join)
async def test_address_that_only_leads_on_shows_nothing(world: World, key: Key) -> None:
    response = await world.anyone().http.request(key[0], address_of(key[1]), headers=BROWSER)
    assert (response.status_code, response.content) == (303, b"")
