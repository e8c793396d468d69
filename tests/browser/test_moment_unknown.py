"""M4: the payment was sent and no answer came."""

import asyncio

from playwright.async_api import expect

from actors.storage.database import database_of
from actors.storage.sandbox_ledger import MongoLedger
from actors.stripe.sandbox.fault_injector import READ_EVERY_SECONDS
from actors.stripe.sandbox.faults import FaultPlan
from tests.browser.conftest import Opens
from tests.browser.market import Market
from tests.support.eventually import eventually


async def test_buyer_whose_payment_is_not_answered_reads_so_and_cannot_pay_twice(market: Market, opens: Opens) -> None:
    _, buyer, _, order = await market.held()
    ledger = MongoLedger(database_of(market.actors.connections.client))
    page = await opens(f"/orders/{order['id']}", buyer)
    heading = page.get_by_role("heading", level=1)
    try:
        await ledger.set_faults(FaultPlan(lost_answer=1.0))
        await asyncio.sleep(READ_EVERY_SECONDS)  # processes read the plan no more often
        await page.get_by_role("button", name="Pay $12.50").click()
        await expect(heading).to_have_text("We are asking your bank", timeout=40_000)
        await expect(page.get_by_role("main")).to_contain_text("You need not pay again")
        await page.reload()
        other = await opens(f"/orders/{order['id']}", buyer)
        for tab in (page, other):
            await expect(tab.get_by_role("heading", level=1)).to_have_text("We are asking your bank")
            await expect(tab.get_by_role("button", name="Pay $12.50")).to_have_count(0)
    finally:
        await ledger.set_faults(None)
    stalled_purchases = market.actors.stalled_purchases()

    async def is_decided() -> bool:
        await stalled_purchases.round()  # as the supervisor does every few seconds in a market on Ray
        return bool((await buyer.http.get(f"/api/orders/{order['id']}")).json()["status"] == "complete")

    await eventually(is_decided, seconds=40)
    for tab in (page, other):
        await expect(tab.get_by_role("heading", level=1)).to_have_text("It is yours")
    charges = (await buyer.http.get(f"/api/orders/{order['id']}/charges")).json()
    assert [charge["status"] for charge in charges] == ["completed"]
