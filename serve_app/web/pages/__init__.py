"""All routes of pages."""

from fastapi import APIRouter

from serve_app.web import assets
from serve_app.web.pages import account, accounts, landing, listings, machines, orders, sell, ticket
from serve_app.web.pages import help as help_pages


def page_routers() -> list[APIRouter]:
    """Return the routers of all pages."""
    pages = (landing, ticket, orders, sell, listings, accounts, account, help_pages, machines)
    return [assets.router, *(page.router for page in pages)]
