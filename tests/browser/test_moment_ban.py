"""M9: an administrator bans somebody on the pages, while that person, a visitor and a buyer look at theirs."""

import pytest
from playwright.async_api import Page, expect

from actors.domain.ticket_values import OrderStatus
from tests.api.world import PASSWORD, Person
from tests.browser.conftest import Opens
from tests.browser.market import Market
from tests.browser.test_moment_others import LIVE_MS, opens_live


@pytest.fixture
async def admin(market: Market, opens: Opens) -> Page:
    """The administration, as an administrator has it open."""
    ann = await market.member()
    await market.services.users.set_admin(ann.id, market.services.clock(), is_admin=True)
    return await opens("/admin", ann)


async def bans(admin: Page, user: Person) -> None:
    """Find the user and ban them, as the pages lead."""
    await admin.get_by_label("Id of a user").fill(user.id)
    await admin.get_by_role("button", name="Find").click()
    await admin.get_by_text("Ban", exact=True).click()
    await admin.get_by_role("button", name=f"Ban {user.email}").click()
    await expect(admin.get_by_role("main")).to_contain_text("Banned. Every session has ended")


async def test_banned_seller_is_signed_out_where_they_look_and_cannot_come_back(
    market: Market, opens: Opens, admin: Page
) -> None:
    seller = await market.member()
    ticket = await seller.lists(title="Hamlet")
    page = await opens_live(opens, f"/listings/{ticket['id']}", seller)
    await bans(admin, seller)
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Sign in", timeout=LIVE_MS)
    await page.get_by_label("Email address").fill(seller.email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("This account is suspended.")
    await page.goto("/account")
    await expect(heading).to_have_text("Sign in")


async def test_form_of_a_banned_seller_lists_nothing(market: Market, opens: Opens, admin: Page) -> None:
    seller = await market.member()
    page = await opens("/sell", seller)
    await page.get_by_label("Title").fill("Hamlet after the ban")
    await page.get_by_label("Price in USD").fill("42.50")
    await bans(admin, seller)
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.goto("/?q=after+the+ban")
    await expect(page.get_by_role("main")).to_contain_text("No ticket fits all of this")


async def test_ticket_of_a_banned_seller_is_gone_and_what_is_held_can_still_be_paid(
    market: Market, opens: Opens, admin: Page
) -> None:
    seller, buyer, held, order = await market.held(title="Held")
    ticket = await seller.lists(title="Hamlet", price=42.5)
    visitor = await opens_live(opens, f"/tickets/{ticket['id']}")
    page = await opens_live(opens, f"/orders/{order['id']}", buyer)
    await bans(admin, seller)
    await expect(visitor.get_by_role("main")).to_contain_text("Gone", timeout=LIVE_MS)
    await expect(visitor.get_by_role("main")).to_contain_text("It is off the market")
    await expect(visitor.get_by_role("button", name="Buy for")).to_have_count(0)
    await page.get_by_role("button", name="Pay $12.50").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("It is yours")
    assert (await buyer.http.get(f"/api/tickets/{held['id']}")).json()["status"] == "sold"


async def test_banned_buyer_is_led_to_the_sign_in_and_pays_nothing(market: Market, opens: Opens, admin: Page) -> None:
    _, buyer, _, order = await market.held()
    page = await opens_live(opens, f"/orders/{order['id']}", buyer)
    await bans(admin, buyer)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in", timeout=LIVE_MS)
    await page.goto(f"/orders/{order['id']}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    kept = await market.services.queries.orders.by_id(order["id"])
    assert kept is not None
    assert kept.status is OrderStatus.CREATED
