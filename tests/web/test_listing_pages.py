"""One's listings: every state, the history in sentences, money back, and tables."""

import csv
import io
from typing import get_args

from actors.domain.stored_events import NAMES
from actors.domain.ticket_events import TicketEvent
from serve_app.http.timestamps import iso
from serve_app.web.page import _TEMPLATES
from tests.api.fake_market import SLOW_REFUND
from tests.api.world import World
from tests.web.reading import leads_to, opens, sends, submits


async def test_listings_show_every_state(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    await seller.lists(title="Free")
    await buyer.orders(await seller.lists(title="Held"))
    await buyer.pays(await buyer.orders(await seller.lists(title="Gone")))
    withdrawn = await seller.lists(title="Away")
    await seller.http.delete(f"/api/tickets/{withdrawn['id']}")
    text = (await opens(seller, "/listings")).text
    for state in ("For sale", "Held until", "Sold", "Withdrawn"):
        assert state in text


async def test_listings_are_counted_by_state_and_shown_of_one(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    for title in ("Free one", "Free two"):
        await seller.lists(title=title)
    await buyer.orders(await seller.lists(title="Waited upon"))
    await buyer.pays(await buyer.orders(await seller.lists(title="Bought")))
    withdrawn = await seller.lists(title="Away")
    await seller.http.delete(f"/api/tickets/{withdrawn['id']}")
    page = await opens(seller, "/listings")
    for count in ("All 5", "For sale 2", "Held 1", "Sold 1", "Withdrawn 1"):
        assert count in page.text
    shown = {
        "available": ["Free two", "Free one"], "reserved": ["Waited upon"], "sold": ["Bought"], "withdrawn": ["Away"],
    }  # fmt: skip
    for state, titles in shown.items():
        assert f"/listings?state={state}" in page.links
        text = (await opens(seller, f"/listings?state={state}")).text
        assert [title for title in ("Free two", "Free one", "Waited upon", "Bought", "Away") if title in text] == titles


async def test_listings_of_one_state_have_pages(world: World) -> None:
    seller = await world.someone()
    for number in range(25):
        ticket = await seller.lists(title=f"Number {number}.")
        if number % 2:
            await seller.http.delete(f"/api/tickets/{ticket['id']}")
    page = await opens(seller, "/listings?state=available")
    assert "Number 24." in page.text
    assert "Number 23." not in page.text
    while older := next((link for link in page.links if "cursor=" in link), None):
        assert "state=available" in older
        page = await opens(seller, older)
    assert "Number 0." in page.text


async def test_state_without_a_listing_says_so_and_an_unknown_state_shows_all(world: World) -> None:
    seller = await world.someone()
    await seller.lists(title="Free")
    assert "No listing is in this state" in (await opens(seller, "/listings?state=sold")).text
    assert "Free" in (await opens(seller, "/listings?state=nonsense")).text


async def test_nothing_listed_yet_says_how_selling_works(world: World) -> None:
    assert "How selling works" in (await opens(await world.someone(), "/listings")).text


async def test_history_tells_what_happened_in_sentences_without_names(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(price=12.5)
    order = await buyer.orders(ticket)
    await buyer.http.delete(f"/api/orders/{order['id']}")
    await buyer.pays(await buyer.orders(ticket))
    page = await opens(seller, f"/listings/{ticket['id']}")
    told = [
        "You listed it for $12.50.", "Somebody held it at $12.50", "They let it go.", "Somebody held it",
        "They began to pay", "Sold for $12.50.",
    ]  # fmt: skip
    position = -1
    for sentence in told:
        position = page.text.index(sentence, position + 1)
    assert buyer.id not in page.html


async def test_an_archived_history_is_shown_without_its_details(world: World) -> None:
    seller, buyer, ticket, order = await world.held()
    world.market.archive(f"ticket:{ticket['id']}")
    await buyer.http.delete(f"/api/orders/{order['id']}")
    page = await opens(seller, f"/listings/{ticket['id']}")
    assert page.text.count("Something happened whose details are in the archive.") == 2
    assert "They let it go." in page.text


def test_every_event_of_a_ticket_has_a_sentence() -> None:
    source, _, _ = _TEMPLATES.loader.get_source(_TEMPLATES, "listing.html")  # type: ignore[union-attr]
    assert [NAMES[event] for event in get_args(TicketEvent) if f'"{NAMES[event]}"' not in source] == []


async def test_refund_ends_the_sale(world: World) -> None:
    seller, buyer, ticket, order = await world.held()
    await buyer.pays(order)
    page = await opens(seller, f"/listings/{ticket['id']}")
    assert page.form("/refund").buttons == ["Give $12.50 back"]
    assert leads_to(await submits(seller, page, "/refund")) == f"/listings/{ticket['id']}"
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["refund"] == "done"


async def test_a_pending_refund_is_not_offered_again(world: World) -> None:
    seller, buyer, ticket, order = await world.held()
    await buyer.pays(order, SLOW_REFUND)
    leads_to(await sends(seller, f"/listings/{ticket['id']}/refund"))
    page = await opens(seller, f"/listings/{ticket['id']}")
    assert "Money on its way back" in page.text
    assert not any(form.action.endswith("/refund") for form in page.forms)


async def test_after_the_show_started_there_is_no_refund_button_and_the_page_says_why(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(startsAt=iso(world.clock() + 60_000))
    await buyer.pays(await buyer.orders(ticket))
    world.clock.advance(61)
    page = await opens(seller, f"/listings/{ticket['id']}")
    assert "The event has begun" in page.text
    refused = await sends(seller, f"/listings/{ticket['id']}/refund")
    assert refused.status == 409


async def test_listing_of_somebody_else_is_403(world: World) -> None:
    ticket = await (await world.someone()).lists()
    stranger = await world.someone()
    assert (await opens(stranger, f"/listings/{ticket['id']}")).status == 403
    assert (await sends(stranger, f"/listings/{ticket['id']}/refund")).status == 403


async def test_tables_hold_everything_and_no_formula(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    dangerous = ("=1+1", "+1", "-1", "@x", 'Two "quotes", one comma')
    for title in dangerous:
        await buyer.pays(await buyer.orders(await seller.lists(title=title)))
    for person, path in ((seller, "/listings.csv"), (buyer, "/orders.csv")):
        response = await person.http.get(path)
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        head, *rows = csv.reader(io.StringIO(response.text))
        assert "price" in head
        titles = {row[head.index("title")] for row in rows}
        assert titles == {f"'{title}" if title[0] in "=+-@" else title for title in dangerous}
        assert {row[head.index("price")] for row in rows} == {"12.50"}
