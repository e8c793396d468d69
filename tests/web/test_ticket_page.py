"""A ticket's page in each of its states, and what pressing Buy leads to."""

import json
import re

import pytest

from serve_app.http.timestamps import iso
from tests.api.world import NOBODY, World
from tests.web.reading import leads_to, opens, sends, submits


async def test_available_ticket_has_a_button_with_its_price(world: World) -> None:
    ticket = await (await world.someone()).lists(price=42.5)
    page = await opens(await world.someone(), f"/tickets/{ticket['id']}")
    form = page.form("/buy")
    assert form.buttons == ["Buy for $42.50"]
    assert form.fields["expectedPrice"] == "42.50"


async def test_buying_leads_to_the_order(world: World) -> None:
    ticket, buyer = await (await world.someone()).lists(), await world.someone()
    page = await opens(buyer, f"/tickets/{ticket['id']}")
    order = leads_to(await submits(buyer, page, "/buy"))
    assert (await opens(buyer, order)).status == 200
    assert leads_to(await submits(buyer, page, "/buy")) == order, "the second press is the same order"


async def test_price_that_was_raised_meanwhile_is_shown_and_nothing_is_bought(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(price=42.5)
    page = await opens(buyer, f"/tickets/{ticket['id']}")
    await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": ticket["title"], "price": 60})
    refused = await submits(buyer, page, "/buy")
    assert refused.status == 409
    assert "The seller changed the price before you had it" in refused.text
    assert "It was $42.50, it is $60.00 now. Nothing was bought." in refused.text
    assert refused.form("/buy").buttons == ["Buy for $60.00"]
    assert 'role="alert"' in refused.html
    assert (await buyer.http.get("/api/orders")).json() == []
    leads_to(await submits(buyer, refused, "/buy"))


async def test_price_that_was_lowered_meanwhile_is_shown_as_good_news(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(price=42.5)
    page = await opens(buyer, f"/tickets/{ticket['id']}")
    await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": ticket["title"], "price": 40})
    assert "Good news" in (await submits(buyer, page, "/buy")).text


async def test_ticket_that_was_edited_meanwhile_is_not_bought_unseen(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(price=42.5)
    page = await opens(buyer, f"/tickets/{ticket['id']}")
    await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": "Another play", "price": 42.5})
    refused = await submits(buyer, page, "/buy")
    assert refused.status == 409
    assert "The seller edited the ticket after you saw it" in refused.text


async def test_held_ticket_says_when_it_may_be_back(world: World) -> None:
    _, holder, ticket, order = await world.held()
    page = await opens(await world.someone(), f"/tickets/{ticket['id']}")
    assert "Somebody is buying this ticket" in page.text
    assert f'datetime="{order["expiresAt"]}"' in page.html
    assert not any(form.action.endswith("/buy") for form in page.forms)
    own = await opens(holder, f"/tickets/{ticket['id']}")
    assert "You hold this" in own.text
    assert f"/orders/{order['id']}" in own.links


async def test_sellers_own_ticket_is_edited_and_not_bought(world: World) -> None:
    seller = await world.someone()
    ticket = await seller.lists()
    page = await opens(seller, f"/tickets/{ticket['id']}")
    assert {f"/tickets/{ticket['id']}/edit", f"/tickets/{ticket['id']}/withdraw"} <= set(page.links)
    assert not any(form.action.endswith("/buy") for form in page.forms)


async def test_held_ticket_says_to_its_seller_until_when(world: World) -> None:
    seller, _, ticket, _ = await world.held()
    page = await opens(seller, f"/tickets/{ticket['id']}")
    assert "You can change it afterwards" in page.text
    assert f"/tickets/{ticket['id']}/edit" not in page.links


async def test_sold_ticket_says_so_and_its_buyer_is_led_to_the_order(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    await buyer.pays(order)
    page = await opens(world.anyone(), f"/tickets/{ticket['id']}")
    assert "This ticket is sold" in page.text
    assert '<meta name="robots" content="noindex">' in page.html
    assert f"/orders/{order['id']}" in (await opens(buyer, f"/tickets/{ticket['id']}")).links


async def test_withdrawn_ticket_and_ticket_of_a_begun_event_cannot_be_bought(world: World) -> None:
    seller = await world.someone()
    gone = await seller.lists(city="Vienna")
    begun = await seller.lists(startsAt=iso(world.clock() + 60_000))
    await seller.http.delete(f"/api/tickets/{gone['id']}")
    world.clock.advance(61)
    page = await opens(world.anyone(), f"/tickets/{gone['id']}")
    assert "It is off the market" in page.text
    assert "/?city=Vienna" in page.links
    assert "The event has begun" in (await opens(world.anyone(), f"/tickets/{begun['id']}")).text


async def test_signed_out_buyer_is_led_to_the_sign_in_and_back(world: World) -> None:
    ticket, anyone = await (await world.someone()).lists(), world.anyone()
    page = await opens(anyone, f"/tickets/{ticket['id']}")
    answer = await submits(anyone, page, "/buy")
    assert answer.response.headers["location"] == f"/signin?next=/tickets/{ticket['id']}"


async def test_too_many_holds_are_listed_so_that_one_can_be_let_go(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    held = [await buyer.orders(await seller.lists(title=f"Held {number}")) for number in range(3)]
    ticket = await seller.lists(title="One more")
    refused = await submits(buyer, await opens(buyer, f"/tickets/{ticket['id']}"), "/buy")
    assert refused.status == 429
    for order in held:
        assert f"/orders/{order['id']}" in refused.links


async def test_looking_at_the_address_of_the_button_leads_to_the_ticket(world: World) -> None:
    ticket = await (await world.someone()).lists()
    assert leads_to(await opens(world.anyone(), f"/tickets/{ticket['id']}/buy")) == f"/tickets/{ticket['id']}"


@pytest.mark.parametrize("ticket_id", [NOBODY, "nothing", "0" * 25])
async def test_unknown_ticket_is_a_page_with_a_search(world: World, ticket_id: str) -> None:
    page = await opens(world.anyone(), f"/tickets/{ticket_id}")
    assert page.status == 404
    assert page.form("/").fields == {"q": ""}


@pytest.mark.parametrize("fields", [{"expectedPrice": "abc"}, {"expectedPrice": "NaN"}, {"expectedPrice": "0.001"}])
async def test_a_price_that_no_page_sends_is_refused(world: World, fields: dict[str, str]) -> None:
    ticket = await (await world.someone()).lists()
    page = await sends(await world.someone(), f"/tickets/{ticket['id']}/buy", **fields)
    assert page.status == 400


async def test_event_is_there_for_search_engines_with_the_venues_offset(world: World) -> None:
    ticket = await (await world.someone()).lists(
        title="Hamlet </script>", price=42.5, venue="Globe", city="Vienna", category="theater",
        startsAt="2031-05-01T17:30:00Z", timezone="Europe/Vienna",
    )  # fmt: skip
    page = await opens(world.anyone(), f"/tickets/{ticket['id']}")
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page.html)
    event = json.loads(text)
    assert (event["@type"], event["name"]) == ("TheaterEvent", "Hamlet </script>")
    assert event["startDate"] == "2031-05-01T19:30+02:00"
    assert event["location"]["address"]["addressLocality"] == "Vienna"
    assert event["offers"]["price"] == "42.50"
    assert event["offers"]["availability"] == "https://schema.org/InStock"
    assert f'<link rel="canonical" href="http://localhost:8000/tickets/{ticket["id"]}">' in page.html


async def test_ticket_without_when_or_where_is_no_event_for_search_engines(world: World) -> None:
    ticket = await (await world.someone()).lists()
    assert "ld+json" not in (await opens(world.anyone(), f"/tickets/{ticket['id']}")).html
