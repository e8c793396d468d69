"""Who watches which tickets, and what they are told: the state of each ticket once, and again when it changes.

However many watch a ticket, its actor is asked once for each change, at most four times a second, and what is shown of
it is rendered once for all who see it alike.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import structlog

from actors.cluster.market import MarketClient
from actors.domain.instants import Instant
from actors.domain.refusals import Refusal, Unavailable
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import ReadTicket
from actors.storage.catalogue import TicketFilter
from config.logs import origin_of
from serve_app.accounts.tokens import Session
from serve_app.http.paging import DEFAULT_LIMIT
from serve_app.search.matching import Listed
from serve_app.security.open_streams import OpenStreams
from serve_app.web.live.new_listings import NewListings, WatchedSearch

logger = structlog.get_logger(__name__)
# At most four changes a second and ticket.
_REST_SECONDS = 0.25
# While Redis is away, and in case an event was missed.
_LOOK_AGAIN_SECONDS = 15.0
_SHORTEST_LIFE_SECONDS, _LONGEST_LIFE_SECONDS = 40.0, 70.0
# As many as a page shows: each is asked of an actor when the first page with it is opened.
MOST_TICKETS = DEFAULT_LIMIT
# Who reads slowly is sent the end of the stream in this time.
_CLOSING_SECONDS = 30.0


@dataclass(slots=True)
class Topic:
    """A ticket that somebody watches: how it is, and what was rendered of it."""

    ticket: Ticket | None = None
    viewers: set["Viewer"] = field(default_factory=set)
    rendered: dict[Hashable, bytes] = field(default_factory=dict)

    def render(self, key: Hashable, make: Callable[[Ticket], bytes]) -> bytes:
        """Return what all who see the ticket alike are sent of it. Raises ValueError before its state is known."""
        if self.ticket is None:
            raise ValueError("not read yet")
        found = self.rendered.get(key)
        if found is None:
            found = self.rendered[key] = make(self.ticket)
        return found


@dataclass(slots=True, eq=False)
class Viewer:
    """An open stream. What it has not been sent yet is a set of tickets: who reads slowly gets the newest state.

    Some pages are about an order, others show what a search found at an instant.
    """

    session: Session | None
    address: str
    seen: dict[str, int]
    order_id: str | None = None
    search: WatchedSearch | None = None
    since: Instant = 0
    changed: set[str] = field(default_factory=set)
    is_order_changed: bool = False
    has_listings: bool = False
    has_news: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False
    is_signed_out: bool = False

    def tell(self, ticket_id: str) -> None:
        """Note that the ticket is to be shown anew."""
        self.changed.add(ticket_id)
        self.has_news.set()

    def tell_of_order(self) -> None:
        """Note that the payment of the page's order changed."""
        self.is_order_changed = True
        self.has_news.set()

    def tell_of_listings(self) -> None:
        """Note that there are new tickets that the page's search finds."""
        self.has_listings = True
        self.has_news.set()

    def end(self, *, signed_out: bool = False) -> None:
        """Let the stream end, and its page open another one or find that nobody is signed in any more."""
        self.is_over, self.is_signed_out = True, signed_out
        self.has_news.set()


class LiveFeed:
    """The watched tickets of one replica. Satisfies `serve_app.events.reader.Changes`."""

    def __init__(
        self,
        market: MarketClient,
        streams: OpenStreams,
        *,
        as_everybody_sees: Callable[[Ticket], Awaitable[Ticket]],
        is_ended: Callable[[Session], bool],
    ) -> None:
        self._market = market
        self._streams = streams
        self._as_everybody_sees = as_everybody_sees
        self._is_ended = is_ended
        self._topics: dict[str, Topic] = {}
        self._viewers: dict[Viewer, float] = {}
        self._changed: set[str] = set()
        self._has_changed = asyncio.Event()
        self._orders: dict[str, set[Viewer]] = {}
        self._new_listings = NewListings()

    async def run(self) -> None:
        """Keep what is watched up to date, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_asking())
            tasks.create_task(self._every_second())

    def open(  # noqa: PLR0913 - what a page shows
        self,
        session: Session | None,
        address: str,
        seen: dict[str, int],
        *,
        order_id: str | None = None,
        wanted: TicketFilter | None = None,
        since: Instant = 0,
    ) -> Viewer:
        """Return a stream for the tickets and the versions that its page shows.

        With `wanted` it also hears of tickets that were listed since that instant. Raises ServiceUnavailableError when
        too many are open: on this replica, of this session, or from this address.
        """
        self._streams.take(_owner(session), address)
        viewer = Viewer(session, address, seen, order_id, since=since)
        lifetime_seconds = secrets.SystemRandom().uniform(_SHORTEST_LIFE_SECONDS, _LONGEST_LIFE_SECONDS)
        self._viewers[viewer] = asyncio.get_running_loop().time() + lifetime_seconds
        for ticket_id, version in seen.items():
            topic = self._topics.setdefault(ticket_id, Topic())
            topic.viewers.add(viewer)
            if topic.ticket is None:
                self.on_changed(ticket_id)
            elif topic.ticket.version > version:
                viewer.tell(ticket_id)
        if order_id is not None:
            self._orders.setdefault(order_id, set()).add(viewer)
        if wanted is not None:
            viewer.search = self._new_listings.watch(viewer, wanted)
            viewer.tell_of_listings()
        return viewer

    def close(self, viewer: Viewer) -> None:
        """Forget the stream, and the tickets that nobody else watches."""
        if self._viewers.pop(viewer, None) is None:
            return
        self._streams.give_back(_owner(viewer.session), viewer.address)
        if viewer.search is not None:
            self._new_listings.leave(viewer, viewer.search)
        if viewer.order_id is not None:
            others = self._orders[viewer.order_id]
            others.discard(viewer)
            if not others:
                del self._orders[viewer.order_id]
        for ticket_id in viewer.seen:
            topic = self._topics.get(ticket_id)
            if topic is not None:
                topic.viewers.discard(viewer)
                if not topic.viewers:
                    del self._topics[ticket_id]

    def end_all(self) -> None:
        """End all streams, and open no more."""
        self._streams.close()
        for viewer in self._viewers:
            viewer.end()

    def topic(self, ticket_id: str) -> Topic:
        """Return what is known of a watched ticket."""
        return self._topics[ticket_id]

    def on_changed(self, ticket_id: str) -> None:
        """Ask the ticket anew, if somebody watches it."""
        if ticket_id in self._topics:
            self._changed.add(ticket_id)
            self._has_changed.set()

    def on_listed(self, listed: Listed) -> None:
        """Count the new ticket for the searches that find it."""
        self._new_listings.note(listed)

    def on_order_changed(self, order_id: str) -> None:
        """Have the pages of the order asked anew."""
        for viewer in self._orders.get(order_id, ()):
            viewer.tell_of_order()

    def on_gap(self) -> None:
        """Ask everything that is watched anew."""
        self._changed.update(self._topics)
        self._has_changed.set()

    async def _keep_asking(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await self._has_changed.wait()
            except TimeoutError:
                self.on_gap()
            self._has_changed.clear()
            changed, self._changed = self._changed, set()
            asked = list(changed)
            answers = await asyncio.gather(*map(self._ask, asked), return_exceptions=True)
            for ticket_id, failed in zip(asked, answers, strict=True):
                if isinstance(failed, BaseException):
                    # One ticket that cannot be shown keeps nobody from hearing of the others.
                    logger.error("live_ticket_not_shown", ticket_id=ticket_id, **origin_of(failed))
            await asyncio.sleep(_REST_SECONDS)

    async def _ask(self, ticket_id: str) -> None:
        answer = await self._market.ask_ticket(ReadTicket(ticket_id))
        if isinstance(answer, Unavailable):
            self.on_changed(ticket_id)  # its actor is away: it is asked again until it is back
        if isinstance(answer, Refusal):
            return
        ticket = await self._as_everybody_sees(answer.ticket)
        topic = self._topics.get(ticket_id)
        if topic is None or (topic.ticket is not None and topic.ticket.version >= ticket.version):
            return  # nobody watches any more, or it is known
        topic.ticket = ticket
        topic.rendered.clear()
        for viewer in topic.viewers:
            if viewer.seen[ticket_id] < ticket.version:
                viewer.tell(ticket_id)

    async def _every_second(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.end_overdue(asyncio.get_running_loop().time())
            self._new_listings.tell()

    def end_overdue(self, now: float) -> None:
        """End streams whose session or time, in seconds of the loop's clock, is over: pages begin anew with jitter."""
        for viewer, ends in list(self._viewers.items()):
            is_signed_out = viewer.session is not None and self._is_ended(viewer.session)
            if now >= ends + _CLOSING_SECONDS:
                # Its client left before the first byte, so that its stream never began and does not end by itself.
                self.close(viewer)
            elif is_signed_out or now >= ends:
                viewer.end(signed_out=is_signed_out)


def _owner(session: Session | None) -> str | None:
    return None if session is None else session.id
