"""The first page: what the search finds, says and keeps."""

import pytest
from pymongo.errors import AutoReconnect

from serve_app.web.assets import ASSETS
from tests.api.world import World
from tests.web.reading import opens

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


async def test_landing_shows_tickets_with_price_time_and_place(world: World) -> None:
    seller = await world.someone()
    await seller.lists(
        title="Hamlet", price=42.5, venue="Globe", city="Vienna", category="theater",
        startsAt="2031-05-01T17:30:00Z", timezone="Europe/Vienna",
    )  # fmt: skip
    page = await opens(world.anyone(), "/")
    for text in (
        "Hamlet",
        "$42.50",
        "Thursday, May 1, 2031, 7:30\u202fPM CEST",
        "Globe, Vienna",
        "Theater",
        "1 ticket",
    ):
        assert " ".join(text.split()) in page.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=hamlet", {"Hamlet"}),
        ("city=vienna", {"Hamlet", "Faust"}),
        ("category=sports", {"Derby"}),
        ("minPrice=20&maxPrice=50", {"Hamlet"}),
        ("q=&category=&city=Vienna&minPrice=&maxPrice=15&sort=price", {"Faust"}),
        ("q=nothing", set()),
    ],
)
async def test_search_form_finds_what_the_api_finds(world: World, query: str, found: set[str]) -> None:
    seller = await world.someone()
    await seller.lists(title="Hamlet", price=42.5, city="Vienna", category="theater")
    await seller.lists(title="Faust", price=10, city="Vienna", category="theater")
    await seller.lists(title="Derby", price=99, city="London", category="sports")
    page = await opens(world.anyone(), f"/?{query}")
    assert page.status == 200
    assert {title for title in ("Hamlet", "Faust", "Derby") if title in page.text} == found


async def test_search_form_shows_what_was_asked_and_the_title_says_it(world: World) -> None:
    page = await opens(world.anyone(), "/?q=hamlet&city=Vienna&sort=price&category=theater")
    assert page.title == "hamlet: Tickets · Holdfast"
    assert page.form("/").fields["q"] == "hamlet"
    assert '<option value="price" selected>' in page.html
    assert '<option value="theater" selected>' in page.html


@pytest.mark.parametrize(("query", "name"), [("minPrice=abc", "minPrice"), ("category=opera", "category")])
async def test_wrong_parameter_is_shown_at_its_field_and_the_others_are_kept(
    world: World, query: str, name: str
) -> None:
    page = await opens(world.anyone(), f"/?city=Vienna&{query}")
    assert page.status == 400
    assert page.title.startswith("Error: ")
    assert f'id="{name}-error"' in page.html
    assert f'href="#{name}"' in page.html
    assert page.form("/").fields["city"] == "Vienna"


async def test_damaged_cursor_leads_back_to_the_start_of_the_list(world: World) -> None:
    page = await opens(world.anyone(), "/?city=Vienna&cursor=damaged")
    assert page.status == 400
    assert "This list has moved on" in page.text


async def test_nothing_found_offers_to_leave_out_each_filter(world: World) -> None:
    page = await opens(world.anyone(), "/?q=nothing&city=Vienna")
    assert "/?city=Vienna" in page.links
    assert "/?q=nothing" in page.links


async def test_empty_market_says_how_to_list_the_first_ticket(world: World) -> None:
    page = await opens(world.anyone(), "/")
    assert "No tickets yet" in page.text
    assert "/sell" in page.links


async def test_own_tickets_are_marked_as_yours(world: World) -> None:
    seller = await world.someone()
    await seller.lists()
    assert "Yours" in (await opens(seller, "/")).text
    assert "Yours" not in (await opens(world.anyone(), "/")).text


async def test_next_page_is_a_link_that_keeps_the_search(world: World) -> None:
    seller = await world.someone()
    for number in range(21):
        await seller.lists(title=f"Ticket {number:02}", city="Vienna")
    page = await opens(world.anyone(), "/?city=Vienna")
    (link,) = (link for link in page.links if "cursor=" in link)
    assert "city=Vienna" in link
    second = await opens(world.anyone(), link)
    assert "Ticket 00" in second.text
    assert "1 ticket" in second.text


async def test_hostile_text_is_shown_as_text(world: World) -> None:
    seller = await world.someone()
    await seller.lists(title=HOSTILE, city=HOSTILE, venue=HOSTILE)
    page = await opens(world.anyone(), "/")
    assert "<script>alert" not in page.html
    assert "<img" not in page.html
    assert "<script>alert(1)</script>" in page.text


async def test_landing_keeps_what_was_typed_while_the_database_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise AutoReconnect

    monkeypatch.setattr(type(world.services.queries.catalogue), "page", away)
    page = await opens(world.anyone(), "/?q=hamlet")
    assert page.status == 503
    assert page.response.headers["retry-after"]


async def test_first_visit_needs_at_most_60_kb_and_six_files(world: World) -> None:
    page = await opens(world.anyone(), "/")
    names = {name for name in ASSETS if ASSETS[name].url in page.html}
    assert names == {"favicon.svg", "holdfast.css", "holdfast.js", "htmx.min.js", "icons.svg"}
