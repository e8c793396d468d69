"""Events for programs: over real HTTP, from real actors, through a real Redis."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from cli.up.embedded_servers import Server, start_redis
from config.settings import Settings
from holdfast.events import StreamPosition, Subjects
from holdfast.events.partitions import STREAM_KEYS
from serve_app.accounts.tokens import Session
from serve_app.events import feed, frames
from serve_app.events.views import View
from tests.api.world import JSON, Person, errors
from tests.support.eventually import eventually
from tests.web.served_market import Market, served, settings_for


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Server]:
    server = await asyncio.to_thread(start_redis, Settings(data_dir=tmp_path / "redis"))
    yield server
    await asyncio.to_thread(server.stop)


@pytest.fixture
async def redis(own_redis: Server) -> AsyncIterator[Redis]:
    async with Redis.from_url(own_redis.url) as redis:
        yield redis


@pytest.fixture
async def market(mongodb_url: str, own_redis: Server, tmp_path: Path) -> AsyncIterator[Market]:
    async with served(settings_for(mongodb_url, own_redis.url, tmp_path)) as market:
        await eventually(lambda: market.services.events.position is not None)
        yield market


@dataclass(frozen=True)
class Heard:
    """One server-sent event."""

    event: str
    id: str
    data: JSON

    @property
    def ticket(self) -> str:
        ticket: str = self.data["subject"].removeprefix("ticket:")
        return ticket


class Listening:
    """An open stream, and the id with which it comes back."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id = ""
        self._lines = response.aiter_lines()

    async def next(self, seconds: float = 5.0) -> Heard:
        found = {"event": "", "data": ""}
        async with asyncio.timeout(seconds):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name in found:
                    found[name] = value
                elif not line and found["event"]:
                    return Heard(found["event"], self.last_id, json.loads(found["data"]))
        raise EOFError

    async def subjects(self, count: int) -> list[str]:
        return [(await self.next()).event for _ in range(count)]

    async def is_silent(self) -> bool:
        try:
            await self.next(seconds=1.0)
        except TimeoutError:
            return True
        return False

    async def opened(self) -> str:
        """The id with which a stream begins: nothing that happens after this is missed."""
        async for line in self._lines:
            if not line:
                break
            name, _, value = line.partition(": ")
            self.last_id = value if name == "id" else self.last_id
        return self.last_id


@asynccontextmanager
async def listening(person: Person, subjects: str = "", after: str = "") -> AsyncIterator[Listening]:
    headers = {"Last-Event-ID": after} if after else {}
    async with person.http.stream("GET", f"/api/events?subjects={subjects}", headers=headers) as response:
        assert response.status_code == 200, (await response.aread()).decode()
        assert response.headers["content-type"].startswith("text/event-stream")
        listening = Listening(response)
        await listening.opened()
        yield listening


async def known_ticket(market: Market, seller: Person, **details: object) -> JSON:
    """A ticket whose listing the replica has read of: no stream that is opened now hears of it."""
    before = market.services.events.position
    ticket = await seller.lists(**details)
    await eventually(lambda: market.services.events.position != before)
    return ticket


async def test_buyer_seller_and_everybody_hear_of_an_order_within_a_second(market: Market) -> None:
    seller, buyer, other = await market.member(), await market.member(), await market.member()
    ticket = await known_ticket(market, seller, price=42.5)
    async with (
        listening(await market.program(buyer, "read")) as buying,
        listening(await market.program(seller, "read")) as selling,
        listening(await market.program(other, "read")) as watching,
    ):
        order = await buyer.orders(ticket)
        bought, sold, seen = [await one.next(seconds=1.0) for one in (buying, selling, watching)]
    assert (bought.event, sold.event, seen.event) == ("order.created", "order.created", "ticket.held")
    assert bought.data["data"]["orderId"] == sold.data["data"]["orderId"] == order["id"]
    assert (bought.data["type"], bought.data["specversion"]) == ("com.holdfast.order.created.v1", "1.0")
    assert bought.data["data"]["priceCents"] == 4_250
    assert "attempt" not in sold.data["data"]
    assert "feeCents" not in bought.data["data"]
    assert seen.data["data"] == {"ticketId": ticket["id"]}
    assert seen.data["type"] == "com.holdfast.ticket.held.v1"
    assert buyer.id not in json.dumps(seen.data)


async def test_order_of_others_is_never_heard_of_but_that_its_ticket_is_held_freed_and_sold(market: Market) -> None:
    seller, buyer, other = await market.member(), await market.member(), await market.member()
    ticket = await known_ticket(market, seller)
    async with listening(other) as listener:
        order = await buyer.orders(ticket)
        await buyer.http.delete(f"/api/orders/{order['id']}")
        await buyer.pays(await buyer.orders(ticket))
        heard = [await listener.next() for _ in range(4)]
        assert [one.event for one in heard] == ["ticket.held", "ticket.freed", "ticket.held", "ticket.sold"]
        assert not any(private in json.dumps([one.data for one in heard]) for private in (buyer.id, order["id"]))
        assert await listener.is_silent()


async def test_order_of_others_is_heard_of_once_views_are_for_everybody(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the test before."""
    monkeypatch.setattr(View, "is_for", lambda _view, _user: True)
    seller, buyer, other = await market.member(), await market.member(), await market.member()
    ticket = await known_ticket(market, seller)
    async with listening(other) as listener:
        order = await buyer.orders(ticket)
        heard = await listener.next()
    assert order["id"] in json.dumps(heard.data)


async def test_listing_edit_and_withdrawal_are_heard_by_everybody(market: Market) -> None:
    seller, other = await market.member(), await market.member()
    async with listening(other) as listener:
        ticket = await seller.lists(title="Hamlet")
        await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": "Hamlet", "price": 60})
        await seller.http.delete(f"/api/tickets/{ticket['id']}")
        created, updated, withdrawn = [await listener.next() for _ in range(3)]
    assert (created.event, created.data["data"]["sellerId"]) == ("ticket.created", seller.id)
    assert (updated.event, updated.data["data"]["priceCents"]) == ("ticket.updated", 6_000)
    assert (withdrawn.event, withdrawn.data["data"]) == ("ticket.withdrawn", {"ticketId": ticket["id"]})


async def test_only_the_subjects_that_are_asked_for_are_heard(market: Market) -> None:
    seller, buyer = await market.member(), await market.member()
    ticket = await known_ticket(market, seller)
    async with listening(buyer, "order.completed,ticket.created") as listener:
        await buyer.pays(await buyer.orders(ticket))
        await seller.lists()
        assert sorted(await listener.subjects(2)) == ["order.completed", "ticket.created"]
        assert await listener.is_silent()


async def test_stream_that_comes_back_misses_nothing_and_repeats_nothing(market: Market) -> None:
    seller, buyer = await market.member(), await market.member()
    heard: list[str] = []

    async def lists_on() -> list[str]:
        return [(await seller.lists())["id"] for _ in range(40)]

    async with listening(buyer, "ticket.created") as listener:
        last_id = listener.last_id
    writing = asyncio.create_task(lists_on())
    while len(heard) < 40:
        async with listening(buyer, "ticket.created", after=last_id) as listener:
            heard += [(await listener.next()).ticket for _ in range(min(7, 40 - len(heard)))]
            last_id = listener.last_id
    assert sorted(heard) == sorted(await writing)
    async with listening(buyer, "ticket.created", after=last_id) as listener:
        assert await listener.is_silent()


async def test_stream_that_begins_now_hears_nothing_of_before(market: Market) -> None:
    """The negative control: without the id everything between two streams is missed."""
    seller, buyer = await market.member(), await market.member()
    async with listening(buyer, "ticket.created") as listener:
        await seller.lists()
        await listener.next()
    async with listening(buyer, "ticket.created") as listener:
        assert await listener.is_silent()


async def test_slow_reader_is_sent_everything_although_little_waits_for_it(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_WAITING", 3)
    seller, buyer = await market.member(), await market.member()
    events = market.services.events
    session = Session(buyer.id, "a session", 0, 2**60)
    listener = events.open(session, "192.0.2.1", Subjects("ticket.created"), after=None)
    listed = [(await seller.lists())["id"] for _ in range(10)]
    await eventually(lambda: listener.is_behind)
    assert len(listener.waiting) <= 3
    text = b""
    stream = frames.frames(events, listener)
    async with asyncio.timeout(5):
        while text.count(b"event: ticket.created") < 10:
            text += await anext(stream)
    await stream.aclose()
    assert [text.count(ticket.encode()) > 0 for ticket in listed] == [True] * 10


async def test_backlog_that_is_too_long_is_a_gap(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_CAUGHT_UP", 2)
    seller = await market.member()
    async with listening(seller) as listener:
        last_id = listener.last_id
        for _ in range(3):
            await seller.lists()
        await listener.subjects(3)
    async with listening(seller, after=last_id) as listener:
        while (heard := await listener.next()).event != "gap":
            assert heard.event == "ticket.created"
        await seller.lists()
        assert (await listener.next()).event == "ticket.created"


async def test_emptied_redis_is_a_gap_for_open_streams_and_for_those_that_come_back(
    market: Market, redis: Redis
) -> None:
    seller = await market.member()
    await known_ticket(market, seller)
    async with listening(seller) as listener:
        before = listener.last_id
        await redis.flushall()
        await market.actors.connections.epoch_keeper(market.services.settings).round()
        assert (await listener.next()).event == "gap"
        await eventually(lambda: market.services.events.position is not None)
    async with listening(seller, after=before) as listener:
        gap = await listener.next()
        assert gap.event == "gap"
        await seller.lists()
        assert (await listener.next()).event == "ticket.created"
    async with listening(seller, after=gap.id) as listener:
        assert (await listener.next()).event == "ticket.created", "the id of a gap is where the stream goes on"


async def test_trimmed_stream_is_a_gap_for_one_that_comes_back(market: Market, redis: Redis) -> None:
    seller = await market.member()
    ticket = await known_ticket(market, seller)
    async with listening(seller) as listener:
        await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": "Hamlet", "price": 60})
        last_id = (await listener.next()).id
    for price in (61, 62):
        await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": "Hamlet", "price": price})
    await eventually(lambda: market.services.events.position != StreamPosition.decode(last_id))
    for stream in STREAM_KEYS:
        await redis.xtrim(stream, maxlen=1, approximate=False)
    async with listening(seller, after=last_id) as listener:
        assert (await listener.next()).event == "gap"


async def test_revoked_token_ends_its_streams_within_two_seconds(market: Market) -> None:
    person = await market.member()
    program = await market.program(person, "read")
    async with listening(program) as listener, listening(person) as of_session:
        (token,) = (await person.http.get("/api/tokens")).json()
        assert (await person.http.delete(f"/api/tokens/{token['id']}")).status_code == 204
        with pytest.raises(EOFError):
            await listener.next(seconds=2.5)
        assert await of_session.is_silent(), "the control: a session of the same person goes on"
    assert (await program.http.get("/api/events")).status_code == 401


async def test_ended_session_ends_its_streams_within_two_seconds(market: Market) -> None:
    person = await market.member()
    async with listening(person) as listener:
        await market.services.sessions.end_all(person.id)
        with pytest.raises(EOFError):
            await listener.next(seconds=2.5)


async def test_token_without_the_scope_and_nobody_hear_nothing(market: Market) -> None:
    program = await market.program(await market.member(), "buy")
    assert (await program.http.get("/api/events")).status_code == 403
    assert (await (await market.anyone()).http.get("/api/events")).status_code == 401


async def test_user_has_only_so_many_streams_through_all_their_programs(market: Market) -> None:
    person = await market.member()
    programs = [person, await market.program(person, "read")]
    opened = [listening(programs[number % 2]) for number in range(6)]
    for stream in opened:
        await stream.__aenter__()
    refused = await person.http.get("/api/events")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "15")
    async with listening(await market.member()):
        pass
    for stream in opened:
        await stream.__aexit__(None, None, None)
    await eventually(lambda: not market.services.events._listeners)
    async with listening(person):
        pass


@pytest.mark.parametrize(
    "after", ["x", "a.b", "a." + "A" * 44, "a." + "A" * 2_000, "a.\u00e9", "a:filling." + "A" * 43]
)
async def test_malformed_last_event_id_is_refused_in_one_line(market: Market, after: str) -> None:
    person = await market.member()
    response = await person.http.get("/api/events", headers={b"Last-Event-ID": after.encode()})
    assert response.status_code == 400
    assert [one["message"].startswith("Last-Event-ID must be the id") for one in errors(response)] == [True]


@pytest.mark.parametrize("subjects", ["order..x", "order.*x", "*.>.x", ",", "order.*,", "x" * 501])
async def test_malformed_subjects_are_refused(market: Market, subjects: str) -> None:
    response = await (await market.member()).http.get("/api/events", params={"subjects": subjects})
    assert response.status_code == 400
    assert [one["field"] for one in errors(response)] == ["subjects"]


async def test_silent_stream_sends_comments_with_an_id_that_moves_on(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "COMMENT_SECONDS", 0.2)
    seller = await market.member()
    async with listening(seller, "order.*") as listener:
        begin = listener.last_id
        await known_ticket(market, seller)
        while await listener.opened() == begin:
            pass
        known = market.services.events.position
        assert known is not None
        assert listener.last_id == known.encode()


async def test_stream_ends_with_its_token(market: Market) -> None:
    person = await market.member()
    now = market.services.clock()
    (record,) = await market.services.sessions.of_user(person.id)
    session = Session(person.id, record.id, now, now + 1_000)
    events = market.services.events
    listener = events.open(session, "192.0.2.1", Subjects(">"), after=None, lifetime_seconds=1.0)
    await eventually(lambda: listener.is_over)
    events.close(listener)


async def test_streams_are_not_opened_again_and_again(market: Market) -> None:
    person = await market.member()
    for _ in range(60):
        market.services.limits.stream(person.id, "192.0.2.1")
    assert (await person.http.get("/api/events")).status_code == 429
