"""What people may want to read: how it works, accessibility, privacy, terms."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from serve_app.web.page import render

router = APIRouter(include_in_schema=False)


@router.get("/help")
async def show_help(request: Request) -> Response:
    """Say how holds, prices and money back work."""
    return render(request, "help.html", {})


@router.get("/accessibility")
async def show_accessibility(request: Request) -> Response:
    """Say what the pages do for everybody to be able to use them."""
    return render(request, "accessibility.html", {})


@router.get("/privacy")
async def show_privacy(request: Request) -> Response:
    """Say what is kept, and which cookies there are."""
    return render(request, "privacy.html", {})


@router.get("/terms")
async def show_terms(request: Request) -> Response:
    """Say what people agree on who trade here."""
    return render(request, "terms.html", {})
