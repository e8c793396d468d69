"""G12: the network is gone when a form is sent, or the market does not answer in time. What was typed is not lost."""

import pytest
from playwright.async_api import Page, expect

from actors.domain.refusals import Unavailable
from actors.domain.ticket_commands import EditTicket, Reserve
from tests.browser.conftest import Opens
from tests.browser.market import Market

SAYS = "Not sent: you are offline. Nothing is lost. Press the button again when you are connected."


async def presses_offline(page: Page, button: str) -> None:
    """Press a button without a network: the page stays, and says why."""
    address = page.url
    await page.context.set_offline(True)
    await page.get_by_role("main").get_by_role("button", name=button, exact=True).click()
    await expect(page.get_by_role("alert").filter(has_text="Not sent")).to_have_text(SAYS)
    assert page.url == address


async def test_listing_sent_offline_stays_with_its_words_and_is_listed_once_when_sent_again(
    market: Market, opens: Opens
) -> None:
    seller = await market.member()
    page = await opens("/sell", seller)
    await page.get_by_label("Title").fill("Hamlet, uncut")
    await page.get_by_label("Price in USD").fill("42.50")
    for _ in range(2):
        await presses_offline(page, "List the ticket")
    await expect(page.get_by_label("Title")).to_have_value("Hamlet, uncut")
    await expect(page.get_by_role("alert").filter(has_text="Not sent")).to_have_count(1)
    await page.context.set_offline(False)
    await page.get_by_role("button", name="List the ticket").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Hamlet, uncut")
    assert len((await seller.http.get("/api/tickets?seller=me")).json()) == 1


async def test_press_of_buy_offline_buys_nothing_and_the_next_one_does(market: Market, opens: Opens) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    page = await opens(f"/tickets/{ticket['id']}", buyer)
    await presses_offline(page, "Buy for $42.50")
    assert (await buyer.http.get("/api/orders")).json() == []
    await page.context.set_offline(False)
    await page.get_by_role("button", name="Buy for $42.50").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for Hamlet")


async def test_buyer_whose_answer_was_lost_is_led_to_the_orders(
    market: Market, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    loses_the_answer_to(market, Reserve, monkeypatch)
    page = await opens(f"/tickets/{ticket['id']}", buyer)
    await page.get_by_role("button", name="Buy for $42.50").click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("We do not know yet whether it was done")
    await expect(page.get_by_role("main")).not_to_contain_text("Idempotency-Key")
    await expect(alert).to_be_focused()
    await alert.get_by_role("link", name="your orders").click()
    await expect(page.get_by_role("main")).to_contain_text("Hamlet")


async def test_edit_without_an_answer_keeps_what_was_typed(
    market: Market, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await market.member()
    ticket = await seller.lists(title="Hamlet", price=42.5)
    loses_the_answer_to(market, EditTicket, monkeypatch)
    page = await opens(f"/tickets/{ticket['id']}/edit", seller)
    await page.get_by_label("Title").fill("Hamlet, uncut")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("We do not know yet whether it was done")
    await expect(page.get_by_label("Title")).to_have_value("Hamlet, uncut")


def loses_the_answer_to(market: Market, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the market do what it is asked, and lose the answer."""
    ask = market.actors.ask_ticket

    async def asked(command: object) -> object:
        answer = await ask(command)  # type: ignore[arg-type]
        return Unavailable() if isinstance(command, kind) else answer

    monkeypatch.setattr(market.actors, "ask_ticket", asked)
