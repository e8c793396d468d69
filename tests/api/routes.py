"""The routes of the product."""

import importlib
import pkgutil
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from serve_app import routes


def routes_in(app: FastAPI) -> Iterator[Route]:
    """Every route of an app."""
    for route in app.routes:
        assert isinstance(route, Route)
        yield route


def api_routes() -> Iterator[APIRoute]:
    """Every route of the API, those of pages excepted."""
    for module in pkgutil.iter_modules(routes.__path__, f"{routes.__name__}."):
        for route in importlib.import_module(module.name).router.routes:
            assert isinstance(route, APIRoute)
            yield route
