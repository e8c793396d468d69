"""An example request for every route and every status that its description promises."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

import httpx
from pymongo.errors import ServerSelectionTimeoutError

from actors.domain.refusals import Unavailable
from actors.mail.outbox import Outbox
from actors.mail.tokens import EmailTokens
from actors.processes.stripe_account import SANDBOX_KEY, open_sandbox
from actors.storage.access_tokens import SCOPES, AccessScope, AccessTokenRecords
from actors.storage.catalogue import MongoCatalogue
from actors.storage.orders import Orders
from actors.storage.revocations import RevocationRecords
from actors.storage.sessions import SessionRecords
from actors.storage.tickets import Tickets
from actors.storage.users import Users
from actors.storage.webhook_deliveries import WebhookDeliveries
from actors.storage.webhook_endpoints import WebhookEndpoints
from actors.storage.webhook_inbox import WebhookInbox
from actors.stripe import connect
from actors.stripe.sandbox import SandboxHTTPClient
from holdfast.events import Subjects
from serve_app.accounts.bearer_tokens import AccessTokens
from serve_app.accounts.revocations import Revocations
from serve_app.accounts.session_cookies import Sessions
from serve_app.accounts.tokens import Session
from serve_app.bootstrap import lifetimes_of
from serve_app.buying.stripe_webhooks import StripeWebhooks
from serve_app.http.errors import TooManyRequestsError
from serve_app.http.openapi import scope_of
from tests.api import account_examples as accounts
from tests.api import webhook_examples as hooks
from tests.api.fake_market import DECLINED, SLOW, SLOW_REFUND
from tests.api.routes import api_routes
from tests.api.world import JSON, NOBODY, TICKET, Person, World

Example = Callable[[World], Awaitable[httpx.Response]]
EXAMPLES: dict[tuple[str, str, int], Example] = {}
ACCOUNT = {"email": "ada@example.com", "password": "a long enough password"}
KEY = {"Idempotency-Key": "again"}
ABROAD = {"Origin": "https://elsewhere.example"}
BODY_ROUTES: dict[tuple[str, str], JSON] = {
    ("POST", "/api/users/signup"): ACCOUNT,
    ("POST", "/api/users/signin"): ACCOUNT,
    ("POST", "/api/tickets"): TICKET,
    ("PUT", "/api/tickets/{ticket_id}"): TICKET,
    ("POST", "/api/tickets/{ticket_id}/waiting"): {"maxPrice": 40},
    ("POST", "/api/orders"): {"ticketId": NOBODY},
    ("POST", "/api/payments"): {"orderId": NOBODY, "paymentMethod": "pm_card_visa"},
    ("POST", "/api/sandbox/authentications"): {"clientSecret": "pi_1_secret_1", "outcome": "succeeds"},
}
SIGNED_IN = [
    ("POST", "/api/tickets"), ("PUT", "/api/tickets/{ticket_id}"), ("DELETE", "/api/tickets/{ticket_id}"),
    ("GET", "/api/tickets/{ticket_id}/history"), ("POST", "/api/orders"), ("GET", "/api/orders"),
    ("POST", "/api/tickets/{ticket_id}/waiting"), ("GET", "/api/tickets/{ticket_id}/waiting"),
    ("DELETE", "/api/tickets/{ticket_id}/waiting"), ("POST", "/api/tickets/{ticket_id}/waiting/close"),
    ("GET", "/api/orders/{order_id}"), ("DELETE", "/api/orders/{order_id}"), ("POST", "/api/payments"),
    ("GET", "/api/orders/{order_id}/charges"), ("GET", "/api/orders/{order_id}/refund"),
    ("POST", "/api/orders/{order_id}/refund"),
]  # fmt: skip
CHANGING = [
    *BODY_ROUTES, ("POST", "/api/users/signout"),
    ("DELETE", "/api/tickets/{ticket_id}"), ("DELETE", "/api/orders/{order_id}"),
    ("POST", "/api/orders/{order_id}/refund"), ("DELETE", "/api/tickets/{ticket_id}/waiting"),
    ("POST", "/api/tickets/{ticket_id}/waiting/close"),
]  # fmt: skip


def example(method: str, path: str, status: int) -> Callable[[Example], Example]:
    def keep(function: Example) -> Example:
        EXAMPLES[method, path, status] = function
        return function

    return keep


async def ask(person: Person, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
    known = {"ticket_id": NOBODY, "order_id": NOBODY, "user_id": NOBODY, "session_id": "5" * 32, "token_id": NOBODY}
    known |= {"endpoint_id": NOBODY, "delivery_id": NOBODY}
    body = {**BODY_ROUTES, **accounts.BODY_ROUTES, **hooks.BODY_ROUTES}.get((method, path))
    if body is not None and not {"json", "content"} & set(more):
        more["json"] = body
    return await person.http.request(method, path.format(**known), **more)


def simple(method: str, path: str, status: int, *, signed_in: bool = True, **more: Any) -> None:  # noqa: ANN401
    async def send(world: World) -> httpx.Response:
        return await ask(await world.someone() if signed_in else world.anyone(), method, path, **more)

    EXAMPLES[method, path, status] = send


for _method, _path in (*BODY_ROUTES, *accounts.BODY_ROUTES, *hooks.BODY_ROUTES):
    simple(_method, _path, 400, json={})
    simple(_method, _path, 413, content=b"x" * 1_048_577, headers={"Content-Type": "application/json"})
    simple(_method, _path, 415, content=b"{}", headers={"Content-Type": "text/plain"})
for _method, _path in (*SIGNED_IN, *accounts.SIGNED_IN, *hooks.SIGNED_IN):
    simple(_method, _path, 401, signed_in=False)
for _method, _path in (*CHANGING, *accounts.CHANGING, *hooks.CHANGING):
    simple(_method, _path, 403, headers=ABROAD)
for _method, _path in SIGNED_IN:
    if "{" in _path or _method == "POST":
        simple(_method, _path, 404)
del EXAMPLES["POST", "/api/tickets", 404]
simple("POST", "/api/tickets/{ticket_id}/waiting", 400, json={"maxPrice": "much"})
simple("GET", "/healthz", 200)
simple("GET", "/readyz", 200)
simple("POST", "/api/users/signup", 201)
simple("POST", "/api/users/signin", 401)
simple("POST", "/api/users/signout", 200)
simple("GET", "/api/users/currentuser", 200)
simple("POST", "/api/tickets", 201)
simple("GET", "/api/tickets", 400, params={"limit": "0"})
simple("GET", "/api/tickets", 401, signed_in=False, params={"seller": "me"})
simple("GET", "/api/tickets/{ticket_id}", 404)
simple("GET", "/api/orders", 400, params={"cursor": "damaged"})
simple("POST", "/api/webhooks/stripe", 400, content=b"{}")
simple("POST", "/api/webhooks/stripe", 413, content=b"x" * 1_048_577)
simple("POST", "/api/sandbox/authentications", 409)


@example("POST", "/api/users/signup", 200)
async def _(world: World) -> httpx.Response:
    await ask(world.anyone(), "POST", "/api/users/signup", headers=KEY)
    return await ask(world.anyone(), "POST", "/api/users/signup", headers=KEY)


@example("POST", "/api/users/signup", 409)
async def _(world: World) -> httpx.Response:
    await ask(world.anyone(), "POST", "/api/users/signup")
    return await ask(world.anyone(), "POST", "/api/users/signup")


@example("POST", "/api/users/signup", 429)
async def _(world: World) -> httpx.Response:
    for _ in range(600):
        await world.services.limits.signup(world.address)
    return await ask(world.anyone(), "POST", "/api/users/signup")


@example("POST", "/api/tickets", 429)
async def _(world: World) -> httpx.Response:
    seller = await world.someone()
    used_up(lambda: world.services.limits.change(seller.id, world.address))
    return await ask(seller, "POST", "/api/tickets")


@example("PUT", "/api/tickets/{ticket_id}", 429)
async def _(world: World) -> httpx.Response:
    seller = await world.someone()
    used_up(lambda: world.services.limits.change(seller.id, world.address))
    return await ask(seller, "PUT", "/api/tickets/{ticket_id}")


@example("DELETE", "/api/tickets/{ticket_id}", 429)
async def _(world: World) -> httpx.Response:
    seller = await world.someone()
    used_up(lambda: world.services.limits.change(seller.id, world.address))
    return await ask(seller, "DELETE", "/api/tickets/{ticket_id}")


@example("POST", "/api/payments", 429)
async def _(world: World) -> httpx.Response:
    buyer = await world.someone()
    for _ in range(10):
        await world.services.limits.payment_refused(buyer.id, world.address)
    return await ask(buyer, "POST", "/api/payments")


def used_up(take: Callable[[], None]) -> None:
    with suppress(TooManyRequestsError):
        while True:
            take()


@example("POST", "/api/users/signin", 200)
async def _(world: World) -> httpx.Response:
    await ask(world.anyone(), "POST", "/api/users/signup")
    return await ask(world.anyone(), "POST", "/api/users/signin")


@example("POST", "/api/users/signin", 429)
async def _(world: World) -> httpx.Response:
    account = {**ACCOUNT, "email": f"limited{world.address}@example.com"}
    for _ in range(11):
        response = await ask(world.anyone(), "POST", "/api/users/signin", json=account)
    return response


@example("GET", "/api/tickets", 200)
async def _(world: World) -> httpx.Response:
    await (await world.someone()).lists(city="Berlin", startsAt="2999-01-01T00:00:00Z")
    return await ask(world.anyone(), "GET", "/api/tickets")


@example("GET", "/api/tickets", 304)
async def _(world: World) -> httpx.Response:
    seen = await ask(world.anyone(), "GET", "/api/tickets")
    return await ask(world.anyone(), "GET", "/api/tickets", headers={"If-None-Match": seen.headers["etag"]})


@example("POST", "/api/tickets", 200)
async def _(world: World) -> httpx.Response:
    seller = await world.someone()
    await ask(seller, "POST", "/api/tickets", headers=KEY)
    return await ask(seller, "POST", "/api/tickets", headers=KEY)


@example("POST", "/api/tickets", 409)
async def _(world: World) -> httpx.Response:
    seller = await world.someone()
    await ask(seller, "POST", "/api/tickets", headers=KEY)
    return await ask(seller, "POST", "/api/tickets", headers=KEY, json={**TICKET, "price": 7})


@example("GET", "/api/tickets/{ticket_id}", 200)
async def _(world: World) -> httpx.Response:
    _, buyer, ticket, _ = await world.held()
    return await buyer.http.get(f"/api/tickets/{ticket['id']}")


@example("GET", "/api/tickets/{ticket_id}", 304)
async def _(world: World) -> httpx.Response:
    ticket = await (await world.someone()).lists()
    return await world.anyone().http.get(f"/api/tickets/{ticket['id']}", headers={"If-None-Match": '"1"'})


@example("PUT", "/api/tickets/{ticket_id}", 412)
async def _(world: World) -> httpx.Response:
    seller = await world.someone()
    address = f"/api/tickets/{(await seller.lists())['id']}"
    return await seller.http.put(address, json=TICKET, headers={"If-Match": '"7"'})


@example("PUT", "/api/tickets/{ticket_id}", 200)
async def _(world: World) -> httpx.Response:
    seller = await world.someone()
    return await seller.http.put(f"/api/tickets/{(await seller.lists())['id']}", json=TICKET)


@example("PUT", "/api/tickets/{ticket_id}", 409)
async def _(world: World) -> httpx.Response:
    seller, _, ticket, _ = await world.held()
    return await seller.http.put(f"/api/tickets/{ticket['id']}", json=TICKET)


@example("DELETE", "/api/tickets/{ticket_id}", 204)
async def _(world: World) -> httpx.Response:
    seller = await world.someone()
    return await seller.http.delete(f"/api/tickets/{(await seller.lists())['id']}")


@example("DELETE", "/api/tickets/{ticket_id}", 409)
async def _(world: World) -> httpx.Response:
    seller, _, ticket, _ = await world.held()
    return await seller.http.delete(f"/api/tickets/{ticket['id']}")


@example("GET", "/api/tickets/{ticket_id}/history", 200)
async def _(world: World) -> httpx.Response:
    seller, _, ticket, _ = await world.held()
    return await seller.http.get(f"/api/tickets/{ticket['id']}/history")


@example("GET", "/api/tickets/{ticket_id}/history", 304)
async def _(world: World) -> httpx.Response:
    seller, _, ticket, _ = await world.held()
    seen = await seller.http.get(f"/api/tickets/{ticket['id']}/history")
    return await seller.http.get(
        f"/api/tickets/{ticket['id']}/history", headers={"If-None-Match": seen.headers["etag"]}
    )


@example("GET", "/api/tickets/{ticket_id}/history", 400)
async def _(world: World) -> httpx.Response:
    seller, _, ticket, _ = await world.held()
    return await seller.http.get(f"/api/tickets/{ticket['id']}/history?cursor=damaged")


@example("GET", "/api/tickets/{ticket_id}/history", 403)
async def _(world: World) -> httpx.Response:
    _, buyer, ticket, _ = await world.held()
    return await buyer.http.get(f"/api/tickets/{ticket['id']}/history")


@example("POST", "/api/tickets/{ticket_id}/waiting", 201)
async def _(world: World) -> httpx.Response:
    _, _, ticket, _ = await world.held()
    return await (await world.someone()).http.post(f"/api/tickets/{ticket['id']}/waiting", json={})


@example("POST", "/api/tickets/{ticket_id}/waiting", 200)
async def _(world: World) -> httpx.Response:
    _, _, ticket, _ = await world.held()
    person = await world.someone()
    for limit in (40, 30):
        response = await person.http.post(f"/api/tickets/{ticket['id']}/waiting", json={"maxPrice": limit})
    return response


@example("POST", "/api/tickets/{ticket_id}/waiting", 409)
async def _(world: World) -> httpx.Response:
    ticket = await (await world.someone()).lists()
    return await (await world.someone()).http.post(f"/api/tickets/{ticket['id']}/waiting", json={})


@example("POST", "/api/tickets/{ticket_id}/waiting", 429)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    used_up(lambda: world.services.limits.hold(person.id, world.address))
    return await ask(person, "POST", "/api/tickets/{ticket_id}/waiting")


@example("GET", "/api/tickets/{ticket_id}/waiting", 200)
async def _(world: World) -> httpx.Response:
    _, _, ticket, _ = await world.held()
    person = await world.someone()
    await person.http.post(f"/api/tickets/{ticket['id']}/waiting", json={})
    return await person.http.get(f"/api/tickets/{ticket['id']}/waiting")


@example("DELETE", "/api/tickets/{ticket_id}/waiting", 204)
async def _(world: World) -> httpx.Response:
    _, _, ticket, _ = await world.held()
    return await (await world.someone()).http.delete(f"/api/tickets/{ticket['id']}/waiting")


@example("DELETE", "/api/tickets/{ticket_id}/waiting", 429)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    used_up(lambda: world.services.limits.change(person.id, world.address))
    return await ask(person, "DELETE", "/api/tickets/{ticket_id}/waiting")


@example("POST", "/api/tickets/{ticket_id}/waiting/close", 204)
async def _(world: World) -> httpx.Response:
    seller, _, ticket, _ = await world.held()
    return await seller.http.post(f"/api/tickets/{ticket['id']}/waiting/close")


@example("POST", "/api/tickets/{ticket_id}/waiting/close", 429)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    used_up(lambda: world.services.limits.change(person.id, world.address))
    return await ask(person, "POST", "/api/tickets/{ticket_id}/waiting/close")


@example("POST", "/api/orders", 201)
async def _(world: World) -> httpx.Response:
    ticket, buyer = await (await world.someone()).lists(), await world.someone()
    return await buyer.http.post("/api/orders", json={"ticketId": ticket["id"]})


@example("POST", "/api/orders", 200)
async def _(world: World) -> httpx.Response:
    _, buyer, ticket, _ = await world.held()
    return await buyer.http.post("/api/orders", json={"ticketId": ticket["id"]})


@example("POST", "/api/orders", 409)
async def _(world: World) -> httpx.Response:
    _, _, ticket, _ = await world.held()
    return await (await world.someone()).http.post("/api/orders", json={"ticketId": ticket["id"]})


@example("POST", "/api/orders", 429)
async def _(world: World) -> httpx.Response:
    seller, buyer = await world.someone(), await world.someone()
    for _ in range(3):
        await buyer.orders(await seller.lists())
    return await buyer.http.post("/api/orders", json={"ticketId": (await seller.lists())["id"]})


@example("GET", "/api/orders", 304)
async def _(world: World) -> httpx.Response:
    _, buyer, _, _ = await world.held()
    seen = await buyer.http.get("/api/orders")
    return await buyer.http.get("/api/orders", headers={"If-None-Match": seen.headers["etag"]})


@example("GET", "/api/orders", 200)
async def _(world: World) -> httpx.Response:
    _, buyer, _, _ = await world.held()
    return await buyer.http.get("/api/orders")


@example("GET", "/api/orders/{order_id}", 200)
async def _(world: World) -> httpx.Response:
    _, buyer, _, order = await world.held()
    await buyer.pays(order, DECLINED)
    return await buyer.http.get(f"/api/orders/{order['id']}")


@example("GET", "/api/orders/{order_id}", 403)
async def _(world: World) -> httpx.Response:
    seller, _, _, order = await world.held()
    return await seller.http.get(f"/api/orders/{order['id']}")


@example("DELETE", "/api/orders/{order_id}", 204)
async def _(world: World) -> httpx.Response:
    _, buyer, _, order = await world.held()
    return await buyer.http.delete(f"/api/orders/{order['id']}")


@example("DELETE", "/api/orders/{order_id}", 409)
async def _(world: World) -> httpx.Response:
    _, buyer, _, order = await world.held()
    await buyer.pays(order)
    return await buyer.http.delete(f"/api/orders/{order['id']}")


@example("GET", "/api/orders/{order_id}/charges", 200)
async def _(world: World) -> httpx.Response:
    _, buyer, _, order = await world.held()
    await buyer.pays(order)
    return await buyer.http.get(f"/api/orders/{order['id']}/charges")


@example("GET", "/api/orders/{order_id}/charges", 403)
async def _(world: World) -> httpx.Response:
    seller, _, _, order = await world.held()
    return await seller.http.get(f"/api/orders/{order['id']}/charges")


@example("GET", "/api/orders/{order_id}/refund", 200)
async def _(world: World) -> httpx.Response:
    seller, _, _, order = await world.held()
    return await seller.http.get(f"/api/orders/{order['id']}/refund")


@example("GET", "/api/orders/{order_id}/refund", 403)
async def _(world: World) -> httpx.Response:
    _, _, _, order = await world.held()
    return await (await world.someone()).http.get(f"/api/orders/{order['id']}/refund")


def refund(status: int, method: str | None) -> None:
    async def send(world: World) -> httpx.Response:
        seller, buyer, _, order = await world.held()
        if method is not None:
            await buyer.pays(order, method)
        return await seller.http.post(f"/api/orders/{order['id']}/refund")

    EXAMPLES["POST", "/api/orders/{order_id}/refund", status] = send


refund(200, "pm_card_visa")
refund(202, SLOW_REFUND)
refund(409, None)


@example("POST", "/api/webhooks/stripe", 200)
async def _(world: World) -> httpx.Response:
    return await world.announces("payment_intent.succeeded", NOBODY)


@example("POST", "/api/sandbox/authentications", 200)
async def _(world: World) -> httpx.Response:
    assert world.services.sandbox is not None
    stripe = connect(api_key=SANDBOX_KEY, api_base=None, http_client=SandboxHTTPClient(world.services.sandbox))
    intent = await stripe.create_intent(
        amount=5_000, currency="usd", payment_method="pm_card_authenticationRequired", metadata={}, idempotency_key="1"
    )
    asked = await stripe.confirm(intent.id, idempotency_key="2")
    body = {"clientSecret": asked.client_secret, "outcome": "succeeds"}
    return await world.anyone().http.post("/api/sandbox/authentications", json=body)


def payment(status: int, *methods: str, cancelled: bool = False) -> None:
    async def send(world: World) -> httpx.Response:
        _, buyer, _, order = await world.held()
        if cancelled:
            await buyer.http.delete(f"/api/orders/{order['id']}")
        for method in methods:
            response = await buyer.pays(order, method)
        return response

    EXAMPLES["POST", "/api/payments", status] = send


payment(201, "pm_card_visa")
payment(200, "pm_card_visa", "pm_card_visa")
payment(202, SLOW)
payment(402, DECLINED)
payment(409, "pm_card_visa", cancelled=True)


def away(method: str, path: str) -> None:
    """The route while neither actors nor database answer."""

    async def send(world: World) -> httpx.Response:
        person = await world.someone()
        world.market.refusal, world.market.is_up = Unavailable(), False
        _lose_the_database(world)
        return await ask(person, method, path)

    EXAMPLES[method, path, 503] = send


class AwayDatabase:
    """A database that does not answer, whatever it is asked."""

    def __getitem__(self, _collection: str) -> "AwayDatabase":
        return self

    def __getattr__(self, operation: str) -> NoReturn:
        raise ServerSelectionTimeoutError(operation)


def _lose_the_database(world: World) -> None:
    database: Any = AwayDatabase()
    services, orders = world.services, Orders(database)
    lifetimes = lifetimes_of(services.settings)
    revocations = Revocations(RevocationRecords(database), services.redis, lifetimes.token, world.clock)
    sessions = Sessions(
        services.sessions._tokens,
        SessionRecords(database),
        Users(database),
        revocations=revocations,
        lifetimes=lifetimes,
        clock=world.clock,
        public_url=services.settings.public_url,
    )
    world.serving(
        users=Users(database),
        outbox=Outbox(database),
        email_tokens=EmailTokens(database),
        queries=replace(
            services.queries,
            orders=orders,
            catalogue=MongoCatalogue(database, orders),
            tickets=Tickets(database, orders),
        ),
        sessions=sessions,
        access_tokens=AccessTokens(AccessTokenRecords(database), Users(database), revocations, world.clock),
        webhook_endpoints=WebhookEndpoints(database),
        webhook_deliveries=WebhookDeliveries(database),
        webhooks=StripeWebhooks(world.webhook_secret, WebhookInbox(database), world.webhook_events),
        sandbox=open_sandbox(database),
    )


@example("GET", "/api/events", 200)
async def _(world: World) -> httpx.Response:
    return await (await world.someone()).http.get("/api/events")


@example("GET", "/api/events", 400)
async def _(world: World) -> httpx.Response:
    return await (await world.someone()).http.get("/api/events", headers={"Last-Event-ID": "not an id"})


@example("GET", "/api/events", 401)
async def _(world: World) -> httpx.Response:
    return await world.anyone().http.get("/api/events")


@example("GET", "/api/events", 503)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    events, session = world.services.events, Session(person.id, "a session", 0, 2**60)
    opened = [events.open(session, world.address, Subjects(">"), after=None) for _ in range(6)]
    response = await person.http.get("/api/events")
    for listener in opened:
        events.close(listener)
    return response


EXAMPLES.update(accounts.EXAMPLES)
EXAMPLES.update(hooks.EXAMPLES)


def with_token(method: str, path: str, scope: AccessScope) -> None:
    """What programs are told at every route that takes their tokens, and there only."""

    async def invalid(world: World) -> httpx.Response:
        return await ask(world.bearing("not a token"), method, path)

    async def too_often(world: World) -> httpx.Response:
        for _ in range(60):
            await world.services.limits.invalid_token(world.address)
        return await invalid(world)

    async def insufficient(world: World) -> httpx.Response:
        others = [each for each in SCOPES if each != scope]
        return await ask(await world.program(await world.someone(), *others), method, path)

    EXAMPLES.setdefault((method, path, 401), invalid)
    EXAMPLES.setdefault((method, path, 403), insufficient)
    EXAMPLES.setdefault((method, path, 429), too_often)


for _route in api_routes():
    _scope = scope_of(_route)
    if _scope is not None:
        for _method in _route.methods or ():
            with_token(_method, _route.path, _scope)


_NEEDS_THE_DATABASE = {
    *SIGNED_IN, *BODY_ROUTES, *CHANGING, *accounts.SIGNED_IN, *accounts.CHANGING, *hooks.SIGNED_IN, ("GET", "/readyz"),
    ("GET", "/api/tickets"), ("GET", "/api/tickets/{ticket_id}"), ("GET", "/api/users/currentuser"),
}  # fmt: skip
for _needing in _NEEDS_THE_DATABASE:
    away(*_needing)


@example("POST", "/api/webhooks/stripe", 503)
async def _(world: World) -> httpx.Response:
    _lose_the_database(world)
    return await world.announces("payment_intent.succeeded", NOBODY)
