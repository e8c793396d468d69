"""Telling administrators that a listing is wrong."""

import structlog
from starlette.requests import Request

from actors.domain.ticket_commands import ReadTicket
from actors.storage.reports import Report
from serve_app.http.errors import ConflictError
from serve_app.schemas.reports import ReportBody
from serve_app.search.tickets import ask, existing
from serve_app.services import Services, services_of

logger = structlog.get_logger(__name__)


def admit_reporter(request: Request) -> str:
    """Return the id of a user who reports a ticket, and count it. Raises NotAuthorizedError, TooManyRequestsError."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    services.limits.report(user_id, services.address_of(request))
    return user_id


async def report_ticket(services: Services, user_id: str, ticket_id: str, body: ReportBody) -> None:
    """Tell the administrators. Somebody who reports a ticket again changes nothing.

    Raises NotFoundError, and ConflictError for one's own ticket.
    """
    ticket = (await ask(services, ReadTicket(existing(ticket_id)))).ticket
    if ticket.seller_id == user_id:
        raise ConflictError("This is your own ticket: edit or withdraw it instead.")
    if await services.reports.add(Report(ticket.id, user_id, body.reason, body.text, services.clock())):
        logger.info("ticket_reported", ticket_id=ticket.id, reason=body.reason)
