"""M6 and M7: two tabs of one purchase, and the way back from it."""

import asyncio

from playwright.async_api import Page, Route, expect

from tests.api.world import Person
from tests.browser.conftest import Opens
from tests.browser.market import Market


async def charges_of(buyer: Person, order_id: str) -> list[str]:
    """Return the status of each charge of an order."""
    return [charge["status"] for charge in (await buyer.http.get(f"/api/orders/{order_id}/charges")).json()]


async def two_tabs(opens: Opens, buyer: Person, address: str) -> tuple[Page, Page]:
    """Open an address in two tabs of one window."""
    first = await opens(address, buyer)
    second = await first.context.new_page()
    await second.goto(address)
    return first, second


async def pay_at_once(tabs: tuple[Page, ...]) -> None:
    """Press *Pay* in all tabs, and send their requests when all were pressed.

    Without this, a tab that hears what came of the other's payment has no button left to press.
    """
    all_pressed = asyncio.Barrier(len(tabs))

    async def send_together(route: Route) -> None:
        await all_pressed.wait()
        await route.continue_()

    for tab in tabs:
        await tab.route("**/pay", send_together)
    await asyncio.gather(*(tab.get_by_role("button", name="Pay $12.50").click() for tab in tabs))


async def test_both_tabs_pay_at_once_and_the_buyer_is_charged_once(market: Market, opens: Opens) -> None:
    _, buyer, _, order = await market.held()
    tabs = await two_tabs(opens, buyer, f"/orders/{order['id']}")
    await pay_at_once(tabs)
    for tab in tabs:
        await expect(tab.get_by_role("main")).to_contain_text("It is yours")
        await expect(tab.get_by_role("button", name="Pay $12.50")).to_have_count(0)
    assert await charges_of(buyer, order["id"]) == ["completed"]


async def test_tab_that_was_too_late_with_another_card_says_what_is_true(market: Market, opens: Opens) -> None:
    _, buyer, _, order = await market.held()
    first, second = await two_tabs(opens, buyer, f"/orders/{order['id']}")
    await second.get_by_role("radio", name="Is declined").check()
    await pay_at_once((first, second))
    for tab in (first, second):
        await tab.wait_for_load_state("load")
        await expect(tab.get_by_role("button", name="Pay $12.50")).to_have_count(0)
    found = await charges_of(buyer, order["id"])
    assert len(found) == 1, "one of the two cards was tried"
    await first.reload()
    await expect(first.get_by_role("heading", level=1)).to_have_text(
        "It is yours" if found == ["completed"] else "Your payment was declined"
    )


async def test_tab_whose_order_was_let_go_in_the_other_reads_that_it_ended(market: Market, opens: Opens) -> None:
    _, buyer, _, order = await market.held()
    first, second = await two_tabs(opens, buyer, f"/orders/{order['id']}")
    await first.get_by_text("Let go of it").click()
    await first.get_by_role("button", name="Let go of the ticket").click()
    await expect(first.get_by_role("heading", level=1)).to_have_text("You let go of this ticket")
    pay = second.get_by_role("button", name="Pay $12.50")
    if await pay.count():  # the page may have heard of it already
        await pay.click()
    await expect(second.get_by_role("heading", level=1)).to_have_text("You let go of this ticket")
    await expect(second.get_by_role("main")).to_contain_text("No money was taken")
    assert await charges_of(buyer, order["id"]) == []


async def test_way_back_after_the_purchase_never_shows_the_card_form_again(
    market: Market, opens_and_keeps: Opens
) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet", price=12.5)
    page = await opens_and_keeps(f"/tickets/{ticket['id']}", buyer)
    heading = page.get_by_role("heading", level=1)
    pay = page.get_by_role("button", name="Pay $12.50")
    await page.get_by_role("button", name="Buy for $12.50").click()
    await pay.click()
    await expect(heading).to_have_text("It is yours")
    # Out of the back/forward cache no load event comes, so the answer is not waited for.
    await page.go_back(wait_until="commit")
    await expect(heading).to_have_text("It is yours")
    await expect(pay).to_have_count(0)
    await page.go_back(wait_until="commit")
    await expect(page.get_by_role("link", name="See your order")).to_be_visible()
    await expect(page.get_by_role("button", name="Buy for $12.50")).to_have_count(0)
    await page.go_forward(wait_until="commit")
    await expect(heading).to_have_text("It is yours")
    response = await page.reload()
    assert response is not None
    assert response.request.method == "GET", "nothing is sent again"
    assert await charges_of(buyer, (await buyer.http.get("/api/orders")).json()[0]["id"]) == ["completed"]
