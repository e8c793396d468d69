"""What all pages have in common, read as a browser without JavaScript reads them."""

import hashlib
from datetime import UTC, datetime

import pytest

from serve_app.web.assets import ASSETS
from serve_app.web.formats import Formats
from serve_app.web.forms import own_path
from serve_app.web.visitor import Visitor, _zone, locale_of
from tests.api.world import World

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SATURDAY = int(datetime(2027, 1, 2, 18, 30, tzinfo=UTC).timestamp() * 1_000)


def formats(languages: str, zone: str = "") -> Formats:
    return Formats(Visitor(None, locale_of(languages), _zone(zone), SATURDAY))


async def test_page_allows_nothing_from_elsewhere_and_nothing_inline(world: World) -> None:
    response = await world.anyone().http.get("/help", headers=BROWSER)
    assert response.status_code == 200
    assert response.headers["referrer-policy"] == "same-origin", "or native forms send `Origin: null`"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "://" not in policy
    assert response.headers.get_list("content-security-policy") == [policy]


async def test_page_of_a_signed_out_visitor_is_not_sent_again_to_a_browser_that_has_it(world: World) -> None:
    person = world.anyone()
    first = await person.http.get("/help")
    assert first.headers["cache-control"] == "private, no-cache"
    again = await person.http.get("/help", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_page_of_a_signed_in_user_is_stored_in_no_cache(world: World) -> None:
    response = await (await world.someone()).http.get("/help")
    assert response.headers["cache-control"] == "no-store"
    assert "etag" not in response.headers


async def test_asset_is_cached_for_ever_at_an_address_of_its_content(world: World) -> None:
    found = ASSETS["holdfast.css"]
    assert hashlib.sha256(found.content).hexdigest()[:12] in found.url
    response = await world.anyone().http.get(found.url)
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert (await world.anyone().http.get("/static/000000000000/holdfast.css")).status_code == 404


def test_htmx_is_the_file_of_its_release() -> None:
    # htmx.org 4.0.1, dist/htmx.min.js, as npm has it.
    expected = "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"
    assert hashlib.sha256(ASSETS["htmx.min.js"].content).hexdigest() == expected


@pytest.mark.parametrize("path", ["/nowhere", "/static/x"])
async def test_error_is_a_page_for_browsers_and_json_for_programs(world: World, path: str) -> None:
    person = world.anyone()
    page = await person.http.get(path, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-store"
    assert (await person.http.get(path)).json() == {"errors": [{"message": "There is nothing here."}]}


async def test_error_of_the_api_is_json_for_browsers_too(world: World) -> None:
    response = await world.anyone().http.get("/api/nowhere", headers=BROWSER)
    assert response.json()["errors"]


async def test_form_of_another_site_is_refused_with_a_page(world: World) -> None:
    headers = {**BROWSER, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    response = await world.anyone().http.post("/help", headers=headers)
    assert response.status_code == 403
    assert "<!doctype html>" in response.text


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        ("en-US,en;q=0.9", "$1,234.50"),
        ("de-DE,de;q=0.9,en;q=0.5", "1.234,50\xa0US$"),
        ("de", "1.234,50\xa0US$"),
        ("en-CA", "US$1,234.50"),
        ("en-IN", "US$1,234.50"),
        ("zh-Hant-TW", "US$1,234.50"),
        ("*", "$1,234.50"),
        ("", "$1,234.50"),
        ("x" * 5_000, "$1,234.50"),
    ],
)
def test_price_is_written_as_in_the_visitors_region(languages: str, expected: str) -> None:
    assert formats(languages).price(123_450, "usd") == expected


def test_price_in_the_regions_own_currency_has_the_bare_sign() -> None:
    assert formats("en-CA").price(4_250, "cad") == "$42.50"
    assert formats("de-AT").price(4_250, "eur") == "€\xa042,50"


def test_event_time_is_that_of_the_venue_whoever_looks() -> None:
    element = '<time datetime="2027-01-02T18:30:00.000Z">{}</time>'
    look_from_tokyo = formats("en-US", "Asia/Tokyo")
    told = look_from_tokyo.event_time(SATURDAY, "Europe/Vienna")
    assert told == element.format("Saturday, January 2, 2027, 7:30\u202fPM CET")
    assert "UTC" in look_from_tokyo.event_time(SATURDAY, None)


def test_end_of_a_hold_is_told_in_the_visitors_zone() -> None:
    assert ">7:30\u202fPM<" in formats("en-US", "Europe/Vienna").clock(SATURDAY)
    assert ">6:30\u202fPM UTC<" in formats("en-US").clock(SATURDAY)


@pytest.mark.parametrize(
    "text", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", None, "/a\nb", "a"]
)
def test_only_paths_of_the_market_itself_are_gone_back_to(text: str | None) -> None:
    assert own_path(text) == "/"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", "/"),
        ("/tickets/1?x=//y", "/tickets/1?x=//y"),
        ("/orders/1#x", "/orders/1#x"),
        ("/?q=caf%C3%A9&city=a+b", "/?q=caf%C3%A9&city=a+b"),
        ("/?q=\u65e5\u672c", "/?q=%E6%97%A5%E6%9C%AC"),
        ("/\u00fc b", "/%C3%BC%20b"),
    ],
)
def test_own_paths_are_gone_back_to(text: str, path: str) -> None:
    assert own_path(text) == path
