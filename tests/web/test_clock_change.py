"""The nights in which clocks change: 26 October 2031 has 02:30 twice in Berlin, and 30 March 2031 has none."""

from datetime import datetime, timedelta

import pytest

from actors.domain.instants import Instant
from serve_app.http.timestamps import iso
from serve_app.web.formats import Formats
from serve_app.web.visitor import Visitor, _zone, locale_of
from tests.api.world import World
from tests.web.reading import leads_to, opens, sends, submits

BERLIN = "Europe/Berlin"
AUTUMN = {"title": "Night concert", "price": "20", "date": "2031-10-26", "time": "02:30", "timezone": BERLIN}
SPRING = {**AUTUMN, "date": "2031-03-30"}


def instant(text: str) -> Instant:
    return int(datetime.fromisoformat(text).timestamp() * 1_000)


def formats(zone: str) -> Formats:
    return Formats(Visitor(None, locale_of("de-DE"), _zone(zone), 0))


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2031-10-26T00:30:00+00:00", "Sunday, 26 October 2031, 02:30 CEST"),
        ("2031-10-26T01:30:00+00:00", "Sunday, 26 October 2031, 02:30 CET"),
        ("2031-03-30T00:59:00+00:00", "Sunday, 30 March 2031, 01:59 CET"),
        ("2031-03-30T01:00:00+00:00", "Sunday, 30 March 2031, 03:00 CEST"),
    ],
)
def test_time_of_an_event_says_before_or_after_the_change(at: str, shown: str) -> None:
    assert f">{shown}<" in formats("America/New_York").event_time(instant(at), BERLIN)


def test_end_of_a_hold_names_its_zone_only_in_the_hour_that_comes_twice() -> None:
    first = instant("2031-10-26T00:05:00+00:00")
    hour = int(timedelta(hours=1) / timedelta(milliseconds=1))
    ends = [formats(BERLIN).clock(first + number * hour) for number in (-1, 0, 1, 2)]
    assert [text[text.index(">") + 1 : -len("</time>")] for text in ends] == [
        "01:05",
        "02:05 CEST",
        "02:05 CET",
        "03:05",
    ]
    assert "26 October 2031, 02:05 CET<" in formats(BERLIN).time(first + hour)


async def test_time_that_comes_twice_is_asked_about_and_the_choice_is_listed(world: World) -> None:
    seller = await world.someone()
    for turn, moment in (("0", "2031-10-26T00:30:00.000Z"), ("1", "2031-10-26T01:30:00.000Z")):
        asked = await sends(seller, "/sell", **AUTUMN)
        assert asked.status == 400
        assert "Date and time come twice at the place" in asked.text
        assert "02:30 CEST, before the clocks go back" in asked.text
        assert "02:30 CET, after the clocks go back" in asked.text
        listing = leads_to(await submits(seller, asked, "/sell", turn=turn))
        ticket = (await seller.http.get(f"/api/tickets/{listing.rpartition('/')[2]}")).json()
        assert ticket["startsAt"] == moment


async def test_time_that_the_clocks_skip_is_refused_in_words(world: World) -> None:
    refused = await sends(await world.someone(), "/sell", **SPRING)
    assert refused.status == 400
    assert "Date and time do not exist at the place: the clocks go forward then" in refused.text
    assert "Which of the two" not in refused.text
    assert "This request takes no other fields" not in refused.text, "what is wrong is the date alone"


@pytest.mark.parametrize("clock", ["01:59", "03:00"])
async def test_times_beside_those_that_the_clocks_skip_are_listed(world: World, clock: str) -> None:
    leads_to(await sends(await world.someone(), "/sell", **{**SPRING, "time": clock}))


@pytest.mark.parametrize("at", ["2031-10-26T00:30:00.000Z", "2031-10-26T01:30:00.000Z"])
async def test_edit_of_something_else_leaves_the_hour_as_it_is(world: World, at: str) -> None:
    seller = await world.someone()
    ticket = await seller.lists(title="Night concert", price=20, startsAt=at, timezone=BERLIN)
    page = await opens(seller, f"/tickets/{ticket['id']}/edit")
    leads_to(await submits(seller, page, "/edit", price="25"))
    edited = (await seller.http.get(f"/api/tickets/{ticket['id']}")).json()
    assert (edited["price"], edited["startsAt"]) == (25, at)


async def test_hold_over_the_clock_change_expires_when_its_minutes_are_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifteen minutes from 02:50 summer time the clocks say 02:05 again."""
    monkeypatch.setattr(world.clock, "instant", instant("2031-10-26T00:50:00+00:00"))
    _, buyer, _, order = await world.held()
    assert order["expiresAt"] == iso(instant("2031-10-26T01:05:00+00:00"))
    buyer.http.cookies.set("tz", BERLIN)
    page = await opens(buyer, f"/orders/{order['id']}")
    assert "2:05 AM CET" in page.text.replace("\u202f", " ")
    assert "about 15 minutes left" in page.text
