"""Who may do what: every route, for everybody. A route that is not in the table fails."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jwt
import pytest
from fastapi import FastAPI

from actors.mail.templates import MailKind
from actors.storage.access_tokens import SCOPES, AccessScope
from serve_app.accounts.tokens import Session, Tokens
from serve_app.api import create_api
from tests.api.routes import routes_in
from tests.api.webhook_examples import ENDPOINT
from tests.api.world import JSON, NOBODY, PASSWORD, TICKET, Person, World

Key = tuple[str, str]
ANOTHER_PASSWORD = "another horse battery"


@dataclass(frozen=True)
class Row:
    """The status for nobody, for somebody who has nothing to do with it, for its owner, and for an administrator."""

    anonymous: int
    other: int
    owner: int
    admin: int
    # What a program needs to be answered as its owner is; with None it is refused whatever its token may do.
    scope: AccessScope | None = None

    @property
    def statuses(self) -> tuple[int, ...]:
        return self.anonymous, self.other, self.owner, self.admin


def everybody(status: int, scope: AccessScope | None = None) -> Row:
    return Row(status, status, status, status, scope)


def signed_in(status: int, scope: AccessScope | None = None) -> Row:
    return Row(401, status, status, status, scope)


# The owner is the seller of the ticket, the buyer of the order, or the one whose session it is.
MATRIX: dict[Key, Row] = {
    ("GET", "/healthz"): everybody(200),
    ("GET", "/readyz"): everybody(200),
    ("GET", "/openapi.json"): everybody(200),
    ("GET", "/docs"): everybody(200),
    ("GET", "/docs/{name}"): everybody(200),
    ("POST", "/api/users/signup"): everybody(201),
    ("POST", "/api/users/signin"): everybody(200),
    ("POST", "/api/users/signout"): everybody(200),
    ("GET", "/api/users/currentuser"): everybody(200, "read"),
    ("POST", "/api/users/password"): Row(401, 400, 200, 400),
    ("GET", "/api/users/sessions"): signed_in(200),
    ("DELETE", "/api/users/sessions/{session_id}"): Row(401, 404, 204, 404),
    ("POST", "/api/users/verification"): signed_in(202),
    ("POST", "/api/users/verification/confirm"): everybody(200),
    ("POST", "/api/users/password/reset"): everybody(202),
    ("POST", "/api/users/password/reset/confirm"): everybody(200),
    ("GET", "/api/users/me/export"): signed_in(200),
    ("POST", "/api/tokens"): Row(401, 201, 201, 403),
    ("GET", "/api/tokens"): signed_in(200),
    ("DELETE", "/api/tokens/{token_id}"): Row(401, 404, 204, 404),
    # The owner has a ticket that somebody holds.
    ("DELETE", "/api/users/me"): Row(401, 400, 409, 400),
    ("GET", "/api/admin/users/{user_id}"): Row(401, 403, 403, 200),
    ("PUT", "/api/admin/users/{user_id}/ban"): Row(401, 403, 403, 204),
    ("DELETE", "/api/admin/users/{user_id}/ban"): Row(401, 403, 403, 204),
    ("GET", "/api/admin/failed-refunds"): Row(401, 403, 403, 200),
    ("POST", "/api/admin/failed-refunds/{order_id}/resolve"): Row(401, 403, 403, 409),
    ("GET", "/api/tickets"): everybody(200, "read"),
    ("POST", "/api/tickets"): signed_in(201, "sell"),
    ("GET", "/api/tickets/{ticket_id}"): everybody(200, "read"),
    ("PUT", "/api/tickets/{ticket_id}"): Row(401, 403, 200, 403, "sell"),
    ("DELETE", "/api/tickets/{ticket_id}"): Row(401, 403, 204, 204, "sell"),
    ("GET", "/api/tickets/{ticket_id}/history"): Row(401, 403, 200, 200, "read"),
    # Of the ticket that the buyer holds.
    ("POST", "/api/tickets/{ticket_id}/waiting"): Row(401, 201, 409, 201, "buy"),
    ("GET", "/api/tickets/{ticket_id}/waiting"): signed_in(404, "read"),
    ("DELETE", "/api/tickets/{ticket_id}/waiting"): signed_in(204, "buy"),
    ("POST", "/api/tickets/{ticket_id}/waiting/close"): Row(401, 403, 204, 403, "sell"),
    ("POST", "/api/orders"): Row(401, 201, 409, 201, "buy"),
    ("GET", "/api/orders"): signed_in(200, "read"),
    ("GET", "/api/orders/{order_id}"): Row(401, 403, 200, 200, "read"),
    ("DELETE", "/api/orders/{order_id}"): Row(401, 403, 204, 403, "buy"),
    ("GET", "/api/orders/{order_id}/charges"): Row(401, 403, 200, 200, "read"),
    ("GET", "/api/orders/{order_id}/refund"): Row(401, 403, 200, 200, "read"),
    ("POST", "/api/orders/{order_id}/refund"): Row(401, 403, 200, 200, "sell"),
    ("POST", "/api/payments"): Row(401, 403, 201, 403, "buy"),
    ("POST", "/api/webhook-endpoints"): signed_in(201),
    ("GET", "/api/webhook-endpoints"): signed_in(200),
    ("GET", "/api/webhook-endpoints/{endpoint_id}"): Row(401, 404, 200, 404),
    ("PATCH", "/api/webhook-endpoints/{endpoint_id}"): Row(401, 404, 200, 404),
    ("DELETE", "/api/webhook-endpoints/{endpoint_id}"): Row(401, 404, 204, 404),
    ("POST", "/api/webhook-endpoints/{endpoint_id}/rotate-secret"): Row(401, 404, 200, 404),
    ("POST", "/api/webhook-endpoints/{endpoint_id}/test"): Row(401, 404, 202, 404),
    ("GET", "/api/webhook-endpoints/{endpoint_id}/deliveries"): Row(401, 404, 200, 404),
    ("POST", "/api/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/retry"): Row(401, 404, 202, 404),
    ("GET", "/api/events"): signed_in(200, "read"),
    # Signed by Stripe, or with the secret of a payment.
    ("POST", "/api/webhooks/stripe"): everybody(400),
    ("POST", "/api/sandbox/authentications"): everybody(409),
}


def routes_of(api: FastAPI) -> Iterator[Key]:
    """Every route but those of pages, which have a table of their own (see test_page_access.py)."""
    for one in routes_in(api):
        if not one.endpoint.__module__.startswith("serve_app.web."):
            yield from ((method, one.path) for method in (one.methods or ()) if method != "HEAD")


@dataclass
class Scene:
    """A seller with a ticket that is free and one that is sold, a buyer who holds a third, and people around them."""

    world: World
    seller: Person
    buyer: Person
    ticket: JSON
    order: JSON
    sold: JSON
    endpoint: JSON
    delivery: JSON
    is_changed: bool = False

    @classmethod
    async def of(cls, world: World) -> "Scene":
        seller, buyer = await world.member(), await world.someone()
        held, gone = await seller.lists(), await seller.lists()
        sold = await buyer.orders(gone)
        await buyer.pays(sold)
        await world.program(seller, "read")
        hook = await seller.http.post("/api/webhook-endpoints", json=ENDPOINT)
        sent = await seller.http.post(f"/api/webhook-endpoints/{hook.json()['id']}/test")
        return cls(world, seller, buyer, await seller.lists(), await buyer.orders(held), sold, hook.json(), sent.json())

    async def owner(self, key: Key) -> Person:
        of_seller = any(part in key[1] for part in ("ticket", "/users", "/tokens", "/refund", "webhook-endpoints"))
        of_seller = of_seller or key == ("POST", "/api/orders")
        return self.seller if of_seller else self.buyer

    async def ask(self, person: Person, key: Key) -> int:
        method, path = key
        world = self.world
        order = self.sold if path.endswith("refund") else self.order
        sessions = await world.services.sessions.of_user(self.seller.id)
        session = sessions[0].id if sessions else "5" * 32
        tokens = await world.services.access_tokens.of_user(self.seller.id)
        ticket = self.order["ticket"] if "waiting" in path else self.ticket
        url = path.format(
            name="swagger-ui.css", ticket_id=ticket["id"], order_id=order["id"], user_id=self.seller.id,
            session_id=session, token_id=tokens[0].id if tokens else NOBODY,
            endpoint_id=self.endpoint["id"], delivery_id=self.delivery["id"],
        )  # fmt: skip
        bodies: dict[str, Callable[[], JSON]] = {
            "/api/users/signup": lambda: {"email": f"new-{person.email or 'nobody@example.com'}", "password": PASSWORD},
            "/api/users/signin": lambda: {"email": self.seller.email, "password": PASSWORD},
            "/api/users/password": lambda: {"currentPassword": PASSWORD, "newPassword": ANOTHER_PASSWORD},
            "/api/users/password/reset": lambda: {"email": self.seller.email},
            "/api/users/me": lambda: {"password": PASSWORD},
            "/api/tokens": lambda: {"name": "a program", "scopes": ["read"]},
            "/api/tickets": lambda: TICKET,
            "/api/tickets/{ticket_id}": lambda: TICKET,
            "/api/tickets/{ticket_id}/waiting": dict,
            "/api/orders": lambda: {"ticketId": self.ticket["id"]},
            "/api/payments": lambda: {"orderId": self.order["id"], "paymentMethod": "pm_card_visa"},
            "/api/webhooks/stripe": dict,
            "/api/webhook-endpoints": lambda: ENDPOINT,
            "/api/webhook-endpoints/{endpoint_id}": lambda: {"description": "another"},
            "/api/sandbox/authentications": lambda: {"clientSecret": "pi_1_secret_1", "outcome": "succeeds"},
        }
        body = bodies[path]() if path in bodies and method != "GET" else None
        if path.startswith(("/api/tickets/{ticket_id}", "/api/webhook-endpoints")) and method == "DELETE":
            body = None
        if path.endswith("verification/confirm"):
            body = {"token": await world.token(MailKind.VERIFICATION, self.seller)}
        if path.endswith("reset/confirm"):
            body = {"token": await world.token(MailKind.PASSWORD_RESET, self.seller), "password": ANOTHER_PASSWORD}
        response = await person.http.request(method, url, json=body)
        assert response.status_code < 500, response.text
        # What is refused changes nothing: the next may ask in the same scene.
        self.is_changed |= method != "GET" and response.status_code < 400
        return response.status_code


async def test_every_route_is_in_the_table_and_nothing_else(world: World) -> None:
    assert set(routes_of(world.api)) == set(MATRIX)


async def test_a_new_route_without_an_entry_is_found(world: World) -> None:
    api = create_api(world.services)
    api.add_api_route("/api/new", lambda: None, methods=["POST"])
    assert set(routes_of(api)) - set(MATRIX) == {("POST", "/api/new")}


@pytest.mark.parametrize("key", MATRIX, ids=" ".join)
async def test_everybody_gets_the_documented_answer(world: World, key: Key) -> None:
    found, scene = [], await Scene.of(world)
    for who in ("anonymous", "other", "owner", "admin"):
        if scene.is_changed:
            scene = await Scene.of(world)
        person = await (
            {"other": world.someone, "admin": world.admin}[who]() if who in {"other", "admin"} else scene.owner(key)
        )
        found.append(await scene.ask(world.anyone() if who == "anonymous" else person, key))
    assert tuple(found) == MATRIX[key].statuses


@pytest.mark.parametrize("key", MATRIX, ids=" ".join)
async def test_program_is_answered_as_its_owner_where_its_token_has_the_scope_and_refused_elsewhere(
    world: World, key: Key
) -> None:
    needed, found, scene = MATRIX[key].scope, {}, await Scene.of(world)
    for scope in SCOPES:
        if scene.is_changed:
            scene = await Scene.of(world)
        found[scope] = await scene.ask(await world.program(await scene.owner(key), scope), key)
    assert found == {scope: MATRIX[key].owner if scope == needed else 403 for scope in SCOPES}


async def test_route_without_a_declared_scope_takes_no_token(world: World) -> None:
    """Also pages, files and what a new route is until somebody says otherwise."""
    api = create_api(world.services)
    api.add_api_route("/api/new", lambda: None, methods=["POST"])
    program = await world.program(await world.someone(), *SCOPES)
    refused = replace(program, http=world.anyone(api).http)
    refused.http.headers = program.http.headers
    taken = {key for key, row in MATRIX.items() if row.scope is not None}
    seen = set()
    for route in routes_in(api):
        for method in (route.methods or set()) - {"HEAD"}:
            if (method, route.path) in taken:
                continue
            response = await refused.http.request(method, re.sub(r"{[^}]+}", NOBODY, route.path))
            assert response.status_code == 403, (method, route.path)
            assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
            seen.add((method, route.path))
    assert {("POST", "/api/new"), ("GET", "/account"), ("GET", "/"), ("POST", "/account/close")} <= seen


@pytest.mark.parametrize("token", ["", "nonsense", f"hfp_{NOBODY}_{'s' * 43}"])
async def test_token_that_does_not_hold_is_refused_on_every_route_also_beside_a_good_cookie(
    unlimited: World, token: str
) -> None:
    person = await unlimited.someone()
    person.http.headers["Authorization"] = f"Bearer {token}"
    for method, path in MATRIX:
        response = await person.http.request(method, re.sub(r"{[^}]+}", NOBODY, path))
        assert response.status_code == 401, (method, path)
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def a_session(world: World, person: Person, *, seconds: int = 900) -> Session:
    now = world.clock()
    return Session(person.id, "5" * 32, now, now + seconds * 1_000)


def signed(world: World, person: Person, key: str, algorithm: str = "HS256", **changes: Any) -> str:  # noqa: ANN401
    """A token that is good but for one thing."""
    ring = world.services.sessions._tokens
    token = ring.sign(a_session(world, person))
    claims = {**jwt.decode(token, options={"verify_signature": False}), **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": jwt.get_unverified_header(token)["kid"]})


async def banned(world: World, person: Person) -> None:
    await world.services.users.ban(person.id, world.clock())
    await world.services.sessions.end_all(person.id)


async def revoked(world: World, person: Person) -> None:
    await world.services.sessions.end_all(person.id)


async def expired(world: World, _: Person) -> None:
    world.clock.advance(8 * 86_400)


def forged(**how: Any) -> Callable[[World, Person], Any]:  # noqa: ANN401
    async def forge(world: World, person: Person) -> None:
        (key,) = world.services.settings.session_keys
        using = {"key": key.get_secret_value(), **how}
        person.http.cookies.clear()
        person.http.cookies.set("session", signed(world, person, **using))

    return forge


async def with_another_key(world: World, person: Person) -> None:
    person.http.cookies.clear()
    stranger = Tokens(["x" * 40], world.clock)
    person.http.cookies.set("session", stranger.sign(a_session(world, person)))


NOBODIES: dict[str, Callable[[World, Person], Any]] = {
    "banned": banned,
    "revoked": revoked,
    "expired": expired,
    "wrong audience": forged(aud="another"),
    "wrong issuer": forged(iss="another"),
    "wrong type": forged(typ="invite"),
    "without a subject": forged(sub=None),
    "not yet": forged(nbf=99_999_999_999),
    "alg none": forged(key="", algorithm="none"),
    "another algorithm": forged(algorithm="HS512"),
    "key unknown": with_another_key,
}


async def test_a_token_that_is_forged_in_no_way_is_good(world: World) -> None:
    """Or the forged ones would be refused for another reason."""
    person = await world.someone()
    await forged()(world, person)
    assert (await person.http.get("/api/orders")).status_code == 200


@pytest.mark.parametrize("how", NOBODIES)
async def test_a_session_that_does_not_hold_is_none_on_every_route(world: World, how: str) -> None:
    found = {}
    scene = await Scene.of(world)
    for key, row in MATRIX.items():
        person = await scene.owner(key) if row.anonymous == 401 else await world.someone()
        copy = replace(world.anyone(), id=person.id, email=person.email)
        copy.http.cookies.update(person.http.cookies)
        await NOBODIES[how](world, copy)
        asking = ask_without_a_body if row.anonymous == 401 else Scene.ask
        found[key] = await asking(scene, copy, key)
    assert found == {key: row.anonymous for key, row in MATRIX.items()}


async def ask_without_a_body(scene: Scene, person: Person, key: Key) -> int:
    """The session is looked at first."""
    method, path = key
    url = path.format(
        ticket_id=scene.ticket["id"],
        order_id=scene.order["id"],
        user_id=scene.seller.id,
        session_id="5" * 32,
        token_id=NOBODY,
        endpoint_id=scene.endpoint["id"],
        delivery_id=scene.delivery["id"],
    )
    return (await person.http.request(method, url, json={})).status_code
