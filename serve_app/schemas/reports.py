"""Reports of listings as people send and see them."""

from typing import Literal

from typing_extensions import TypedDict

from actors.storage.reports import Report
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Restrictions


class ReportBody(Body):
    """What is wrong with a ticket."""

    reason: Literal["fraud", "forbidden", "misleading", "duplicate", "other"]
    text: Restrictions = None


class ReportView(TypedDict):
    """A report as the person who made it sees it."""

    ticketId: str
    reason: str
    text: str | None
    at: str


def report_view(report: Report) -> ReportView:
    """Return what the person said."""
    return {"ticketId": report.ticket_id, "reason": report.reason, "text": report.text, "at": iso(report.at)}
