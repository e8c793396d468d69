"""Two people trade with JavaScript turned off: real actors, the real sandbox, and nothing but links and forms."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from bson import ObjectId
from pydantic import SecretStr

from config.settings import Settings
from serve_app.api import create_api
from serve_app.bootstrap import open_services
from tests.api.world import PASSWORD, Person
from tests.support.eventually import eventually
from tests.support.local_market import local_market
from tests.web.reading import Page, leads_to, opens, submits

TICKET = {"title": "Hamlet", "price": "42.50"}


@dataclass
class Visitors:
    """People who come to one market by http."""

    transport: httpx.ASGITransport

    async def member(self) -> Person:
        """Somebody who signed up with the form."""
        person = Person(httpx.AsyncClient(transport=self.transport, base_url="http://localhost:8000"))
        page = await opens(person, "/signup")
        leads_to(await submits(person, page, "/signup", email=f"{ObjectId()}@example.com", password=PASSWORD))
        return person


@pytest.fixture
async def visitors(mongodb_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Visitors]:
    settings = Settings(
        holdfast_env="test",
        data_dir=tmp_path,
        mongodb_url=mongodb_url.replace("/holdfast", f"/web{ObjectId()}"),
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust and which is long enough for HS512 as well"),
        payment_attempts=2,
        argon2_memory_kib=8_192,
        argon2_iterations=1,
    )
    async with local_market(settings) as market:
        await market.connections.clock.refresh()
        async with open_services(settings, market.connections.database, market) as services:
            yield Visitors(httpx.ASGITransport(create_api(services)))


async def held_by(buyer: Person, seller: Person) -> tuple[str, Page]:
    """The address of an order that the buyer made of the seller's ticket, and its page."""
    listing = leads_to(await submits(seller, await opens(seller, "/sell"), "/sell", **TICKET))
    ticket = f"/tickets/{listing.rpartition('/')[2]}"
    order = leads_to(await submits(buyer, await opens(buyer, ticket), "/buy"))
    return order, await opens(buyer, order)


async def test_ticket_is_listed_found_held_and_paid_without_javascript(visitors: Visitors) -> None:
    seller, buyer = await visitors.member(), await visitors.member()
    order, page = await held_by(buyer, seller)
    assert leads_to(await submits(buyer, page, "/pay")) == order
    assert "It is yours" in (await opens(buyer, order)).text


async def test_bank_asks_and_is_answered_without_javascript(visitors: Visitors) -> None:
    seller, buyer = await visitors.member(), await visitors.member()
    order, page = await held_by(buyer, seller)
    leads_to(await submits(buyer, page, "/pay", paymentMethod="pm_card_authenticationRequired"))
    asked = await opens(buyer, order)
    assert asked.text == (await opens(buyer, order)).text, "a reload changes nothing"
    assert "Your bank wants to know that it is you" in asked.text
    assert "secret" not in asked.html
    leads_to(await submits(buyer, asked, "/bank", outcome="succeeds"))

    async def is_theirs() -> bool:
        return "It is yours" in (await opens(buyer, order)).text

    await eventually(is_theirs)


async def test_refusing_at_the_bank_is_a_decline_and_another_card_can_be_tried(visitors: Visitors) -> None:
    seller, buyer = await visitors.member(), await visitors.member()
    order, page = await held_by(buyer, seller)
    leads_to(await submits(buyer, page, "/pay", paymentMethod="pm_card_authenticationRequired"))
    refused = await submits(buyer, await opens(buyer, order), "/bank", outcome="fails")
    assert refused.status == 402
    assert "You still hold the ticket" in refused.text
    leads_to(await submits(buyer, await opens(buyer, order), "/pay", paymentMethod="pm_card_visa"))
    assert "It is yours" in (await opens(buyer, order)).text


async def test_another_card_takes_the_place_of_the_one_that_the_bank_asks_about(visitors: Visitors) -> None:
    seller, buyer = await visitors.member(), await visitors.member()
    order, page = await held_by(buyer, seller)
    leads_to(await submits(buyer, page, "/pay", paymentMethod="pm_card_authenticationRequired"))
    asked = await opens(buyer, order)
    leads_to(await submits(buyer, asked, "/pay", paymentMethod="pm_card_visa"))
    assert "It is yours" in (await opens(buyer, order)).text


async def test_edit_meets_the_hold_and_the_seller_gives_the_money_back(visitors: Visitors) -> None:
    seller, buyer = await visitors.member(), await visitors.member()
    order, page = await held_by(buyer, seller)
    ticket = next(link for link in page.links if link.startswith("/tickets/"))
    refused = await submits(seller, await opens(seller, f"{ticket}/edit"), "/edit", price="60")
    assert refused.status == 409
    leads_to(await submits(buyer, page, "/pay"))
    listing = ticket.replace("/tickets/", "/listings/")
    leads_to(await submits(seller, await opens(seller, listing), "/refund"))

    async def is_back() -> bool:
        return "Your money went back" in (await opens(buyer, order)).text

    await eventually(is_back)

    async def is_said() -> bool:
        return "They took 1 sale back." in (await opens(buyer, ticket)).text

    await eventually(is_said)
