"""How Holdfast works, for people who are new here."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from serve_app.web.page import render

router = APIRouter(include_in_schema=False)


@router.get("/help")
async def show_help(request: Request) -> Response:
    """Say how holds, prices and money back work."""
    return render(request, "help.html", {})
