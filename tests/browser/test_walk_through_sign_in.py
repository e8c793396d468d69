"""G10: people who were signed out meanwhile come back to what they did, and to this market only."""

import pytest
from playwright.async_api import Page, expect

from tests.api.world import PASSWORD, Person
from tests.browser.conftest import Opens
from tests.browser.market import Market


async def signs_in(page: Page, person: Person) -> None:
    """Fill in the form that asks for it."""
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.get_by_label("Email address").fill(person.email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()


async def test_signing_in_leads_back_to_the_ticket_and_buys_nothing(market: Market, opens: Opens) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    page = await opens(f"/tickets/{ticket['id']}")
    await page.get_by_role("button", name="Buy for $42.50").click()
    await signs_in(page, buyer)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Hamlet")
    assert (await buyer.http.get("/api/orders")).json() == []
    await page.get_by_role("button", name="Buy for $42.50").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for Hamlet")


async def test_listing_that_was_typed_is_there_again_after_signing_in(market: Market, opens: Opens) -> None:
    seller = await market.member()
    page = await opens("/sell", seller)
    await page.get_by_label("Title").fill("Typed before the session ended")
    await page.get_by_label("Price in USD").fill("33")
    await market.services.sessions.end_all(seller.id)
    await page.get_by_role("button", name="List the ticket").click()
    await signs_in(page, seller)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sell a ticket")
    await expect(page.get_by_label("Title")).to_have_value("Typed before the session ended")
    await expect(page.get_by_label("Price in USD")).to_have_value("33")


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"]
)
async def test_signing_in_leads_to_no_other_site(market: Market, opens: Opens, elsewhere: str) -> None:
    member = await market.member()
    page = await opens(f"/signin?next={elsewhere}")
    await signs_in(page, member)
    await expect(page).to_have_url(f"{market.url}/")
