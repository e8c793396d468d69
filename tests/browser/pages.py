"""Every page in every state: `PAGES`. A page route that is missing in it fails the tests: add a row for a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import BrowserContext, Page, Response

from tests.browser.scene import Scene

STRIPE = "https://js.stripe.com/"
STRIPE_JS = (Path(__file__).parent / "stripe.js").read_text()
# The clocks go back that night: 02:30 comes twice.
TWICE = {"title": "Night", "price": "20", "date": "2031-10-26", "time": "02:30", "timezone": "Europe/Berlin"}
SIGN_UP = {"email": "nobody", "password": "short"}


@dataclass(frozen=True, slots=True)
class Row:
    """A page as somebody comes to see it.

    `address` has names of `Scene.ids` in braces. `who` is one of `Scene.people`, or nobody. With `press` the fields in
    `fill` are filled in and the button of that name is pressed; the page is what is answered, with `status`. With
    `stripe` the market is one of a real account, whose card form "loads" or is "away".
    """

    state: str
    address: str
    who: str | None = None
    status: int = 200
    fill: Mapping[str, str] = field(default_factory=dict)
    press: str = ""
    stripe: str = ""

    def path(self, scene: Scene) -> str:
        """Return the address in this scene."""
        return self.address.format_map(scene.ids)


PAGES = [
    Row("landing", "/"),
    Row("landing signed in", "/", "sam"),
    Row("search", "/?q=hamlet&sort=price"),
    Row("search that finds nothing", "/?q=nothing-of-the-kind&city=Nowhere"),
    Row("search with errors", "/?minPrice=abc", status=400),
    Row("ticket", "/tickets/{available}"),
    Row("ticket for its seller", "/tickets/{available}", "sam"),
    Row("ticket with nothing but a title", "/tickets/{bare}", "eve"),
    Row("ticket with hostile text", "/tickets/{hostile}", "eve"),
    Row("ticket that is held", "/tickets/{held}", "eve"),
    Row("ticket that is held, for its seller", "/tickets/{held}", "sam"),
    Row("ticket that one waits for", "/tickets/{waited}", "bea"),
    Row("ticket that one holds", "/tickets/{holding}", "bea"),
    Row("ticket that is sold", "/tickets/{sold}", "bea"),
    Row("ticket that one bought", "/tickets/{bought}", "bea"),
    Row("ticket that is withdrawn", "/tickets/{withdrawn}", "bea"),
    Row("ticket of an event that has begun", "/tickets/{begun}", "bea"),
    Row("ticket that is not there", "/tickets/{nobody}", status=404),
    Row("sign-in", "/signin"),
    Row("sign-in refused", "/signin", status=401, fill={"email": "a@example.com", "password": "x"}, press="Sign in"),
    Row("sign-up", "/signup"),
    Row("sign-up refused", "/signup", status=400, fill=SIGN_UP, press="Sign up"),
    Row("reset", "/reset-password"),
    Row("reset with a code", "/reset-password#token=abc"),
    Row("verification", "/verify"),
    Row("verification refused", "/verify", status=400, fill={"token": "abc"}, press="Confirm"),
    Row("sell", "/sell", "sam"),
    Row("sell refused", "/sell", "sam", 400, {"price": "NaN"}, "List the ticket"),
    Row("sell at a time that comes twice", "/sell", "sam", 400, TWICE, "List the ticket"),
    Row("sell with a preview", "/sell", "sam", 200, {"title": "Hamlet", "price": "42.50"}, "Preview"),
    Row("edit", "/tickets/{available}/edit", "sam"),
    Row("edit of hostile text", "/tickets/{hostile}/edit", "sam"),
    Row("edit of a held ticket", "/tickets/{held}/edit", "sam"),
    Row("edit refused", "/tickets/{held}/edit", "sam", 409, {"price": "60"}, "Save"),
    Row("withdraw", "/tickets/{available}/withdraw", "sam"),
    Row("listings", "/listings", "sam"),
    Row("listings, none", "/listings", "eve"),
    Row("listing", "/listings/{available}", "sam"),
    Row("listing that is held", "/listings/{held}", "sam"),
    Row("listing that somebody waits for", "/listings/{waited}", "sam"),
    Row("listing that is sold", "/listings/{sold}", "sam"),
    Row("listing that was refunded", "/listings/{refunded}", "sam"),
    Row("listing with hostile text", "/listings/{hostile}", "sam"),
    Row("orders", "/orders", "bea"),
    Row("orders, none", "/orders", "eve"),
    Row("order to pay", "/orders/{holding_order}", "bea"),
    Row("order that was offered", "/orders/{offered_order}", "bea"),
    Row("order with hostile text", "/orders/{hostile_order}", "bea"),
    Row("order that the bank asks about", "/orders/{bank_order}", "bea"),
    Row("order that is complete", "/orders/{bought_order}", "bea"),
    Row("order that was let go", "/orders/{released_order}", "bea"),
    Row("order that was declined", "/orders/{declined_order}", "bea"),
    Row("order that is refunded", "/orders/{refunded_order}", "bea"),
    Row("order whose refund is on its way", "/orders/{refunding_order}", "bea"),
    Row("order whose refund failed", "/orders/{unrefunded_order}", "bea"),
    Row("order to pay by card", "/orders/{holding_order}", "bea", stripe="loads"),
    Row("order whose card form did not load", "/orders/{holding_order}", "bea", stripe="away"),
    Row("order that the bank of a card asks about", "/orders/{bank_order}", "bea", stripe="loads"),
    Row("order of somebody else", "/orders/{bought_order}", "eve", 403),
    Row("account", "/account", "bea"),
    Row("account with a new token", "/account", "eve", 201, {"name": "Spreadsheet"}, "Make the token"),
    Row("account, token refused", "/account", "eve", 400, {"name": ""}, "Make the token"),
    Row("account of an administrator", "/account", "ann"),
    Row("webhooks", "/account/webhooks", "sam"),
    Row("webhooks, none", "/account/webhooks", "ann"),
    Row("webhooks refused", "/account/webhooks", "eve", 400, {"url": "ftp://a"}, "Register"),
    Row("webhook registered", "/account/webhooks", "bea", 200, {"url": "https://example.com/hook"}, "Register"),
    Row("webhook", "/account/webhooks/{webhook}", "sam"),
    Row("report", "/tickets/{available}/report", "eve"),
    Row("report refused", "/tickets/{available}/report", "eve", 400, {"text": "No such row"}, "Send the report"),
    Row("report that was sent", "/tickets/{available}/report?done=reported", "eve"),
    Row("favorites", "/favourites", "eve"),
    Row("favorites, none", "/favourites", "bea"),
    Row("administration", "/admin", "ann"),
    Row("administration, nothing found", "/admin?id={nobody}", "ann"),
    Row("administration for others", "/admin", "eve", 404),
    Row("user for administrators", "/admin/users/{sam}", "ann"),
    Row("ticket for administrators", "/admin/tickets/{available}", "ann"),
    Row("sold ticket for administrators", "/admin/tickets/{sold}", "ann"),
    Row("hostile ticket for administrators", "/admin/tickets/{hostile}", "ann"),
    Row("order for administrators", "/admin/orders/{bought_order}", "ann"),
    Row("failed refund for administrators", "/admin/orders/{unrefunded_order}", "ann"),
    Row("help", "/help"),
    Row("accessibility statement", "/accessibility"),
    Row("privacy", "/privacy"),
    Row("terms", "/terms"),
    Row("nothing there", "/nothing", status=404),
]

# Routes that answer GET with something else than a page, or with a redirect only.
NO_PAGES = {
    "/static/{digest}/{name}": "a file",
    "/live": "a stream",
    "/robots.txt": "for machines",
    "/sitemap.xml": "for machines",
    "/.well-known/security.txt": "for machines",
    "/opensearch.xml": "for machines",
    "/site.webmanifest": "for machines",
    "/.well-known/change-password": "leads on",
    "/signout": "leads on",
    "/tickets/{ticket_id}/buy": "leads on",
    "/tickets/{ticket_id}/wait": "leads on",
    "/tickets/{ticket_id}/leave-line": "leads on",
    "/listings/{ticket_id}/close-line": "leads on",
    "/orders/{order_id}/accept": "leads on",
    "/listings/{ticket_id}/refund": "leads on",
    "/tickets/{ticket_id}/favourite": "leads on",
    "/account/password": "leads on",
    "/account/verification": "leads on",
    "/account/sessions": "leads on",
    "/account/sessions/{session_id}": "leads on",
    "/account/tokens": "leads on",
    "/account/tokens/{token_id}": "leads on",
    "/account/close": "leads on",
    "/account/webhooks/{endpoint_id}/rotate": "leads on",
    "/account/webhooks/{endpoint_id}/test": "leads on",
    "/account/webhooks/{endpoint_id}/delete": "leads on",
    "/account/webhooks/{endpoint_id}/deliveries/{delivery_id}": "leads on",
    "/orders/{order_id}/pay": "leads on",
    "/orders/{order_id}/bank": "leads on",
    "/orders/{order_id}/cancel": "leads on",
    "/orders/{order_id}/ticket.ics": "a calendar file",
    "/listings.csv": "a table",
    "/orders.csv": "a table",
    "/account/export": "a file",
}


async def bring(page: Page, row: Row, scene: Scene) -> Response:
    """Bring the browser to the page of a row, and return what the server answered."""
    response = await page.goto(row.path(scene))
    if row.press:
        # What browsers check themselves would keep the form from the server.
        await page.evaluate("() => { for (const form of document.forms) form.noValidate = true; }")
        for name, text in row.fill.items():
            await page.locator(f"main [name='{name}']").first.fill(text)
        async with page.expect_navigation() as sent:
            await page.locator("main").get_by_role("button", name=row.press, exact=True).click()
        response = await sent.value
    assert response is not None
    assert response.status == row.status, f"{response.status} at {page.url}"
    return response


def scene_of(row: Row, scene: Scene) -> Scene:
    """Return where the row is seen: in the sandbox, or in a market of a real account."""
    return scene.cards if row.stripe and scene.cards else scene


async def stand_in_for_stripe(context: BrowserContext, row: Row) -> None:
    """Answer for Stripe in a window, as the row says. To be called before its first page is opened."""
    if row.stripe == "loads":
        await context.route(f"{STRIPE}**", lambda route: route.fulfill(body=STRIPE_JS, content_type="text/javascript"))
    else:
        await context.route(f"{STRIPE}**", lambda route: route.abort())


async def wait_for_card_form(page: Page, row: Row) -> None:
    """Wait until Stripe's form is there, or the page says that it is not."""
    if row.stripe == "loads":
        await page.wait_for_function("window.Stripe && document.querySelector('card-form button').checkVisibility()")
    elif row.stripe:
        await page.get_by_role("alert").wait_for()
