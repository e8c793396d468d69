"""Tables for spreadsheets (RFC 4180), read a page of the database at a time: nobody's past is too long."""

import csv
import io
from collections.abc import AsyncIterator, Sequence

from actors.domain.instants import Instant
from actors.domain.money import format_amount
from actors.storage.catalogue import TicketFilter
from serve_app.http.paging import LARGEST_LIMIT
from serve_app.http.timestamps import iso
from serve_app.selling.fees import seller_gets
from serve_app.services import Services

# A cell that begins like this is a formula to a spreadsheet (OWASP, CSV Injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


async def listings(services: Services, seller_id: str) -> AsyncIterator[str]:
    """Yield the seller's tickets, newest first."""
    yield _lines([("ticket", "title", "starts", "venue", "city", "price", "you get", "currency", "state", "listed")])
    after: str | None = None
    own = TicketFilter("newest", seller_id=seller_id)
    while True:
        page = await services.queries.catalogue.page(own, LARGEST_LIMIT, after, services.clock(), refresh=True)
        rows = []
        for ticket in page.items:
            of = ticket.details
            when, listed = _moment(of.starts_at), iso(ticket.created_at)
            price, gets, state = _amount(of.price), _amount(seller_gets(ticket, services.settings)), ticket.status.value
            rows.append((ticket.id, of.title, when, of.venue, of.city, price, gets, of.currency, state, listed))
        yield _lines(rows)
        after = page.next_position
        if after is None:
            return


async def orders(services: Services, buyer_id: str) -> AsyncIterator[str]:
    """Yield the buyer's orders, newest first."""
    yield _lines([("order", "title", "starts", "venue", "city", "price", "currency", "state", "reason", "made")])
    after: str | None = None
    while True:
        page = await services.queries.orders.of_buyer(buyer_id, LARGEST_LIMIT, after)
        rows = []
        for of in page.items:
            reason = of.cancel_reason.value if of.cancel_reason else ""
            when, made = _moment(of.starts_at), iso(of.created_at)
            price = _amount(of.price)
            rows.append((of.id, of.title, when, of.venue, of.city, price, of.currency, of.status.value, reason, made))
        yield _lines(rows)
        after = page.next_position
        if after is None:
            return


def _lines(rows: Sequence[Sequence[str | None]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: str | None) -> str:
    value = value or ""
    return f"'{value}" if value.startswith(_FORMULAS) else value


def _amount(cents: int) -> str:
    return format_amount(cents).replace(",", "")


def _moment(instant: Instant | None) -> str:
    return "" if instant is None else iso(instant)
