"""The seller reads what they get while they type the price."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Opens
from tests.browser.market import Market, served_market


@pytest.fixture(scope="module")
async def charging(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    """A market that keeps 8 % and allows 110 % of the face value."""
    settings = {"fee_percent": Decimal(8), "resale_cap_percent": Decimal(110)}
    async with served_market(mongodb_url, redis_url, tmp_path_factory.mktemp("charging"), **settings) as served:
        yield served


async def test_seller_proceeds_follow_the_price_as_it_is_typed_and_the_focus_stays(
    charging: Market, opens: Opens
) -> None:
    page = await opens("/sell", await charging.member(), at=charging)
    price = page.get_by_label("Price in USD")
    await price.press_sequentially("42.50")
    # Other fields are still missing, and that is not said while somebody types.
    await expect(page.get_by_role("status").filter(has_text="You get")).to_have_text("You get $39.10.")
    await expect(price).to_be_focused()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await price.fill("100")
    await expect(page.get_by_text("You get $92.00.")).to_be_visible()
    await price.fill("a lot")
    await expect(page.get_by_text("You get $")).to_have_count(0)


async def test_seller_who_asks_for_more_than_the_cap_reads_the_highest_price_at_the_field(
    charging: Market, opens: Opens
) -> None:
    page = await opens("/sell", await charging.member(), at=charging)
    for label, text in (("Title", "Hamlet"), ("Price in USD", "60"), ("Face value", "50")):
        await page.get_by_label(label).fill(text)
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_role("alert")).to_contain_text("Price must be at most 55.00, 110 % of the face value.")
    await expect(page.get_by_label("Price in USD")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_text("You get $")).to_have_count(0)
    await page.get_by_label("Price in USD").fill("55")
    await expect(page.get_by_text("You get $50.60.")).to_be_visible()
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_text("Listed. People see it now")).to_be_visible()
    await expect(page.get_by_label("Price and state")).to_contain_text("You get $50.60.")
