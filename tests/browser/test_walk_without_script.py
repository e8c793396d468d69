"""G7 and G8: without JavaScript every link and form works: a whole sale, from signing up to the money going back."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Opens
from tests.browser.market import Market
from tests.browser.scene import FULL

PASSWORD = "a password for people without script"


async def signs_up(page: Page, email: str) -> None:
    await page.goto("/signup")
    await page.get_by_label("Email address").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign up").click()
    await expect(page.get_by_role("link", name="My orders")).to_be_visible()


async def test_ticket_is_listed_edited_found_bought_and_refunded_without_script(opens: Opens) -> None:
    seller = await opens("/", java_script_enabled=False)
    buyer = await opens("/", java_script_enabled=False)
    await signs_up(seller, "sells-without-script@example.com")
    await signs_up(buyer, "buys-without-script@example.com")

    await seller.get_by_role("link", name="Sell", exact=True).click()
    await seller.get_by_label("Title").fill("King Lear without script")
    await seller.get_by_role("radio", name="Theater").check()
    for label in ("Venue", "City"):
        await seller.get_by_label(label).fill(str(FULL[label.lower()]))
    await seller.get_by_label("Price in USD").fill("40")
    await seller.get_by_role("button", name="Preview").click()
    await expect(seller.get_by_role("complementary", name="Preview")).to_contain_text("$40.00")
    await seller.get_by_role("button", name="List the ticket").click()
    await expect(seller.get_by_role("main")).to_contain_text("Listed")
    await seller.get_by_role("link", name="Edit").first.click()
    await seller.get_by_label("Price in USD").fill("42.50")
    await seller.get_by_role("button", name="Save").click()
    await expect(seller.get_by_role("main")).to_contain_text("$42.50")

    await buyer.get_by_role("link", name="Find").click()
    await buyer.get_by_label("Artist, team or play").fill("lear without")
    await buyer.get_by_role("button", name="Search").click()
    await buyer.get_by_role("link", name="King Lear without script").click()
    await buyer.get_by_role("button", name="Buy for $42.50").click()
    # The plain time is there for who has no countdown, and a link to look again.
    await expect(buyer.get_by_role("main")).to_contain_text(re.compile("Held for you until .* UTC"))
    await buyer.get_by_role("radio", name="Asks your bank first (3-D Secure)").check()
    await buyer.get_by_role("button", name="Pay $42.50").click()
    await buyer.get_by_role("button", name="Approve").click()
    await expect(buyer.get_by_role("heading", level=1)).to_have_text("It is yours")
    assert await buyer.locator("[data-needs-script]:visible").count() == 0, "nothing that does nothing is shown"

    await seller.get_by_role("link", name="My listings").first.click()
    await seller.get_by_role("link", name="King Lear without script").click()
    await expect(seller.get_by_role("main")).to_contain_text("Sold")
    await seller.get_by_text("Give the money back", exact=True).click()
    await seller.get_by_role("button", name="Give $42.50 back").click()
    await buyer.reload()
    await expect(buyer.get_by_role("heading", level=1)).to_have_text(re.compile("money (went|is on its way) back"))
    await buyer.goto("/account")
    await buyer.get_by_role("button", name="Sign out", exact=True).click()
    await expect(buyer.get_by_role("main")).to_contain_text("You are signed out")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
async def test_reload_and_back_after_a_form_make_nothing_twice(
    market: Market, opens_and_keeps: Opens, *, script: bool
) -> None:
    seller = await market.member()
    page = await opens_and_keeps("/sell", seller, java_script_enabled=script)
    await page.get_by_label("Title").fill("Once")
    await page.get_by_label("Price in USD").fill("10")
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_role("main")).to_contain_text("Listed")
    response = await page.reload()
    assert response is not None
    assert response.request.method == "GET"
    await page.go_back(wait_until="commit")
    await expect(page).to_have_url(re.compile("/sell$"))
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_role("main")).to_contain_text("Listed")
    await page.goto("/listings")
    await expect(page.get_by_role("link", name="Once")).to_have_count(1)


async def test_listing_sent_again_from_a_form_that_was_fetched_anew_makes_nothing_twice(
    market: Market, opens_and_keeps: Opens
) -> None:
    page = await opens_and_keeps("/sell", await market.member())
    await _lists_one_called(page, "Once more")
    await page.go_back(wait_until="commit")
    await expect(page).to_have_url(re.compile("/sell$"))
    await page.reload()
    await _lists_one_called(page, "Once more")
    await page.get_by_role("link", name="Sell", exact=True).first.click()
    await _lists_one_called(page, "Another")
    await page.goto("/listings")
    await expect(page.get_by_role("link", name="Once more")).to_have_count(1)
    await expect(page.get_by_role("link", name="Another")).to_have_count(1)


async def _lists_one_called(page: Page, title: str) -> None:
    await page.get_by_label("Title").fill(title)
    await page.get_by_label("Price in USD").fill("10")
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_role("main")).to_contain_text("Listed")
