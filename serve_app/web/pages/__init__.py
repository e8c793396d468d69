"""All routes of pages."""

from fastapi import APIRouter

from serve_app.web import assets
from serve_app.web.pages import help as help_pages


def page_routers() -> list[APIRouter]:
    """Return the routers of all pages, in the order in which they are tried."""
    return [assets.router, help_pages.router]
