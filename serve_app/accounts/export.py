"""A copy of all that is kept about a person, written as it is read: nobody's past is too long for it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from actors.domain.charge_values import Charge
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import Order
from actors.storage.catalogue import TicketFilter
from actors.storage.page import Page
from actors.storage.reports import Report
from actors.storage.security_events import SecurityRecord
from actors.storage.users import User
from actors.webhooks.endpoint import Endpoint
from serve_app.buying.refunds import order_views
from serve_app.http.paging import LARGEST_LIMIT
from serve_app.http.responses import json_bytes
from serve_app.schemas.account import mail_view, profile_view, security_event_view, signed_in_since
from serve_app.schemas.payments import charge_view
from serve_app.schemas.reports import report_view
from serve_app.schemas.tickets import own_ticket_view
from serve_app.schemas.tokens import token_view
from serve_app.schemas.webhook_endpoints import endpoint_view
from serve_app.services import Services


def export_of(services: Services, address: str, user: User) -> AsyncIterator[bytes]:
    """Return the JSON text of an ExportView, read a page of the database at a time. Raises TooManyRequestsError.

    Its reader gets StoreUnavailableError and PyMongoError, also in the middle: what came until then is no whole JSON.
    """
    services.limits.export(user.id, address)
    return _written(services, user)


async def _written(services: Services, user: User) -> AsyncIterator[bytes]:
    yield b'{"user":' + json_bytes(profile_view(user))
    sessions = await services.sessions.of_user(user.id)
    yield b',"sessions":' + json_bytes([signed_in_since(session) for session in sessions])
    tokens = await services.access_tokens.of_user(user.id)
    yield b',"tokens":' + json_bytes([token_view(token) for token in tokens])
    for name, read in _parts(services, user.id).items():
        yield f',"{name}":['.encode()
        after, separator = None, b""
        while True:
            views, after = await read(after)
            for view in views:
                yield separator + json_bytes(view)
                separator = b","
            if after is None:
                break
        yield b"]"
    yield b"}"


_Read = Callable[[str | None], Awaitable[tuple[Sequence[object], str | None]]]


def _parts(services: Services, user_id: str) -> dict[str, _Read]:
    return {
        "tickets": partial(_tickets, services, user_id),
        "orders": partial(_orders, services, user_id),
        "payments": partial(_payments, services, user_id),
        "securityEvents": partial(_security_events, services, user_id),
        "mails": partial(_mails, services, user_id),
        "reports": partial(_reports, services, user_id),
        "favourites": partial(_favourites, services, user_id),
        "webhookEndpoints": partial(_webhook_endpoints, services, user_id),
    }


async def _tickets(services: Services, user_id: str, after: str | None) -> tuple[list[Any], str | None]:
    own = TicketFilter("newest", seller_id=user_id)
    page: Page[Ticket] = await services.queries.catalogue.page(own, LARGEST_LIMIT, after, services.clock())
    return [own_ticket_view(ticket) for ticket in page.items], page.next_position


async def _orders(services: Services, user_id: str, after: str | None) -> tuple[list[Any], str | None]:
    page: Page[Order] = await services.queries.orders.of_buyer(user_id, LARGEST_LIMIT, after)
    return await order_views(services, page.items), page.next_position


async def _payments(services: Services, user_id: str, after: str | None) -> tuple[list[Any], str | None]:
    page: Page[Order] = await services.queries.orders.of_buyer(user_id, LARGEST_LIMIT, after)
    charges: list[Charge] = []
    for order in page.items:
        charges += await services.queries.charges.charges_of(order.id)
    return [charge_view(charge) for charge in charges], page.next_position


async def _security_events(services: Services, user_id: str, after: str | None) -> tuple[list[Any], str | None]:
    page: Page[SecurityRecord] = await services.queries.security_events.of_user(user_id, LARGEST_LIMIT, after)
    return [security_event_view(event) for event in page.items], page.next_position


async def _favourites(services: Services, user_id: str, after: str | None) -> tuple[list[Any], str | None]:
    page: Page[str] = await services.favourites.of_user(user_id, LARGEST_LIMIT, after)
    return list(page.items), page.next_position


async def _webhook_endpoints(services: Services, user_id: str, after: str | None) -> tuple[list[Any], str | None]:
    page: Page[Endpoint] = await services.webhook_endpoints.of_owner(user_id, LARGEST_LIMIT, after)
    return [endpoint_view(endpoint, services.clock()) for endpoint in page.items], page.next_position


async def _reports(services: Services, user_id: str, after: str | None) -> tuple[list[Any], str | None]:
    page: Page[Report] = await services.reports.of_user(user_id, LARGEST_LIMIT, after)
    return [report_view(report) for report in page.items], page.next_position


async def _mails(services: Services, user_id: str, after: str | None) -> tuple[list[Any], str | None]:
    mails = await services.outbox.of_user(user_id, LARGEST_LIMIT, after)
    return [mail_view(mail) for mail in mails], mails[-1].id if len(mails) == LARGEST_LIMIT else None
