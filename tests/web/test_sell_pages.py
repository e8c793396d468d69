"""Listing, editing and withdrawing with plain forms, and reading amounts as people write them."""

import pytest
from babel import Locale

from serve_app.web.ticket_form import amount_of
from tests.api.world import World
from tests.web.reading import leads_to, opens, sends, submits

TICKET = {
    "title": "Hamlet", "price": "42.50", "category": "theater", "venue": "Globe", "city": "Vienna",
    "date": "2031-05-01", "time": "19:30", "timezone": "Europe/Vienna", "row": "3", "faceValue": "50",
}  # fmt: skip


async def test_listing_a_ticket_leads_to_it_and_it_is_on_the_landing_page_at_once(world: World) -> None:
    seller = await world.someone()
    page = await opens(seller, "/sell")
    listing = leads_to(await submits(seller, page, "/sell", **TICKET))
    assert "You listed it for $42.50" in (await opens(seller, listing)).text
    assert "Hamlet" in (await opens(seller, "/")).text
    ticket = (await seller.http.get(f"/api/tickets/{listing.rpartition('/')[2]}")).json()
    assert ticket["startsAt"] == "2031-05-01T17:30:00.000Z"
    assert (ticket["price"], ticket["faceValue"], ticket["row"]) == (42.5, 50, "3")


async def test_form_that_is_sent_fifty_times_lists_one_ticket(world: World) -> None:
    seller = await world.someone()
    page = await opens(seller, "/sell")
    assert len({leads_to(await submits(seller, page, "/sell", **TICKET)) for _ in range(50)}) == 1


async def test_all_wrong_fields_are_named_at_once_and_everything_typed_is_kept(world: World) -> None:
    seller = await world.someone()
    wrong = {**TICKET, "price": "NaN", "date": "", "timezone": "Mars", "description": "Two seats"}
    page = await sends(seller, "/sell", **wrong)
    assert page.status == 400
    assert page.title.startswith("Error: ")
    for name in ("price", "date", "timezone"):
        assert f'id="{name}-error"' in page.html
        assert f"#{name}" in page.links
    kept = page.form("/sell").fields
    assert {name: kept[name] for name in ("title", "price", "timezone", "description")} == {
        "title": "Hamlet", "price": "NaN", "timezone": "Mars", "description": "Two seats",
    }  # fmt: skip
    assert 'value="theater" checked' in page.html


async def test_preview_shows_the_card_and_lists_nothing(world: World) -> None:
    seller = await world.someone()
    page = await sends(seller, "/sell", **TICKET, preview="yes", key="1")
    assert page.status == 200
    assert "7:30\u202fPM CEST" in page.html
    assert page.form("/sell").fields["key"] == "1"
    assert "No tickets yet" in (await opens(world.anyone(), "/")).text


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("42", "en_US", "42"),
        ("42.5", "en_US", "42.5"),
        ("42,5", "en_US", "42.5"),
        ("42,50", "en_DE", "42.50"),
        ("1.234,50", "en_DE", "1234.50"),
        ("1,234.50", "en_US", "1234.50"),
        ("NaN", "en_US", "NaN"),
        ("forty", "en_US", "forty"),
        ("1.2.3", "en_US", "1.2.3"),
        ("9" * 5_000, "en_US", "9" * 5_000),
    ],
)
def test_amount_is_read_as_it_is_written_in_the_region(text: str, region: str, expected: str) -> None:
    assert amount_of(text, Locale.parse(region)) == expected


@pytest.mark.parametrize("text", ["12.345", "12,345", "1.234"])
@pytest.mark.parametrize("region", ["en_US", "en_DE"])
def test_amount_that_can_be_read_in_two_ways_is_asked_about(text: str, region: str) -> None:
    with pytest.raises(ValueError, match="two ways"):
        amount_of(text, Locale.parse(region))


async def test_edit_form_shows_the_ticket_at_the_venues_time_and_saves_it(world: World) -> None:
    seller = await world.someone()
    ticket = await seller.lists(title="Hamlet", price=42.5, startsAt="2031-05-01T17:30:00Z", timezone="Europe/Vienna")
    page = await opens(seller, f"/tickets/{ticket['id']}/edit")
    fields = page.form("/edit").fields
    assert (fields["title"], fields["price"], fields["date"], fields["time"]) == (
        "Hamlet", "42.50", "2031-05-01", "19:30",
    )  # fmt: skip
    leads_to(await submits(seller, page, "/edit", price="45"))
    assert (await seller.http.get(f"/api/tickets/{ticket['id']}")).json()["price"] == 45


async def test_edit_of_an_outdated_version_overwrites_nothing_unseen(world: World) -> None:
    seller = await world.someone()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    page = await opens(seller, f"/tickets/{ticket['id']}/edit")
    await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": "Hamlet, uncut", "price": 50})
    stale = await submits(seller, page, "/edit", price="45")
    assert stale.status == 412
    assert "It now says: Hamlet, uncut , $50.00" in stale.text
    assert stale.form("/edit").fields["price"] == "45"
    leads_to(await submits(seller, stale, "/edit"))
    assert (await seller.http.get(f"/api/tickets/{ticket['id']}")).json()["price"] == 45


async def test_edit_of_a_held_ticket_is_refused_and_what_was_typed_is_kept(world: World) -> None:
    seller = await world.someone()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    page = await opens(seller, f"/tickets/{ticket['id']}/edit")
    await (await world.someone()).orders(ticket)
    refused = await submits(seller, page, "/edit", price="45")
    assert refused.status == 409
    assert "Somebody holds this ticket" in refused.text
    assert refused.form("/edit").fields["price"] == "45"


async def test_withdrawing_asks_once_and_a_repeat_is_fine(world: World) -> None:
    seller = await world.someone()
    ticket = await seller.lists()
    page = await opens(seller, f"/tickets/{ticket['id']}/withdraw")
    for _ in range(2):
        assert leads_to(await submits(seller, page, "/withdraw")) == f"/listings/{ticket['id']}"
    assert (await seller.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "withdrawn"


async def test_withdrawing_a_held_ticket_is_refused_in_words(world: World) -> None:
    seller, _, ticket, _ = await world.held()
    refused = await sends(seller, f"/tickets/{ticket['id']}/withdraw")
    assert refused.status == 409
    assert "Somebody holds this ticket" in refused.text


async def test_ticket_of_somebody_else_is_neither_edited_nor_withdrawn(world: World) -> None:
    ticket = await (await world.someone()).lists()
    stranger = await world.someone()
    for action in ("edit", "withdraw"):
        assert (await opens(stranger, f"/tickets/{ticket['id']}/{action}")).status == 403
        assert (await sends(stranger, f"/tickets/{ticket['id']}/{action}", title="x", price="1")).status == 403
