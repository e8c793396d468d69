"""M5: the buyer's bank asks whether it is really they (3-D Secure)."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import FAST_SECONDS, Opens
from tests.browser.market import Market

ASKS = "Asks your bank first (3-D Secure)"
either_way = pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])


async def pays_with_a_card_that_asks(page: Page) -> None:
    await page.get_by_role("radio", name=ASKS).check()
    await page.get_by_role("button", name="Pay $12.50").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your bank wants to know that it is you")


@either_way
async def test_buyer_whose_bank_asks_approves_after_a_reload_and_has_the_ticket(
    market: Market, opens: Opens, *, script: bool
) -> None:
    _, buyer, _, order = await market.held()
    page = await opens(f"/orders/{order['id']}", buyer, java_script_enabled=script)
    await pays_with_a_card_that_asks(page)
    await page.reload()
    bank = page.get_by_role("form", name="Your bank")
    await expect(bank).to_contain_text("A payment of $12.50 to Holdfast. Is it you?")
    await bank.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("It is yours")
    (charge,) = (await buyer.http.get(f"/api/orders/{order['id']}/charges")).json()
    assert charge["status"] == "completed"


@either_way
async def test_buyer_who_refuses_at_the_bank_is_declined_and_pays_nothing(
    market: Market, opens: Opens, *, script: bool
) -> None:
    _, buyer, ticket, order = await market.held()
    page = await opens(f"/orders/{order['id']}", buyer, java_script_enabled=script)
    await pays_with_a_card_that_asks(page)
    await page.get_by_role("button", name="Refuse").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your payment was declined")
    await expect(page.get_by_role("main")).to_contain_text("No money was taken")
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "available"


async def test_answer_to_the_bank_after_the_end_takes_no_money(fast_market: Market, opens: Opens) -> None:
    _, buyer, _, order = await fast_market.held()
    page = await opens(f"/orders/{order['id']}", buyer, at=fast_market, java_script_enabled=False)
    await pays_with_a_card_that_asks(page)
    other = await opens(f"/orders/{order['id']}", buyer, at=fast_market)
    # The page that counts shows the end by itself; the one without script still has the bank's question.
    await expect(other.get_by_role("heading", level=1)).to_have_text("Your time is over", timeout=_patience())
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your time is over")
    await expect(page.get_by_role("main")).to_contain_text("No money was taken")
    charges = (await buyer.http.get(f"/api/orders/{order['id']}/charges")).json()
    assert all(charge["status"] != "completed" for charge in charges)


def _patience() -> float:
    """Return milliseconds in which a hold of the fast market surely ends, with its grace."""
    return (FAST_SECONDS + 10) * 1_000
