"""The marketplace's HTTP API as one FastAPI app. Needs no Ray: tests call it as it is."""

from fastapi import FastAPI
from starlette.middleware import Middleware

from serve_app.http import error_responses
from serve_app.http.fast_routes import StaticRouteDispatcher
from serve_app.http.methods import Methods
from serve_app.http.openapi import describe_credentials
from serve_app.http.request_context import RequestContext
from serve_app.http.request_counts import RequestCounts
from serve_app.routes import (
    account,
    admin,
    documentation,
    emails,
    events,
    health,
    orders,
    payments,
    sandbox,
    sessions,
    tickets,
    tokens,
    users,
    waiting,
    webhook_endpoints,
    webhooks,
)
from serve_app.search.read_your_writes import ReadYourWrites
from serve_app.security.authentication import AuthenticationMiddleware
from serve_app.security.csrf import CsrfMiddleware
from serve_app.security.headers import SecurityHeaders
from serve_app.services import Services
from serve_app.web.pages import page_routers


def create_api(services: Services, *, answers_request_ids: bool = True) -> FastAPI:
    """Return the app over these services, which the caller opens and closes.

    `answers_request_ids` unless the server answers with X-Request-ID by itself.
    """
    of_accounts = (users, sessions, tokens, emails, account, admin)
    modules = (health, *of_accounts, tickets, waiting, orders, payments, events, webhooks, webhook_endpoints)
    routers = [routes.router for routes in modules]
    if services.sandbox is not None:
        routers.append(sandbox.router)
    routers += page_routers()
    counts = RequestCounts()
    api = FastAPI(
        title="Holdfast",
        summary="Tickets to live events: once you hold one, nobody can take it.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # RequestContext and RequestCounts are ours
        middleware=[
            Middleware(
                RequestContext,
                log_requests=services.settings.log_requests,
                counts=counts,
                answers_request_ids=answers_request_ids,
            ),
            Middleware(SecurityHeaders, https=services.settings.secure_cookies),
            Middleware(error_responses.ServerErrorMiddleware),
            Middleware(Methods),
            Middleware(CsrfMiddleware, public_url=services.settings.public_url, exempt=frozenset({webhooks.STRIPE})),
            Middleware(AuthenticationMiddleware, sessions=services.sessions, access_tokens=services.access_tokens),
            Middleware(ReadYourWrites, public_url=services.settings.public_url),
            Middleware(StaticRouteDispatcher, routes=[route for router in routers for route in router.routes]),
        ],
    )
    api.state.services = services
    api.state.request_counts = counts
    error_responses.install(api)
    routers.append(documentation.router)
    # `include_router` would make every route's models again, when the first request comes: 0.4 s in which a new replica
    # answers nobody (measured).
    api.router.routes.extend(route for router in routers for route in router.routes)
    describe_credentials(api, services.sessions.cookie)
    return api
