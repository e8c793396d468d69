"""All routes of pages."""

from fastapi import APIRouter

from serve_app.web import assets
from serve_app.web.pages import (
    account,
    accounts,
    admin,
    favourites,
    landing,
    listings,
    live,
    machines,
    orders,
    reports,
    sell,
    ticket,
    webhooks,
)
from serve_app.web.pages import help as help_pages

_OF_ONE_PERSON = (orders, sell, listings, favourites, accounts, account, webhooks, admin)


def page_routers() -> list[APIRouter]:
    """Return the routers of all pages."""
    pages = (landing, ticket, reports, *_OF_ONE_PERSON, help_pages, machines, live)
    return [assets.router, *(page.router for page in pages)]
