"""M12, G13: the night in which clocks go back. 26 October 2031 has 02:30 twice in Berlin."""

from datetime import datetime, timedelta

from playwright.async_api import expect

from tests.browser.conftest import Opens
from tests.browser.market import Market
from tests.browser.test_moment_end import seconds_shown, takes_clock

CHANGE = datetime.fromisoformat("2031-10-26T01:00:00+00:00")
BERLIN = "Europe/Berlin"


async def test_seller_chooses_which_of_two_equal_times_it_is_and_buyers_can_tell_them_apart(
    market: Market, opens: Opens
) -> None:
    seller = await market.member()
    page = await opens("/sell", seller, timezone_id=BERLIN, locale="de-DE")
    for name, text in {"title": "Night concert", "price": "20", "date": "2031-10-26", "time": "02:30"}.items():
        await page.locator(f"main [name={name}]").fill(text)
    await expect(page.get_by_label("Time zone of the place")).to_have_value(BERLIN)
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_role("alert")).to_contain_text("Date and time come twice at the place")
    await page.get_by_role("group", name="Which of the two is it?").get_by_label("02:30 CET,").check()
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_role("main")).to_contain_text("Sunday, 26 October 2031, 02:30 CET")
    before = await seller.lists(startsAt=(CHANGE - timedelta(minutes=30)).isoformat(), timezone=BERLIN)
    buyer = await opens(f"/tickets/{before['id']}", timezone_id="America/New_York", locale="de-DE")
    await expect(buyer.get_by_role("main")).to_contain_text("Sunday, 26 October 2031, 02:30 CEST")


async def test_hold_counts_its_minutes_down_while_the_clocks_go_back(market: Market, opens: Opens) -> None:
    _, buyer, _, order = await market.held()
    page = await opens("about:blank", buyer, timezone_id=BERLIN)
    await takes_clock(page, CHANGE - timedelta(minutes=5))
    await page.goto(f"/orders/{order['id']}")
    before = await seconds_shown(page)
    assert before > 0
    assert await page.evaluate("new Date().getHours() * 60 + new Date().getMinutes()") in {175, 176}, "02:55"
    await page.clock.fast_forward("10:00")
    assert await page.evaluate("new Date().getHours() * 60 + new Date().getMinutes()") in {125, 126}, "02:05"
    assert 600 <= before - await seconds_shown(page) <= 620
    await expect(page.get_by_role("timer")).to_be_visible()
