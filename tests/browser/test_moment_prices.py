"""M1: the seller changes the price while somebody is about to buy."""

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.api.world import JSON, Person
from tests.browser.conftest import Opens
from tests.browser.market import Market

ROUNDS = 50
FORM = {"accept": "text/html", "sec-fetch-site": "same-origin"}


async def reprices(seller: Person, ticket: JSON, price: float) -> int:
    """Put another price on a ticket, and return the status of the answer."""
    body = {"title": ticket["title"], "price": price}
    return (await seller.http.put(f"/api/tickets/{ticket['id']}", json=body)).status_code


async def status_of(page: Page, button: str) -> int:
    """Press a button that sends a form, and return the status of the page that answers."""
    async with page.expect_navigation() as sent:
        await page.get_by_role("button", name=button, exact=True).click()
    response = await sent.value
    assert response is not None
    return response.status


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
@pytest.mark.parametrize(
    ("price", "says"),
    [(60, "The seller changed the price before you had it"), (40, "Good news: it costs less now")],
)
async def test_buyer_reads_both_prices_and_buys_nothing_when_the_price_changed(
    market: Market, opens: Opens, *, script: bool, price: int, says: str
) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    page = await opens("about:blank", buyer, java_script_enabled=script)
    await page.context.route("**/live**", lambda route: route.abort())
    await page.goto(f"/tickets/{ticket['id']}")
    await reprices(seller, ticket, price)
    assert await status_of(page, "Buy for $42.50") == 409
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text(f"{says} It was $42.50, it is ${price}.00 now. Nothing was bought.")
    if script:
        await expect(alert).to_be_focused()
    assert (await buyer.http.get("/api/orders")).json() == []
    assert (await seller.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "available"
    await page.get_by_role("button", name=f"Buy for ${price}.00").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for Hamlet")


async def test_buyer_and_seller_at_once_never_both_have_their_price_and_never_neither(market: Market) -> None:
    seller, buyer = await market.member(), await market.member()
    winners = set()
    for number in range(ROUNDS):
        ticket = await seller.lists(title=f"Round {number}", price=42.5)
        path, fields = f"/tickets/{ticket['id']}/buy", {"expectedPrice": "42.50", "expectedVersion": "1"}
        buys, edits = buyer.http.post(path, data=fields, headers=FORM), reprices(seller, ticket, 60)
        answers = await asyncio.gather(*((buys, edits) if number % 2 else (edits, buys)))
        bought, edited = answers if number % 2 else reversed(answers)
        ticket = (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()
        if bought.status_code == 303:
            assert (edited, ticket["price"], ticket["status"]) == (409, 42.5, "reserved")
            await buyer.http.delete(bought.headers["location"].replace("/orders", "/api/orders"))
        else:
            assert (bought.status_code, edited, ticket["price"], ticket["status"]) == (409, 200, 60, "available")
            assert "It was $42.50, it is <strong>$60.00</strong> now. Nothing was bought." in bought.text
        winners.add(bought.status_code)
    assert winners == {303, 409}, "both orders are tried, so each wins now and then"
