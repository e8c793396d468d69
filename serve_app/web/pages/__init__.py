"""All routes of pages."""

from fastapi import APIRouter

from serve_app.web import assets
from serve_app.web.pages import (
    account,
    accounts,
    admin,
    landing,
    listings,
    live,
    machines,
    orders,
    reports,
    sell,
    ticket,
)
from serve_app.web.pages import help as help_pages


def page_routers() -> list[APIRouter]:
    """Return the routers of all pages."""
    pages = (landing, ticket, reports, orders, sell, listings, accounts, account, admin, help_pages, machines, live)
    return [assets.router, *(page.router for page in pages)]
