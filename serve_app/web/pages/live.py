"""The stream that an open page listens to (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import lru_cache

from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from starlette.responses import Response, StreamingResponse

from actors.domain.ids import is_id
from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.storage.catalogue import TicketFilter
from serve_app.http.errors import RequestValidationError
from serve_app.schemas.searches import TicketSearch
from serve_app.search.tickets import wanted_of
from serve_app.services import Services, services_of
from serve_app.web.formats import Formats
from serve_app.web.live.feed import MOST_TICKETS, Viewer
from serve_app.web.live.new_listings import MOST_COUNTED
from serve_app.web.page import part
from serve_app.web.search_address import address_of, shown_in
from serve_app.web.ticket_views import similar_to, view_of
from serve_app.web.visitor import Visitor, visitor_of

router = APIRouter(include_in_schema=False)
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_COMMENT_SECONDS = 15.0
_VIEWS = frozenset({"cards", "panel", "page"})
_LONGEST_VERSION = 15


@router.get("/live")
async def listen(request: Request) -> Response:
    """Stream what changes: fragments for everybody, and for those concerned that their page is to be asked anew."""
    services, visitor = services_of(request), visitor_of(request)
    asked = _asked(request)
    viewer = services.live.open(
        visitor.session,
        services.address_of(request),
        asked.seen,
        order_id=asked.order_id,
        wanted=asked.wanted,
        since=asked.since,
    )
    events = _events(services, visitor, viewer, asked)
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


@dataclass(frozen=True, slots=True)
class _Asked:
    """How tickets are shown, the version that the page has of each, and the order or the search that it is about."""

    view: str
    seen: dict[str, int]
    order_id: str | None
    order_version: int
    wanted: TicketFilter | None = None
    since: Instant = 0
    address: str = "/"


def _asked(request: Request) -> _Asked:
    """Return what the page listens to. Raises RequestValidationError."""
    parameters = request.query_params
    entries = parameters.get("tickets", "").split(",")
    view = parameters.get("view", "")
    if view not in _VIEWS or len(entries) > MOST_TICKETS:
        raise RequestValidationError({"view": f"must be cards, panel or page, of at most {MOST_TICKETS} tickets"})
    order_id, order_version = _versioned(parameters["order"]) if "order" in parameters else (None, 0)
    seen = dict(map(_versioned, entries))
    if "since" not in parameters:
        return _Asked(view, seen, order_id, order_version)
    shown = shown_in(parameters)
    wanted = wanted_of(TicketSearch.of(shown, services_of(request).rules()))
    return _Asked(view, seen, order_id, order_version, wanted, _instant(parameters["since"]), address_of(shown))


def _instant(text: str) -> Instant:
    if not text.isdecimal() or len(text) > _LONGEST_VERSION:
        raise RequestValidationError({"since": "must be milliseconds"})
    return int(text)


def _versioned(entry: str) -> tuple[str, int]:
    found, _, version = entry.partition(".")
    if not is_id(found) or not version.isdecimal() or len(version) > _LONGEST_VERSION:
        raise RequestValidationError({"tickets": "must be ids with versions, separated by commas"})
    return found, int(version)


async def _events(services: Services, visitor: Visitor, viewer: Viewer, asked: _Asked) -> AsyncIterator[bytes]:
    try:
        # Countdowns that begin later count from it: what everybody gets is rendered once, and has the time of then.
        yield format_sse_event(event="clock", data_str=str(services.clock()))
        while True:
            try:
                async with asyncio.timeout(_COMMENT_SECONDS):
                    await viewer.has_news.wait()
            except TimeoutError:
                yield format_sse_event(comment="still here")
                continue
            if viewer.is_over:
                break
            viewer.has_news.clear()
            changed, viewer.changed = viewer.changed, set()
            told = [_told(services, visitor, viewer, ticket_id, asked) for ticket_id in changed]
            if viewer.is_order_changed:
                viewer.is_order_changed = False
                told.append(_page_changed())
            if viewer.has_listings:
                viewer.has_listings = False
                told.append(_new_listings(viewer, asked))
            # In one piece: each write of a server costs more than what is written.
            yield b"".join(told)
        yield format_sse_event(event="signed-out" if viewer.is_signed_out else "end", data_str="{}")
    finally:
        services.live.close(viewer)


def _told(services: Services, visitor: Visitor, viewer: Viewer, ticket_id: str, asked: _Asked) -> bytes:
    """Return what this viewer is told of the ticket as it is now."""
    topic = services.live.topic(ticket_id)
    ticket = topic.ticket
    if ticket is None:
        return format_sse_event(comment="not known yet")
    viewer.seen[ticket_id] = ticket.version
    if asked.order_id is not None and _is_as_shown(ticket, asked):
        return format_sse_event(comment="as shown")
    if asked.view == "page" or (asked.view == "panel" and _is_concerned(ticket, visitor)):
        return _page_changed()
    # The time of the rendering is not shown: a countdown begins with the server's time of the moment.
    everybody = replace(visitor, session=None, now=services.clock())
    formats = Formats(everybody)
    if asked.view == "cards":
        key = ("card", *visitor.formats_key)
        return topic.render(key, lambda now: _fragment(part("parts/tickets.html", "card", now, formats)))
    is_signed_in = visitor.session is not None

    def panel(now: Ticket) -> bytes:
        view, similar = view_of(now, everybody), similar_to(now)
        settings = services.settings
        return _fragment(part("parts/tickets.html", "panel", now, view, formats, settings, is_signed_in, similar))

    return topic.render(("panel", is_signed_in, *visitor.formats_key), panel)


def _is_as_shown(ticket: Ticket, asked: _Asked) -> bool:
    order = ticket.order
    return order is not None and order.id == asked.order_id and order.version <= asked.order_version


def _fragment(html: str) -> bytes:
    return format_sse_event(event="ticket", data_str=html)


def _page_changed() -> bytes:
    return format_sse_event(event="changed", data_str="{}")


def _new_listings(viewer: Viewer, asked: _Asked) -> bytes:
    count = viewer.search.listed_since(viewer.since) if viewer.search is not None else 0
    if not count:
        return b""
    return _new_listings_fragment(count, asked.address)


@lru_cache(maxsize=1_024)
def _new_listings_fragment(count: int, address: str) -> bytes:
    """Rendered once for all who look at the search."""
    return _fragment(part("parts/tickets.html", "new_listings", count, MOST_COUNTED, address))


def _is_concerned(ticket: Ticket, visitor: Visitor) -> bool:
    """Whether the ticket's page is another one for this visitor than for everybody else."""
    if visitor.user_id is None:
        return False
    is_buyer = ticket.order is not None and ticket.order.buyer_id == visitor.user_id
    is_in_line = any(waiter.user_id == visitor.user_id for waiter in ticket.waiting)
    return is_buyer or is_in_line or ticket.seller_id == visitor.user_id
