"""Saying that a listing is wrong."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from serve_app.http.errors import CustomError
from serve_app.schemas.reports import ReportBody
from serve_app.search.tickets import read_ticket
from serve_app.selling.reports import admit_reporter, report_ticket
from serve_app.services import services_of
from serve_app.web.forms import Form, read_form, sent
from serve_app.web.page import render, see_other, signed_in

router = APIRouter(include_in_schema=False)


@router.get("/tickets/{ticket_id}/report")
async def show_report(request: Request, ticket_id: str) -> Response:
    """Ask what is wrong with the ticket, or say that it was reported."""
    return await _shown(request, ticket_id, Form())


@router.post("/tickets/{ticket_id}/report")
async def report(request: Request, ticket_id: str) -> Response:
    """Tell the administrators what is wrong with the ticket."""
    signed_in(request)
    services, fields = services_of(request), await read_form(request)
    try:
        user_id = admit_reporter(request)
        body = ReportBody.of(sent(fields, "reason", "text"), services.rules())
        await report_ticket(services, user_id, ticket_id, body)
    except CustomError as error:
        if error.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
            raise
        return await _shown(request, ticket_id, Form.failed(fields, error), error)
    return see_other(f"/tickets/{ticket_id}/report?done=reported")


async def _shown(request: Request, ticket_id: str, form: Form, error: CustomError | None = None) -> Response:
    session = signed_in(request)
    context = {
        "ticket": await read_ticket(services_of(request), ticket_id, session),
        "form": form,
        "done": request.query_params.get("done", ""),
    }
    status = error.status_code if error else HTTPStatus.OK
    return render(request, "report.html", context, status=status, headers=error.headers if error else None)
