"""M1, M2, M6, M9 and M10 as they happen: what others do is seen without a reload, and said."""

import re

from playwright.async_api import Page, expect

from tests.browser.conftest import FAST_SECONDS, Opens
from tests.browser.market import Market
from tests.browser.test_moment_prices import reprices

# Two seconds is the promise; a machine that runs other tests as well may take twice that.
LIVE_MS = 4_000


async def opens_live(opens: Opens, *arguments: object, **options: object) -> Page:
    """Open a page, and wait until its stream is there."""
    page = await opens("about:blank", *arguments[1:], **options)
    async with page.expect_response("**/live?**"):
        await page.goto(str(arguments[0]))
    return page


async def test_buyer_sees_and_hears_that_somebody_holds_it_and_that_it_is_back(market: Market, opens: Opens) -> None:
    seller, ada, bea = await market.member(), await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    page = await opens_live(opens, f"/tickets/{ticket['id']}", bea)
    buy = page.get_by_role("button", name="Buy for $42.50")
    await expect(buy).to_be_visible()
    order = await ada.orders(ticket)
    main, voice = page.get_by_role("main"), page.locator("body > [role=status]")
    await expect(buy).to_have_count(0, timeout=LIVE_MS)
    await expect(main).to_contain_text(re.compile(r"back at \d+:\d\d"))
    await expect(page.get_by_role("timer")).to_be_visible()
    await expect(voice).to_have_text(re.compile("being bought", re.IGNORECASE), timeout=LIVE_MS)
    await ada.http.delete(f"/api/orders/{order['id']}")
    await expect(buy).to_be_visible(timeout=LIVE_MS)
    await ada.pays(await ada.orders(ticket))
    await expect(main).to_contain_text("This ticket is sold", timeout=LIVE_MS)
    await expect(buy).to_have_count(0)


async def test_list_says_how_many_tickets_are_new_and_shows_them_when_asked(market: Market, opens: Opens) -> None:
    seller = await market.member()
    await seller.lists(title="Elektra, first row")
    page = await opens_live(opens, "/?q=elektra")
    titles = page.get_by_role("article").get_by_role("heading")
    await expect(titles).to_have_text(["Elektra, first row"])
    for title in ("Elektra, second row", "Something else", "Elektra, third row"):
        await seller.lists(title=title)
    new = page.get_by_role("link", name="2 new tickets")
    await expect(new).to_be_visible(timeout=LIVE_MS)
    await expect(page.locator("body > [role=status]")).to_have_text("2 new tickets", timeout=LIVE_MS + 5_000)
    await expect(titles).to_have_text(["Elektra, first row"])
    await new.click()
    await expect(titles).to_have_text(["Elektra, third row", "Elektra, second row", "Elektra, first row"])


async def test_held_ticket_without_script_has_a_way_to_look_again(market: Market, opens: Opens) -> None:
    _, ada, ticket, order = await market.held()
    page = await opens(f"/tickets/{ticket['id']}", java_script_enabled=False)
    await expect(page.get_by_role("main")).to_contain_text("Somebody is buying this ticket")
    await ada.http.delete(f"/api/orders/{order['id']}")
    await page.get_by_role("link", name="Look again").click()
    await expect(page.get_by_role("button", name="Buy for $12.50")).to_be_visible()


async def test_ticket_is_back_when_the_time_of_its_holder_ends(fast_market: Market, opens: Opens) -> None:
    _, _, ticket, _ = await fast_market.held()
    page = await opens(f"/tickets/{ticket['id']}", at=fast_market)
    await expect(page.get_by_role("main")).to_contain_text("Somebody is buying this ticket")
    buy = page.get_by_role("button", name="Buy for $12.50")
    await expect(buy).to_be_visible(timeout=(FAST_SECONDS + 4) * 1_000)


async def test_new_price_is_shown_and_said_and_a_click_in_that_moment_buys_nothing(
    market: Market, opens: Opens
) -> None:
    seller, bea = await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    page = await opens_live(opens, f"/tickets/{ticket['id']}", bea)
    await reprices(seller, ticket, 60)
    dearer = page.get_by_role("button", name="Buy for $60.00")
    await expect(dearer).to_be_visible(timeout=LIVE_MS)
    await expect(dearer).to_be_disabled()
    await expect(page.get_by_role("complementary").locator("s")).to_have_text("$42.50")
    await expect(page.locator("body > [role=status]")).to_have_text("Price changed from $42.50 to $60.00")
    await expect(dearer).to_be_enabled()
    assert (await bea.http.get("/api/orders")).json() == []


async def test_list_greys_out_what_is_held_and_keeps_its_order(market: Market, opens: Opens) -> None:
    seller, ada = await market.member(), await market.member()
    tickets = [await seller.lists(title=f"Greying {number}", price=10) for number in range(3)]
    await market.actors.writes_everything()
    page = await opens_live(opens, "/?q=greying")
    titles = page.locator(".card h3")
    before = await titles.all_inner_texts()
    assert len(before) == 3
    order = await ada.orders(tickets[1])
    card = page.locator(f"#ticket-{tickets[1]['id']}")
    await expect(card).to_contain_text(re.compile(r"Back at \d+:\d\d"), timeout=LIVE_MS)
    assert await titles.all_inner_texts() == before
    await ada.http.delete(f"/api/orders/{order['id']}")
    await expect(card).not_to_contain_text("Back at", timeout=LIVE_MS)
    await seller.http.delete(f"/api/tickets/{tickets[1]['id']}")
    await expect(card).to_contain_text("Gone", timeout=LIVE_MS)


async def test_payment_in_one_tab_completes_the_other_while_a_card_is_chosen_there(
    market: Market, opens: Opens
) -> None:
    _, buyer, _, order = await market.held()
    page = await opens_live(opens, f"/orders/{order['id']}", buyer)
    await page.get_by_role("radio", name="Is declined").check()
    await page.get_by_role("radio", name="Is declined").focus()
    await buyer.pays(order)
    await expect(page.get_by_role("heading", level=1)).to_have_text("It is yours", timeout=LIVE_MS)
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await expect(page.get_by_role("button", name="Pay $12.50")).to_have_count(0)


async def test_buyer_sees_that_the_money_goes_back_and_others_that_the_ticket_is_for_sale(
    market: Market, opens: Opens
) -> None:
    seller, buyer, ticket, order = await market.held()
    await buyer.pays(order)
    receipt = await opens_live(opens, f"/orders/{order['id']}", buyer)
    looker = await opens_live(opens, f"/tickets/{ticket['id']}")
    await expect(receipt.get_by_role("heading", level=1)).to_have_text("It is yours")
    await seller.http.post(f"/api/orders/{order['id']}/refund")
    await expect(receipt.get_by_role("heading", level=1)).to_have_text("Your money went back", timeout=LIVE_MS)
    await expect(looker.get_by_role("button", name="Buy for $12.50")).to_be_visible(timeout=LIVE_MS)


async def test_ticket_that_is_withdrawn_while_one_looks_is_gone(market: Market, opens: Opens) -> None:
    seller = await market.member()
    ticket = await seller.lists()
    page = await opens_live(opens, f"/tickets/{ticket['id']}")
    await seller.http.delete(f"/api/tickets/{ticket['id']}")
    await expect(page.get_by_role("main")).to_contain_text("Gone", timeout=LIVE_MS)
    await expect(page.get_by_role("button", name="Buy for")).to_have_count(0)


async def test_buyer_who_was_signed_out_meanwhile_pays_after_signing_in_again(market: Market, opens: Opens) -> None:
    _, buyer, _, order = await market.held()
    page = await opens(f"/orders/{order['id']}", buyer)
    await page.context.route("**/live?**", lambda route: route.abort())
    await page.goto(f"/orders/{order['id']}")
    await market.services.sessions.end_all(buyer.id)
    await page.get_by_role("button", name="Pay $12.50").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.get_by_label("Email address").fill(buyer.email)
    await page.get_by_label("Password", exact=True).fill("correct horse battery")
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for Concert in the park")
    assert page.url.endswith(f"/orders/{order['id']}")
    await page.get_by_role("button", name="Pay $12.50").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("It is yours")


async def test_updates_can_be_paused_and_that_is_remembered(market: Market, opens: Opens) -> None:
    seller = await market.member()
    ticket = await seller.lists()
    page = await opens_live(opens, f"/tickets/{ticket['id']}")
    await page.get_by_role("button", name="Pause live updates").click()
    await page.reload()
    await expect(page.get_by_role("button", name="Resume live updates")).to_be_visible()
    await seller.http.delete(f"/api/tickets/{ticket['id']}")
    await page.wait_for_timeout(1_000)  # nothing may happen in it
    await expect(page.get_by_role("button", name="Buy for $12.50")).to_be_visible()
    await page.get_by_role("button", name="Resume live updates").click()
    await expect(page.get_by_role("main")).to_contain_text("Gone", timeout=LIVE_MS)


# Headless browsers show all their tabs, so a tab is told that it is hidden.
HIDES = """window.hideTab = (hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_hidden_tabs_hold_no_connection_and_are_right_when_they_are_shown(market: Market, opens: Opens) -> None:
    seller = await market.member()
    ticket = await seller.lists()
    first = await opens("about:blank")
    await first.context.add_init_script(HIDES)
    tabs = [first, *[await first.context.new_page() for _ in range(8)]]
    for tab in tabs:
        await tab.goto(f"/tickets/{ticket['id']}")
        took = await tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert took < 1_000
        await tab.evaluate("hideTab(true)")
    await seller.http.delete(f"/api/tickets/{ticket['id']}")
    await expect(first.get_by_role("button", name="Buy for $12.50")).to_be_visible()
    await first.evaluate("hideTab(false)")
    await expect(first.get_by_role("main")).to_contain_text("Gone", timeout=LIVE_MS)


async def test_first_in_line_has_the_ticket_when_its_holder_lets_go(market: Market, opens: Opens) -> None:
    seller, ada, bea = await market.member(), await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    order = await ada.orders(ticket)
    page = await opens(f"/tickets/{ticket['id']}", bea)
    await page.get_by_text("Tell me when it is back").click()
    async with page.expect_response("**/live?**"):
        await page.get_by_role("button", name="Join the line").click()
    await expect(page.get_by_role("main")).to_contain_text("You are number 1 in line")
    await ada.http.delete(f"/api/orders/{order['id']}")
    await expect(page.get_by_role("main")).to_contain_text("You hold this", timeout=LIVE_MS)
    await page.get_by_role("link", name="Go on to pay").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your turn: Hamlet")
    await page.get_by_role("button", name="Take it").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for Hamlet")
