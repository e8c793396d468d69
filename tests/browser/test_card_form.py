"""O4: cards of a real account. `stripe.js` stands in for Stripe's form, the sandbox behind the market for Stripe."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page, Request, Route, expect

from tests.api.world import JSON, Person
from tests.browser.market import Market
from tests.browser.pages import STRIPE_JS

PAYS, ASKS, LACKS_FUNDS, UNKNOWN = "4242424242424242", "4000002760003184", "4000000000009995", "4000000000001111"
_CORS = {"access-control-allow-origin": "*"}


@dataclass
class Window:
    """The page of an order that its buyer has open, and all that it sent."""

    page: Page
    market: Market
    buyer: Person
    order: JSON
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    is_away: bool = False
    approves: bool = True

    async def serve_script(self, route: Route) -> None:
        if self.is_away:
            await route.abort()
        else:
            await route.fulfill(body=STRIPE_JS, content_type="text/javascript")

    async def ask_bank(self, route: Route) -> None:
        assert self.market.services.sandbox is not None
        await self.market.services.sandbox.authenticate(route.request.post_data or "", succeeds=self.approves)
        await route.fulfill(json={"succeeds": self.approves}, headers=_CORS)

    async def pays_with(self, number: str) -> None:
        await self.page.get_by_label("Card number").fill(number)
        await self.page.get_by_role("button", name="Pay $12.50").click()

    async def shows(self, heading: str) -> None:
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    async def alerts(self, sentence: str) -> None:
        alert = self.page.get_by_role("alert").filter(has_text=sentence)
        await expect(alert).to_be_visible()
        await expect(alert).to_be_focused()

    async def charges(self) -> list[str]:
        found = await self.buyer.http.get(f"/api/orders/{self.order['id']}/charges")
        return [charge["status"] for charge in found.json()]

    def payments(self) -> list[Request]:
        return [request for request in self.requests if request.url.endswith("/api/payments")]


@pytest.fixture
async def window(browser: Browser, card_market: Market) -> AsyncIterator[Window]:
    """A window at the order that its person holds, before its page is loaded."""
    _, buyer, _, order = await card_market.held()
    context = await card_market.context(browser, buyer)
    window = Window(await context.new_page(), card_market, buyer, order)
    await context.route("https://js.stripe.com/endive/stripe.js", window.serve_script)
    await context.route("https://api.stripe.com/bank", window.ask_bank)
    context.on("request", lambda request: window.requests.append(request))  # noqa: PLW0108 - built-ins are refused
    context.on("console", lambda message: window.complaints.append(message.text) if message.type == "error" else None)
    yield window
    await context.close()


@pytest.fixture
async def opened(window: Window) -> Window:
    """The same, with its page loaded."""
    await window.page.goto(f"/orders/{window.order['id']}")
    return window


async def test_card_that_pays_leads_to_the_receipt_and_its_number_never_comes_to_the_market(opened: Window) -> None:
    await opened.pays_with(PAYS)
    await opened.shows("It is yours")
    assert await opened.charges() == ["completed"]
    assert not opened.complaints, "the page's policy lets Stripe's form work"
    sent = [request for request in opened.requests if request.url.startswith(opened.market.url)]
    assert opened.payments()[0] in sent
    assert not any(PAYS in f"{request.url} {request.post_data}" for request in sent)


async def test_stripe_is_asked_for_what_the_market_charges(opened: Window) -> None:
    await expect(opened.page.get_by_label("Card number")).to_be_visible()
    (_, asked), (_, kind, options) = await opened.page.evaluate("window.stripeCalls")
    assert (asked["mode"], asked["amount"], asked["currency"]) == ("payment", 1250, "usd")
    assert (asked["captureMethod"], asked["paymentMethodTypes"]) == ("manual", ["card"])
    assert kind == "payment"
    assert set(options["wallets"].values()) == {"never"}


async def test_form_that_is_pressed_again_and_again_pays_once(opened: Window) -> None:
    await opened.page.get_by_label("Card number").fill(PAYS)
    await opened.page.evaluate("for (let i = 0; i < 10; i++) document.querySelector('card-form form').requestSubmit()")
    await opened.shows("It is yours")
    assert len(opened.payments()) == 1
    assert await opened.charges() == ["completed"]


async def test_fault_in_a_field_is_said_by_stripes_form_and_nothing_is_sent(opened: Window) -> None:
    await opened.pays_with("4242")
    await expect(opened.page.get_by_text("Your card number is incomplete.")).to_be_visible()
    await expect(opened.page.get_by_role("button", name="Pay $12.50")).to_be_visible()
    assert not opened.payments()


async def test_fault_of_stripe_is_said_in_its_words(opened: Window) -> None:
    await opened.pays_with(UNKNOWN)
    await opened.alerts("Stripe cannot be asked now.")
    assert not opened.payments()


async def test_declined_card_is_said_and_another_one_pays(opened: Window) -> None:
    await opened.pays_with(LACKS_FUNDS)
    await opened.alerts("The payment was declined: the card has insufficient funds. You still hold the ticket")
    await opened.pays_with(PAYS)
    await opened.shows("It is yours")
    first, second = [request.headers["idempotency-key"] for request in opened.payments()]
    assert first != second, "another card is another submission"


async def test_last_declined_card_ends_the_form(opened: Window) -> None:
    await opened.pays_with(LACKS_FUNDS)
    await opened.alerts("You still hold the ticket")
    await opened.pays_with(LACKS_FUNDS)
    await opened.alerts("The order is cancelled and its ticket for sale again.")
    await expect(opened.page.get_by_label("Card number")).to_be_hidden()
    await opened.page.get_by_role("link", name="See how your order stands").click()
    await opened.shows("Your payment was declined")


async def test_bank_that_approves_completes_the_purchase(opened: Window) -> None:
    await opened.pays_with(ASKS)
    await opened.shows("It is yours")
    assert await opened.charges() == ["completed"]


async def test_bank_that_refuses_is_said_and_no_money_is_taken(opened: Window) -> None:
    opened.approves = False
    await opened.pays_with(ASKS)
    await opened.alerts("The payment was declined")
    assert "completed" not in await opened.charges()


async def test_reload_during_the_banks_question_goes_on_with_the_same_payment(opened: Window) -> None:
    token = {"orderId": opened.order["id"], "confirmationToken": "ctoken_authenticationRequired"}
    assert (await opened.buyer.http.post("/api/payments", json=token)).status_code == 202
    await opened.page.reload()
    await opened.shows("Your bank wants to know that it is you")
    await opened.page.get_by_role("button", name="Continue with your bank").click()
    await opened.shows("It is yours")
    assert await opened.charges() == ["completed"]
    assert json.loads(opened.payments()[0].post_data or "") == {"orderId": opened.order["id"]}


async def test_other_card_takes_the_place_of_the_one_whose_bank_asks(opened: Window) -> None:
    token = {"orderId": opened.order["id"], "confirmationToken": "ctoken_authenticationRequired"}
    assert (await opened.buyer.http.post("/api/payments", json=token)).status_code == 202
    await opened.page.reload()
    await opened.page.get_by_text("Pay with another card").click()
    await opened.pays_with(PAYS)
    await opened.shows("It is yours")
    assert (await opened.charges()).count("completed") == 1


@pytest.mark.parametrize("arrives", [True, False], ids=["its answer is lost", "it is lost itself"])
async def test_lost_payment_is_asked_for_again_with_its_key_and_paid_once(opened: Window, *, arrives: bool) -> None:
    async def lose(route: Route) -> None:
        if arrives:
            await route.fetch()
        await route.abort()

    await opened.page.route("**/api/payments", lose, times=1)
    await opened.pays_with(PAYS)
    await opened.alerts("We do not know yet")
    await expect(opened.page.get_by_label("Card number")).to_be_hidden()
    await opened.page.get_by_role("button", name="Ask again").click()
    await opened.shows("It is yours")
    first, second = opened.payments()
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.post_data == second.post_data
    assert await opened.charges() == ["completed"]


async def test_form_that_does_not_load_says_so_and_can_be_tried_again(window: Window) -> None:
    window.is_away = True
    await window.page.goto(f"/orders/{window.order['id']}")
    await window.alerts("The card form did not load")
    await expect(window.page.get_by_role("timer")).to_be_visible()
    await expect(window.page.get_by_role("button", name="Pay $12.50")).to_be_hidden()
    window.is_away = False
    await window.page.get_by_role("button", name="Try again").click()
    await window.pays_with(PAYS)
    await window.shows("It is yours")


async def test_stripes_hosts_may_be_asked_on_open_orders_alone(opened: Window) -> None:
    for address in ("/", "/orders", f"/tickets/{opened.order['ticket']['id']}", "/account", "/help"):
        page = await opened.buyer.http.get(address, headers={"accept": "text/html"})
        assert page.status_code == 200, address
        assert "stripe.com" not in page.headers["content-security-policy"], address
        assert "card-form" not in page.text
    order = f"/orders/{opened.order['id']}"
    policy = (await opened.buyer.http.get(order, headers={"accept": "text/html"})).headers["content-security-policy"]
    assert "script-src 'self' https://js.stripe.com https://*.js.stripe.com;" in policy
    assert "unsafe" not in policy
    await opened.pays_with(PAYS)
    await opened.shows("It is yours")
    receipt = await opened.buyer.http.get(order, headers={"accept": "text/html"})
    assert "stripe.com" not in receipt.headers["content-security-policy"]
