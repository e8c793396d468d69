"""G6 and G11: slow answers are said on the button that was pressed, and live changes move nothing else."""

import asyncio
import re

from playwright.async_api import Route, expect

from tests.browser.checks import LARGEST_SHIFT, watch
from tests.browser.conftest import Opens
from tests.browser.market import Market
from tests.browser.test_moment_others import LIVE_MS
from tests.browser.test_moment_prices import reprices

SLOW_SECONDS = 1.5
# Playwright looks at no page that is about to be left, so the page notes how it is then, and presses again itself.
PRESSES_TWICE = """() => {
  const button = document.querySelector("form[action$='/buy'] button");
  button.addEventListener("click", () => setTimeout(() => {
    sessionStorage.pressed = `${button.textContent}, busy: ${button.getAttribute("aria-busy")}`;
    button.click();
  }, 900), { once: true });
}"""

# The answer comes at once, and so does the way back to the page as the browser kept it: with its timers.
PRESSED_AND_LEFT_AND_BACK = """() => {
  addEventListener("submit", (event) => event.preventDefault());
  document.querySelector("form[action$='/buy'] button").click();
  dispatchEvent(new PageTransitionEvent("pageshow"));
}"""


async def test_pressed_button_says_what_it_does_and_a_second_press_does_nothing(market: Market, opens: Opens) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Slow", price=12.5)
    page = await opens(f"/tickets/{ticket['id']}", buyer)
    asked: list[str] = []

    async def slowly(route: Route) -> None:
        asked.append(route.request.method)
        await asyncio.sleep(SLOW_SECONDS)
        await route.continue_()

    await page.route("**/buy", slowly)
    await page.evaluate(PRESSES_TWICE)
    await page.get_by_role("button", name="Buy for $12.50").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for Slow")
    assert asked == ["POST"]
    assert await page.evaluate("sessionStorage.pressed") == "Holding it for you…, busy: true"


async def test_button_that_was_pressed_says_again_what_it_does_after_back(market: Market, opens: Opens) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Back at once", price=12.5)
    page = await opens("about:blank", buyer)
    await page.clock.install()
    await page.goto(f"/tickets/{ticket['id']}")
    await page.evaluate(PRESSED_AND_LEFT_AND_BACK)
    await page.clock.run_for(1_000)
    await expect(page.get_by_role("button", name="Buy for $12.50")).not_to_have_attribute("aria-busy", "true")


async def test_live_changes_of_a_ticket_shift_nothing_around_them(market: Market, opens: Opens) -> None:
    seller, ada = await market.member(), await market.member()
    ticket = await seller.lists(title="Still", price=12.5, description="Below.\n" * 5)
    page = await opens("about:blank", viewport={"width": 1280, "height": 900})
    await watch(page.context, market.url)
    async with page.expect_response("**/live?**"):
        await page.goto(f"/tickets/{ticket['id']}")
    await reprices(seller, ticket, 13)
    await expect(page.get_by_role("button", name="Buy for $13.00")).to_be_visible(timeout=LIVE_MS)
    await ada.orders(ticket)
    await expect(page.get_by_role("timer")).to_be_visible(timeout=LIVE_MS)
    assert await page.evaluate("window.shifted") <= LARGEST_SHIFT


async def test_page_that_was_not_to_be_had_is_asked_for_once_more_by_itself(market: Market, opens: Opens) -> None:
    ticket = await (await market.member()).lists(title="Away for a moment")
    page = await opens("about:blank")
    refused = await page.request.get(f"{market.url}/", headers={"accept": "text/html"})
    scripts = "".join(re.findall(r"<script[^>]*></script>", await refused.text()))
    asked: list[str] = []

    async def is_away(route: Route) -> None:
        asked.append(route.request.method)
        body = f"<!doctype html><title>Away</title><p data-retry=1></p>{scripts}"
        await route.fulfill(status=503, content_type="text/html", body=body)

    address = f"{market.url}/tickets/{ticket['id']}"
    await page.route(address, is_away, times=1)
    await page.goto(address)
    await expect(page.get_by_text("tries again by itself")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Away for a moment")
    # Only once: the second refusal is for the reader to answer.
    await page.route(address, is_away)
    async with page.expect_navigation():
        await page.goto(address)
        await page.wait_for_event("load")
    assert asked == ["GET"] * 3
    await expect(page.get_by_text("tries again by itself")).to_have_count(0)
