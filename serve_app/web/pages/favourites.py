"""The tickets that one keeps an eye on."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from serve_app.buying import favourites
from serve_app.http.errors import ConflictError
from serve_app.http.paging import DEFAULT_LIMIT, cursor_of
from serve_app.schemas.searches import OrderSearch
from serve_app.search.tickets import existing
from serve_app.selling.tickets import admit_change
from serve_app.services import services_of
from serve_app.web.forms import Form, own_path, read_form
from serve_app.web.page import render, see_other, signed_in

router = APIRouter(include_in_schema=False)


@router.get("/favourites")
async def show_favourites(request: Request) -> Response:
    """Show the tickets that the visitor keeps, whatever became of them, the newest first."""
    return await _shown(request, Form())


@router.get("/tickets/{ticket_id}/favourite")
async def show_ticket_again(ticket_id: str) -> Response:
    """Lead to the ticket: nothing is kept by looking."""
    return see_other(f"/tickets/{existing(ticket_id)}")


@router.post("/tickets/{ticket_id}/favourite")
async def change(request: Request, ticket_id: str) -> Response:
    """Keep the ticket, or keep it no longer."""
    signed_in(request)
    services, user_id = services_of(request), admit_change(request)
    fields = await read_form(request)
    if fields.get("keep") == "no":
        await favourites.drop(services, user_id, ticket_id)
    else:
        try:
            await favourites.keep(services, user_id, ticket_id)
        except ConflictError as error:
            return await _shown(request, Form.failed({}, error), error)
    return see_other(own_path(fields.get("next"), f"/tickets/{ticket_id}"))


async def _shown(request: Request, form: Form, error: ConflictError | None = None) -> Response:
    services, session = services_of(request), signed_in(request)
    search = OrderSearch.of(request.query_params, services.rules())
    page = await favourites.kept(services, session, DEFAULT_LIMIT, search.cursor)
    more = page.next_position and urlencode({"cursor": cursor_of("newest", page.next_position)})
    context = {
        "tickets": page.items,
        "form": form,
        "next": f"/favourites?{more}" if more else None,
        "is_first": search.cursor is None,
    }
    return render(request, "favourites.html", context, status=error.status_code if error else 200)
