"""What an open page hears of others: over real HTTP, from real actors, through a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pymongo.errors import AutoReconnect

from actors.domain.ticket import Ticket
from actors.domain.ticket_values import TicketDetails
from cli.up.embedded_servers import Server, start_redis
from config.settings import Settings
from serve_app.search.matching import Listed
from tests.api.world import JSON, PASSWORD, Person
from tests.support.eventually import eventually
from tests.web.served_market import Market, served, settings_for


@pytest.fixture
def settings(mongodb_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return settings_for(mongodb_url, redis_url, tmp_path)


@pytest.fixture
async def market(settings: Settings) -> AsyncIterator[Market]:
    async with served(settings) as market:
        yield market


class Listener:
    """An open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self, seconds: float = 2.0) -> tuple[str, str]:
        """The next event and its data; comments and the clock are passed over. The feed promises two seconds."""
        event, data = "", []
        async with asyncio.timeout(seconds):
            async for line in self._lines:
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data.append(line.removeprefix("data: "))
                elif not line and event and event != "clock":
                    return event, "\n".join(data)
                elif not line:
                    event, data = "", []
        raise AssertionError("the stream ended")


@asynccontextmanager
async def listening(person: Person, ticket: JSON, view: str = "cards", more: str = "") -> AsyncIterator[Listener]:
    path = f"/live?view={view}&tickets={ticket['id']}.{ticket['version']}{more}"
    async with person.http.stream("GET", path) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Listener(response)


async def test_card_says_within_two_seconds_that_somebody_holds_the_ticket_and_lets_it_go(market: Market) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists(title="Hamlet")
    async with listening(await market.anyone(), ticket) as listener:
        order = await buyer.orders(ticket)
        event, html = await listener.next()
        assert event == "ticket"
        assert f'id="ticket-{ticket["id"]}"' in html
        assert "Being bought. Back at" in html
        await buyer.http.delete(f"/api/orders/{order['id']}")
        _, html = await listener.next()
        assert "Being bought" not in html
        await buyer.pays(await buyer.orders(ticket))
        texts = [(await listener.next())[1]]
        while "Sold" not in texts[-1]:
            texts.append((await listener.next())[1])


async def test_stream_begins_with_the_state_of_what_changed_before_it_was_opened(market: Market) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists()
    await buyer.orders(ticket)
    async with listening(await market.anyone(), ticket) as listener:
        assert "Being bought" in (await listener.next())[1]


async def test_panel_of_the_ticket_page_has_the_new_price_on_its_button(market: Market) -> None:
    seller = await market.member()
    ticket = await seller.lists(price=42.5)
    async with listening(await market.anyone(), ticket, "panel") as listener:
        await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": ticket["title"], "price": 60})
        _, html = await listener.next()
    assert "Buy for $60.00" in html
    assert 'name="expectedPrice" value="60.00"' in html


async def test_pages_concerned_by_a_change_are_told_to_reload(market: Market) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists()
    async with listening(seller, ticket, "panel") as seller_hears, listening(buyer, ticket, "panel") as buyer_hears:
        await buyer.orders(ticket)
        assert (await seller_hears.next())[0] == "changed"
        assert (await buyer_hears.next())[0] == "changed"


async def test_order_page_hears_of_its_order_and_of_nothing_that_it_shows_already(market: Market) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists()
    order = await buyer.orders(ticket)
    shown = {**ticket, "version": 0}
    async with listening(buyer, shown, "page", f"&order={order['id']}.{order['version']}") as listener:
        with pytest.raises(TimeoutError):
            await listener.next(seconds=1.0)
    async with listening(buyer, shown, "page", f"&order={order['id']}.{order['version']}") as listener:
        await buyer.http.delete(f"/api/orders/{order['id']}")
        assert (await listener.next())[0] == "changed"


async def test_order_page_hears_that_the_bank_asks(market: Market) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await seller.lists()
    order = await buyer.orders(ticket)
    # As if it showed already that the payment began, which is a change of the ticket: what follows is none.
    about = f"&order={order['id']}.{order['version'] + 1}"
    async with listening(buyer, {**ticket, "version": 0}, "page", about) as listener:
        await buyer.pays(order, "pm_card_authenticationRequired")
        assert (await listener.next())[0] == "changed"


async def test_page_of_a_search_hears_how_many_new_tickets_it_finds(market: Market) -> None:
    seller = await market.member()
    shown = await seller.lists(title="Hamlet")
    since = market.services.clock()
    async with listening(await market.anyone(), shown, more=f"&since={since}&q=hamlet&maxPrice=20") as listener:
        await seller.lists(title="Macbeth")
        await seller.lists(title="Hamlet", price=30)
        await seller.lists(title="Hamlet, again")
        event, html = await listener.next()
        assert (event, "1 new ticket<" in html, 'data-version="1"' in html) == ("ticket", True, True)
        assert "?q=hamlet&amp;maxPrice=20" in html
        await seller.lists(title="Hamlet, once more")
        assert "2 new tickets<" in (await listener.next())[1]
    async with listening(await market.anyone(), shown, more=f"&since={since}&q=hamlet") as listener:
        assert "3 new tickets<" in (await listener.next())[1], "one that comes back hears of what it missed"
    await eventually(lambda: not market.services.live._new_listings._searches)


async def test_page_of_a_search_counts_no_further_than_a_hundred(market: Market) -> None:
    details = TicketDetails(title="Hamlet", price=1_000, currency="usd")
    for number in range(120):
        market.services.live.on_listed(Listed.of(str(number), details, at=1))
    seller = await market.member()
    async with listening(await market.anyone(), await seller.lists(), more="&since=0") as listener:
        assert "99+ new tickets<" in (await listener.next())[1]


async def test_event_that_is_published_again_counts_its_ticket_once(market: Market) -> None:
    listed = Listed.of("1" * 24, TicketDetails(title="Hamlet", price=1_000, currency="usd"), at=1)
    for _ in range(2):
        market.services.live.on_listed(listed)
    shown = await (await market.member()).lists(title="Macbeth")
    async with listening(await market.anyone(), shown, more="&since=0&q=hamlet") as listener:
        assert "1 new ticket<" in (await listener.next())[1]


async def test_ended_session_ends_its_streams_within_two_seconds(market: Market) -> None:
    person = await market.member()
    ticket = await person.lists()
    async with listening(person, ticket) as listener:
        await market.services.sessions.end_all(person.id)
        assert (await listener.next())[0] == "signed-out"


async def test_session_and_replica_have_only_so_many_streams(market: Market) -> None:
    person = await market.member()
    ticket = await person.lists()
    opened = [listening(person, ticket) for _ in range(6)]
    for stream in opened:
        await stream.__aenter__()
    address = f"/live?view=cards&tickets={ticket['id']}.1"
    refused = await person.http.get(address)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "15")
    await opened.pop().__aexit__(None, None, None)

    async def is_admitted() -> bool:
        async with person.http.stream("GET", address) as response:
            return response.status_code == 200

    await eventually(is_admitted)
    for stream in opened:
        await stream.__aexit__(None, None, None)


async def test_replica_keeps_nothing_of_streams_that_ended(market: Market) -> None:
    person = await market.member()
    ticket = await person.lists()
    async with listening(person, ticket):
        assert len(market.services.live._topics) == 1
    await eventually(lambda: not market.services.live._topics and not market.services.live._viewers)


ONE = "1" * 24
MANY = ",".join(f"{number:024x}.1" for number in range(101))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "view=cards",
        "view=cards&tickets=x.1",
        f"view=cards&tickets={ONE}",
        f"view=other&tickets={ONE}.1",
        f"view=cards&tickets={MANY}",
        f"view=page&order=x&tickets={ONE}.1",
        f"view=cards&since=x&tickets={ONE}.1",
        f"view=cards&since=1&minPrice=x&tickets={ONE}.1",
    ],
)
async def test_stream_of_nothing_is_refused(market: Market, query: str) -> None:
    assert (await (await market.anyone()).http.get(f"/live?{query}")).status_code == 400


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Server]:
    server = await asyncio.to_thread(start_redis, Settings(data_dir=tmp_path / "redis"))
    yield server
    await asyncio.to_thread(server.stop)


async def test_feed_goes_on_after_redis_was_away(settings: Settings, own_redis: Server) -> None:
    async with served(settings.model_copy(update={"redis_url": own_redis.url})) as market:
        seller, buyer = await market.member(), await market.member()
        ticket = await seller.lists()
        async with listening(await market.anyone(), ticket) as listener:
            await asyncio.to_thread(own_redis.stop)
            await buyer.orders(ticket)
            await asyncio.to_thread(own_redis.restart)
            await market.actors.connections.epoch_keeper(market.services.settings).round()
            assert "Being bought" in (await listener.next(seconds=10.0))[1]


async def test_words_of_a_closed_account_are_not_in_the_feed(market: Market) -> None:
    seller = await market.member()
    ticket = await seller.lists(title="Ann's ticket", venue="Ann's house")
    response = await seller.http.request("DELETE", "/api/users/me", json={"password": PASSWORD})
    assert response.status_code == 204
    for view in ("cards", "panel"):
        async with listening(await market.anyone(), ticket, view) as listener:
            _, html = await listener.next()
        assert "Ann" not in html
        assert "A ticket of a closed account" in html or view == "panel"


async def test_stream_that_never_began_is_forgotten(market: Market) -> None:
    feed = market.services.live
    viewer = feed.open(None, "192.0.2.1", {"1" * 24: 1})
    ends = feed._viewers[viewer]
    feed.end_overdue(ends + 1)
    assert viewer.is_over
    assert viewer in feed._viewers, "who reads slowly is sent the end first"
    feed.end_overdue(ends + 31)
    assert not feed._viewers
    assert not feed._topics


async def test_streams_end_at_once_when_their_replica_does_and_none_opens_there(market: Market) -> None:
    seller = await market.member()
    ticket = await seller.lists()
    path = f"/live?view=cards&tickets={ticket['id']}.{ticket['version']}"
    async with listening(await market.anyone(), ticket) as page, seller.http.stream("GET", "/api/events") as program:
        market.services.end_streams()
        assert (await page.next())[0] == "end"
        async with asyncio.timeout(2):
            assert "retry: " in (await program.aread()).decode(), "it is told how long to wait"
    assert (await seller.http.get(path)).status_code == 503


async def test_ticket_that_cannot_be_shown_keeps_nobody_from_hearing_of_others(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller, buyer = await market.member(), await market.member()
    broken, ticket = await seller.lists(), await seller.lists()
    shown = market.services.live._as_everybody_sees

    async def fails_for_one(ticket: Ticket) -> Ticket:
        if ticket.id == broken["id"]:
            raise AutoReconnect
        return await shown(ticket)

    monkeypatch.setattr(market.services.live, "_as_everybody_sees", fails_for_one)
    async with listening(await market.anyone(), broken), listening(await market.anyone(), ticket) as listener:
        await buyer.orders(ticket)
        assert "Being bought" in (await listener.next())[1]
