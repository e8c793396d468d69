"""M11: a replica, the actor of the tickets and Redis are killed while somebody buys, in a whole market on Ray."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from benchmarks.support.running_market import RunningMarket, running_market
from tests.api.world import PASSWORD, Person
from tests.support.client import seconds_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
API, TICKETS = "ServeReplica:holdfast:Api", "TicketActor"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMarket]:
    """A market as `holdfast up` starts it."""
    folder: Path = tmp_path_factory.mktemp("restarts")
    with running_market(folder) as market:
        yield market


async def test_page_and_purchase_live_through_kills_of_everything_below(
    running: RunningMarket, browser: Browser
) -> None:
    url = f"http://localhost:{running.port}"
    seller, buyer = [Person(httpx.AsyncClient(base_url=url, timeout=30)) for _ in range(2)]
    for person, name in ((seller, "seller"), (buyer, "buyer")):
        answer = await person.http.post(
            "/api/users/signup", json={"email": f"{name}@example.com", "password": PASSWORD}
        )
        assert answer.status_code == 201, answer.text
    ticket = await seller.lists(title="Hamlet", price=42.5)
    context = await browser.new_context(base_url=url, locale="en-US")
    await context.add_cookies(
        [{"name": name, "value": value, "url": url} for name, value in buyer.http.cookies.items()]
    )
    page = await context.new_page()
    try:
        await page.goto(f"/tickets/{ticket['id']}")
        buy = page.get_by_role("button", name="Buy for $42.50")
        await expect(buy).to_be_visible()
        for victim in [*running.actors(API), *running.actors(TICKETS), running.redis]:
            victim.kill()

        async def is_back() -> bool:
            try:
                held = await seller.http.get(f"/api/tickets/{ticket['id']}")
                return held.status_code == 200 and bool(running.actors(TICKETS))
            except httpx.HTTPError:
                return False

        await seconds_until(is_back, 60)
        assert await buy.is_visible(), "the page stayed as it was"
        await _press_until(page, buy, "Pay for Hamlet")
        pay = page.get_by_role("button", name="Pay $42.50")
        for victim in [*running.actors(API), *running.actors(TICKETS)]:
            victim.kill()
        await seconds_until(is_back, 60)
        await expect(pay).to_be_visible()
        await _press_until(page, pay, "It is yours")
        orders = (await buyer.http.get("/api/orders")).json()
        assert [order["status"] for order in orders] == ["complete"]
    finally:
        await context.close()
        for person in (seller, buyer):
            await person.http.aclose()


async def _press_until(page: Page, button: Locator, heading: str) -> None:
    """Press as people do: after an answer that the market is away, they go back and press again."""
    address = page.url

    async def leads_there() -> bool:
        await button.click()
        await page.wait_for_load_state("load")
        if await page.get_by_role("heading", level=1).inner_text() == heading:
            return True
        await page.goto(address)
        return await page.get_by_role("heading", level=1).inner_text() == heading

    await seconds_until(leads_there, 60)
