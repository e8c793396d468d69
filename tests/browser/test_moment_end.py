"""M3, O1 and M12: the time of a hold ends, and it ends when the server says so, whatever the browser's clock says."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from tests.api.world import JSON, Person
from tests.browser.conftest import FAST_SECONDS, Opens
from tests.browser.market import Market
from tests.support.eventually import eventually

PATIENCE_MS = (FAST_SECONDS + 6) * 1_000
HOUR = timedelta(hours=1)
# Runs before the page's own script. A wrong clock shows in both; what counts steadily from then on is right.
WRONG_CLOCK = """{
  const RealDate = Date, wrong = %d;
  globalThis.Date = class extends RealDate {
    constructor(...given) { given.length ? super(...given) : super(RealDate.now() + wrong); }
    static now() { return RealDate.now() + wrong; }
  };
  const origin = performance.timeOrigin + wrong;
  Object.defineProperty(performance, "timeOrigin", { get: () => origin });
}"""


def seconds_left(order: JSON) -> float:
    """Return what is left of a hold by the server's clock, which is this process's."""
    return datetime.fromisoformat(order["expiresAt"]).timestamp() - time.time()


async def seconds_shown(page: Page) -> int:
    """Return what the countdown shows."""
    minutes, seconds = (await page.locator("hold-countdown .digits").inner_text()).split(":")
    return int(minutes) * 60 + int(seconds)


async def agrees(page: Page, order: JSON, slept: float = 0) -> None:
    """Wait until the countdown is within a second of the server's time; a second for the page to be drawn."""

    async def is_right() -> bool:
        return abs(await seconds_shown(page) - (seconds_left(order) - slept)) <= 1

    await eventually(is_right, seconds=3)


async def takes_clock(page: Page, now: datetime) -> None:
    """Give the next page a clock that the test moves."""
    await page.clock.install(time=now)
    # Playwright's clock has 0 for the time origin until somebody asks what time it is.
    await page.add_init_script("performance.now()")


@pytest.mark.parametrize("wrong", [HOUR, -HOUR], ids=["an hour ahead", "an hour behind"])
async def test_countdown_agrees_with_the_server_when_the_clock_of_the_browser_is_wrong(
    market: Market, browser_that_keeps_pages: Browser, wrong: timedelta
) -> None:
    _, buyer, ticket, order = await market.held()
    context = await market.context(browser_that_keeps_pages, buyer)
    try:
        await context.add_init_script(WRONG_CLOCK % (wrong.total_seconds() * 1_000))
        page = await context.new_page()
        await page.goto(f"/orders/{order['id']}")
        said = await page.evaluate("Date.now()") / 1_000 - time.time()
        assert abs(said - wrong.total_seconds()) < 5, "the browser's clock is wrong"
        await agrees(page, order)
        await page.goto(f"/tickets/{ticket['id']}")
        await page.go_back(wait_until="commit")
        await agrees(page, order)
    finally:
        await context.close()


async def test_countdown_is_right_after_the_tab_slept_and_warns_in_words(market: Market, opens: Opens) -> None:
    _, buyer, _, order = await market.held()
    page = await opens("about:blank", buyer)
    await takes_clock(page, datetime.now(UTC))
    await page.goto(f"/orders/{order['id']}")
    await page.clock.fast_forward("10:00")
    await agrees(page, order, slept=600)
    timer = page.get_by_role("timer")
    await expect(timer).to_contain_text(re.compile("about [45] minutes left to pay"))
    assert re.search(r"left.* · Pay for", await page.title())
    voice = page.locator("body > [role=status]")
    await page.clock.fast_forward(int(seconds_left(order) - 600 - 120) * 1_000)
    await expect(voice).to_have_text(re.compile("2 minutes left to pay"))
    await page.clock.fast_forward(90_000)
    await expect(voice).to_have_text(re.compile("(30|29|28) seconds left to pay"))


async def test_countdown_that_appears_while_one_looks_agrees_with_the_server(market: Market, opens: Opens) -> None:
    seller, ada = await market.member(), await market.member()
    ticket = await seller.lists()
    page = await opens(f"/tickets/{ticket['id']}")
    await page.wait_for_timeout(3_000)  # the age of the page is what would mislead it
    order = await ada.orders(ticket)
    await expect(page.get_by_role("timer")).to_be_visible()
    await agrees(page, order)
    buyers = await opens(f"/orders/{order['id']}", ada)
    await buyers.wait_for_timeout(3_000)
    await ada.pays(order, "pm_card_authenticationRequired")
    await expect(buyers.get_by_role("heading", level=1)).to_have_text(re.compile("your bank", re.IGNORECASE))
    await agrees(buyers, order)


async def test_order_that_ends_before_ones_eyes_takes_the_card_form_away(fast_market: Market, opens: Opens) -> None:
    _, buyer, ticket, order = await fast_market.held()
    page = await opens(f"/orders/{order['id']}", buyer, at=fast_market)
    await expect(page.get_by_role("button", name="Pay $12.50")).to_be_visible()
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Your time is over", timeout=PATIENCE_MS)
    await expect(page.get_by_role("main")).to_contain_text("No money was taken")
    await expect(page.get_by_role("button", name="Pay")).to_have_count(0)
    assert not await page.locator("iframe").count()
    await page.get_by_role("link", name="Look at the ticket").first.click()
    await expect(page).to_have_url(f"{fast_market.url}/tickets/{ticket['id']}")


async def test_payment_in_the_last_second_is_either_accepted_or_nothing_is_taken(
    fast_market: Market, opens: Opens
) -> None:
    sellers = [await fast_market.held() for _ in range(4)]
    # From well before the end to after it.
    await asyncio.gather(
        *(
            _pays_before_the_end(fast_market, opens, buyer, order, seconds)
            for (_, buyer, _, order), seconds in zip(sellers, (0.6, 0.2, 0.0, -0.3), strict=True)
        )
    )


async def _pays_before_the_end(market: Market, opens: Opens, buyer: Person, order: JSON, seconds: float) -> None:
    page = await opens(f"/orders/{order['id']}", buyer, at=market, java_script_enabled=False)
    await asyncio.sleep(max(0, seconds_left(order) - seconds))  # the moment is what is tested
    await page.get_by_role("button", name="Pay $12.50").click()
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(re.compile("It is yours|Your time is over"))
    charges = (await buyer.http.get(f"/api/orders/{order['id']}/charges")).json()
    is_taken = any(charge["status"] == "completed" for charge in charges)
    assert is_taken == (await heading.inner_text() == "It is yours")


async def test_page_with_a_fragment_in_its_address_follows_the_end_of_a_hold(fast_market: Market, opens: Opens) -> None:
    """Who skipped to the content has one; without the stream it is the countdown that asks again."""
    _, buyer, _, order = await fast_market.held()
    page = await opens("about:blank", buyer, at=fast_market)
    await page.route("**/live?**", lambda route: route.abort())
    await page.goto(f"/orders/{order['id']}#main")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your time is over", timeout=PATIENCE_MS)
