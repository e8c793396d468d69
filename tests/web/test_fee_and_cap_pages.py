"""What a seller gets of a price stands where they choose it, and the price's limit at its field."""

import csv
import io
from decimal import Decimal

import pytest

from tests.api.world import World
from tests.web.reading import leads_to, opens, sends, submits


@pytest.fixture
def charging(world: World) -> World:
    """A market that keeps 8 % and allows 110 % of the face value."""
    changes = {"fee_percent": Decimal(8), "resale_cap_percent": Decimal(110)}
    settings = world.services.settings.model_copy(update=changes)
    world.market.fee = settings.fee_hundredths
    return world.serving(settings=settings)


async def test_sell_form_says_the_fee_and_after_a_preview_what_the_seller_gets(charging: World) -> None:
    seller = await charging.someone()
    page = await opens(seller, "/sell")
    assert "You get it less the fee of 8 %." in page.text
    assert "You get $" not in page.text
    page = await submits(seller, page, "/sell", title="Hamlet", price="42.50", faceValue="42.50", preview="yes")
    assert "You get $39.10 ." in page.text


async def test_preview_says_what_the_seller_gets_while_other_fields_are_missing(charging: World) -> None:
    seller = await charging.someone()
    page = await sends(seller, "/sell", price="42.50", preview="yes")
    assert page.status == 400
    assert "You get $39.10 ." in page.text


@pytest.mark.parametrize("price", ["", "much", "0.10", "12.345"])
async def test_price_that_could_not_be_listed_promises_nothing(charging: World, price: str) -> None:
    page = await sends(await charging.someone(), "/sell", title="Hamlet", price=price, faceValue="50", preview="yes")
    assert "You get $" not in page.text


async def test_without_a_fee_the_seller_gets_the_price(world: World) -> None:
    page = await sends(await world.someone(), "/sell", title="Hamlet", price="42.50", preview="yes")
    assert "You get $42.50 ." in page.text
    assert "less the fee" not in page.text


async def test_edit_form_says_at_once_what_the_seller_gets(charging: World) -> None:
    seller = await charging.someone()
    ticket = await seller.lists(price=42.5, faceValue=50)
    assert "You get $39.10 ." in (await opens(seller, f"/tickets/{ticket['id']}/edit")).text


async def test_price_above_the_cap_is_refused_at_its_field_with_the_highest_allowed(charging: World) -> None:
    seller = await charging.someone()
    page = await submits(seller, await opens(seller, "/sell"), "/sell", title="Hamlet", price="60", faceValue="50")
    assert page.status == 400
    assert 'id="price-error">Price must be at most 55.00, 110 % of the face value.' in page.html
    assert page.form("/sell").fields["price"] == "60"
    assert "You get $" not in page.text
    leads_to(await submits(seller, page, "/sell", price="55"))


async def test_face_value_is_asked_for_where_prices_are_limited(charging: World) -> None:
    seller = await charging.someone()
    assert "The price can be at most 110 % of it." in (await opens(seller, "/sell")).text
    page = await sends(seller, "/sell", title="Hamlet", price="50")
    assert 'id="faceValue-error"' in page.html


async def test_edit_above_the_cap_is_refused_at_its_field(charging: World) -> None:
    seller = await charging.someone()
    ticket = await seller.lists(price=50, faceValue=50)
    page = await opens(seller, f"/tickets/{ticket['id']}/edit")
    refused = await submits(seller, page, "/edit", price="60")
    assert (refused.status, "price-error" in refused.html) == (400, True)


async def test_listings_show_what_the_seller_gets_as_it_was_when_the_ticket_was_held(charging: World) -> None:
    seller, buyer = await charging.someone(), await charging.someone()
    ticket = await seller.lists(price=42.5, faceValue=50)
    assert "You get $39.10 ." in (await opens(seller, f"/listings/{ticket['id']}")).text
    order = await buyer.orders(ticket)
    charging.market.fee = 5_000
    await buyer.pays(order)
    assert "$42.50 you get $39.10" in (await opens(seller, "/listings")).text
    page = await opens(seller, f"/listings/{ticket['id']}")
    assert "Sold for $42.50. You get $39.10." in page.text
    head, row = csv.reader(io.StringIO((await seller.http.get("/listings.csv")).text))
    assert dict(zip(head, row, strict=True))["you get"] == "39.10"


async def test_buyer_sees_the_price_alone(charging: World) -> None:
    seller, buyer = await charging.someone(), await charging.someone()
    ticket = await seller.lists(price=42.5, faceValue=50)
    order = await buyer.orders(ticket)
    for path in (f"/tickets/{ticket['id']}", f"/orders/{order['id']}"):
        page = await opens(buyer, path)
        assert "$42.50" in page.text
        assert "39.10" not in page.html
