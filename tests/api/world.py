"""The people of the tests, and short ways to say what they do."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from bson import ObjectId
from fastapi import FastAPI
from starlette.responses import Response

from actors.mail.templates import MailKind
from actors.payments.webhook_events import WebhookEventHandler
from actors.storage.access_tokens import AccessScope
from actors.storage.database import Database
from actors.storage.user_flags import email_key
from actors.storage.users import User
from actors.stripe.webhooks import sign
from serve_app.services import Services
from tests.api.fake_market import FakeMarket, ManualClock

JSON = dict[str, Any]
COOKIE_DOMAIN = "localhost.local"
BASE_URL = "http://localhost:8000"
TICKET: JSON = {"title": "Concert in the park", "price": 12.5}
NOBODY = "f" * 24
PASSWORD = "correct horse battery"


@dataclass
class Person:
    """A client, signed in or not."""

    http: httpx.AsyncClient
    id: str = ""
    email: str = ""

    async def lists(self, **ticket: object) -> JSON:
        response = await self.http.post("/api/tickets", json={**TICKET, **ticket})
        assert response.status_code == 201, response.text
        body: JSON = response.json()
        return body

    async def orders(self, ticket: JSON, **more: object) -> JSON:
        response = await self.http.post("/api/orders", json={"ticketId": ticket["id"], **more})
        assert response.status_code == 201, response.text
        body: JSON = response.json()
        return body

    async def pays(self, order: JSON, method: str = "pm_card_visa", **headers: str) -> httpx.Response:
        body = {"orderId": order["id"], "paymentMethod": method}
        return await self.http.post("/api/payments", json=body, headers=headers)


@dataclass
class World:
    """One market with nobody in it yet. Every world has its own database and its own network address."""

    api: FastAPI
    services: Services
    database: Database
    market: FakeMarket
    clock: ManualClock
    webhook_events: WebhookEventHandler
    address: str = field(default_factory=lambda: f"203.0.{secrets.randbelow(256)}.{secrets.randbelow(256)}")

    def serving(self, **parts: Any) -> "World":  # noqa: ANN401 - any of the services
        """Return the world with these services in place of its own, to the end of the test."""
        self.services = self.api.state.services = replace(self.services, **parts)
        return self

    def anyone(self, app: Callable[..., Any] | None = None) -> Person:
        transport = httpx.ASGITransport(app or self.api, client=(self.address, 40_000))
        return Person(httpx.AsyncClient(transport=transport, base_url=BASE_URL))

    async def someone(self) -> Person:
        """Somebody who is signed in; without the 40 ms of a password hash."""
        person = self.anyone()
        person.id = str(ObjectId())
        person.email = f"{person.id}@example.com"
        user = User(person.id, person.email, "no hash", self.clock())
        assert await self.services.users.add(user)
        response = Response()
        await self.services.sessions.begin(response, user)
        cookie = response.headers["set-cookie"].partition(";")[0].partition("=")[2]
        # As if the server had set it: two of one name would both be sent.
        person.http.cookies.set(self.services.sessions.cookie, cookie, domain=COOKIE_DOMAIN)
        return person

    async def member(self) -> Person:
        """Somebody who is signed in and whose password is PASSWORD."""
        person = self.anyone()
        person.email = f"{ObjectId()}@example.com"
        account = {"email": person.email, "password": PASSWORD}
        response = await person.http.post("/api/users/signup", json=account)
        assert response.status_code == 201, response.text
        person.id = response.json()["id"]
        return person

    async def admin(self) -> Person:
        """Somebody who is signed in and an administrator."""
        person = await self.someone()
        assert await self.services.users.set_admin(person.id, self.clock(), is_admin=True)
        return person

    async def program(self, person: Person, *scopes: AccessScope) -> Person:
        """A program of theirs, with a token of these scopes and without a cookie."""
        made = await person.http.post("/api/tokens", json={"name": "a program", "scopes": scopes})
        assert made.status_code == 201, made.text
        return self.bearing(made.json()["token"], person)

    def bearing(self, token: str, person: Person | None = None) -> Person:
        """A client that sends this token."""
        program = self.anyone()
        if person is not None:
            program.id, program.email = person.id, person.email
        program.http.headers["Authorization"] = f"Bearer {token}"
        return program

    async def token(self, kind: MailKind, person: Person) -> str:
        """The token of a mail to them."""
        return await self.services.email_tokens.make(kind, person.id, email_key(person.email), self.clock())

    @property
    def webhook_secret(self) -> str:
        return self.services.settings.webhook_secret.get_secret_value()

    async def announces(self, kind: str, order_id: str, *, event_id: str = "", seconds: float = 0) -> httpx.Response:
        """Stripe announces something about an order, with a signature made so many seconds from now."""
        event: JSON = {
            "object": "event",
            "id": event_id or f"evt_{ObjectId()}",
            "type": kind,
            "created": int(time.time()),
            "data": {"object": {"object": "payment_intent", "id": "pi_1", "metadata": {"orderId": order_id}}},
        }
        raw = json.dumps(event).encode()
        headers = {"Stripe-Signature": sign(raw, self.webhook_secret, time.time() + seconds)}
        return await self.anyone().http.post("/api/webhooks/stripe", content=raw, headers=headers)

    async def held(self) -> tuple[Person, Person, JSON, JSON]:
        """A seller, a buyer, the ticket that the buyer holds, and the order."""
        seller, buyer = await self.someone(), await self.someone()
        ticket = await seller.lists()
        return seller, buyer, ticket, await buyer.orders(ticket)


def errors(response: httpx.Response) -> list[JSON]:
    """The errors of a response, after a look at their format."""
    body = response.json()
    assert set(body) == {"errors"}
    assert body["errors"]
    for entry in body["errors"]:
        assert set(entry) <= {"message", "field"}
        assert isinstance(entry["message"], str)
    assert response.headers["x-content-type-options"] == "nosniff"
    listed: list[JSON] = body["errors"]
    return listed


def fields(response: httpx.Response) -> set[str]:
    """The fields that the errors are about."""
    return {entry.get("field", "") for entry in errors(response)}
