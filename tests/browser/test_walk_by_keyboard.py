"""K1, K2, K4 and K5: a purchase by keyboard alone, what a screen reader says of it, and forms with errors."""

import re

from playwright.async_api import Page, expect

from tests.browser.checks import enlarge_text, width_faults
from tests.browser.conftest import Opens
from tests.browser.market import Market
from tests.support.eventually import eventually

MOST_TABS = 60
# Every text that a live region gets, in order, with when it came.
LISTENS = """() => {
  window.said = [];
  const regions = "[role=status], [role=alert], [aria-live]";
  new MutationObserver((changes) => {
    for (const change of changes) {
      const node = change.target.nodeType === 1 ? change.target : change.target.parentElement;
      const text = node?.closest(regions)?.textContent.trim();
      if (text && window.said.at(-1) !== text) window.said.push(text);
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
WHERE = """() => {
  const found = document.activeElement, { top, bottom, left, right } = found.getBoundingClientRect();
  const style = getComputedStyle(found);
  const [x, y] = [(left + right) / 2, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2];
  const above = document.elementFromPoint(x, y);
  const isCovered = above && !found.contains(above) && !above.contains(found) && !above.closest("label");
  const hasRing = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const name = found.labels?.[0]?.textContent ?? found.textContent;
  return { name: name.trim().replace(/\\s+/g, " "), isCovered: Boolean(isCovered), hasRing, shown: bottom > 0 };
}"""


async def tabs_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on what has this name. On the way it is always visible, and never covered."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(WHERE)
        assert focused["hasRing"], f"nobody sees that {focused['name']!r} has the focus"
        assert not focused["isCovered"], f"something lies over {focused['name']!r}"
        if re.fullmatch(name, focused["name"]):
            return
    raise AssertionError(f"no way to {name!r} with {MOST_TABS} tabs")


async def test_ticket_is_found_bought_and_paid_with_the_keyboard_alone(market: Market, opens: Opens) -> None:
    seller, buyer = await market.member(), await market.member()
    await seller.lists(title="Keyboard concert", price=42.5)
    await market.actors.writes_everything()
    page = await opens("/", buyer)
    heading = page.get_by_role("heading", level=1)
    await tabs_to(page, "Artist, team or play")
    await page.keyboard.type("keyboard")
    await expect(page.locator(".card")).to_have_count(1)
    await expect(page).to_have_url(re.compile("q=keyboard"))
    await expect(page.locator("#q")).to_be_focused()
    await tabs_to(page, "Keyboard concert")
    await page.keyboard.press("Enter")
    await expect(heading).to_have_text("Keyboard concert")
    await tabs_to(page, re.escape("Buy for $42.50"))
    await page.keyboard.press("Space")
    await expect(heading).to_have_text("Pay for Keyboard concert")
    await tabs_to(page, "Pays")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("radio", name="Asks your bank first")).to_be_checked()
    await tabs_to(page, re.escape("Pay $42.50"))
    await page.keyboard.press("Enter")
    await expect(heading).to_have_text("Your bank wants to know that it is you")
    await tabs_to(page, "Approve")
    await page.keyboard.press("Enter")
    await expect(heading).to_have_text("It is yours")


async def test_screen_reader_hears_once_and_in_order_what_others_do(market: Market, opens: Opens) -> None:
    seller, ada = await market.member(), await market.member()
    ticket = await seller.lists(title="Heard", price=12.5)
    page = await opens("about:blank")
    async with page.expect_response("**/live?**"):
        await page.goto(f"/tickets/{ticket['id']}")
    await page.evaluate(LISTENS)

    async def has_said(number: int) -> bool:
        return bool(await page.evaluate("window.said.length") >= number)

    order = await ada.orders(ticket)
    await eventually(lambda: has_said(1))
    await ada.http.delete(f"/api/orders/{order['id']}")
    await eventually(lambda: has_said(2))  # at most one in five seconds
    first, second = await page.evaluate("window.said")
    assert re.search("being bought", first, re.IGNORECASE)
    assert second == "Heard can be bought for $12.50"


async def test_page_of_a_purchase_is_read_in_order(market: Market, opens: Opens) -> None:
    _, buyer, _, order = await market.held(title="Read aloud", price=12.5)
    page = await opens(f"/orders/{order['id']}", buyer)
    await expect(page.get_by_role("main")).to_match_aria_snapshot(
        """
        - main:
          - timer: /about 1[45] minutes left to pay/
          - article:
            - heading "Pay for Read aloud" [level=1]
            - group "Card":
              - radio "Pays" [checked]
              - radio "Asks your bank first (3-D Secure)"
              - radio "Is declined"
            - button "Pay $12.50"
          - complementary "Your order":
            - heading "Read aloud" [level=2]
        """
    )


async def test_errors_of_a_form_take_the_focus_and_lead_to_their_fields(market: Market, opens: Opens) -> None:
    page = await opens("/sell", await market.member(), viewport={"width": 390, "height": 844})
    await page.evaluate("document.querySelector('main form').noValidate = true")
    await page.get_by_label("Price in USD").fill("NaN")
    await page.get_by_role("button", name="List the ticket").click()
    summary = page.get_by_role("alert")
    await expect(summary).to_be_focused()
    assert (await page.title()).startswith("Error: ")
    link = summary.get_by_role("link", name=re.compile("price", re.IGNORECASE))
    await link.focus()
    await page.keyboard.press("Enter")
    field = page.get_by_label("Price in USD")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("NaN")
    await expect(field).to_have_attribute("aria-invalid", "true")
    label = await page.locator("label[for=price]").bounding_box()
    assert label is not None
    assert label["y"] >= 0, "the label is in view"


async def test_purchase_works_on_a_phone_with_large_text(market: Market, opens: Opens) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Large", price=12.5)
    page = await opens(f"/tickets/{ticket['id']}", buyer, viewport={"width": 390, "height": 844})
    for name in ("Buy for $12.50", "Pay $12.50"):
        button = page.get_by_role("button", name=name)
        await expect(button).to_be_visible()  # a click does not wait for the page that it leads to
        await enlarge_text(page)
        assert await width_faults(page) == []
        await button.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("It is yours")
