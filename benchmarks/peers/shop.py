"""What the peers have in common: a plain FastAPI shop that takes the same requests and gives the same answers.

Only how a reservation is made differs. They are spared what costs us something too: revoked sessions, a limit of holds
for each buyer, keys of repeated requests, and expiry.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any, Protocol

import jwt
import orjson
from bson import ObjectId
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field

from serve_app.http.timestamps import iso

WINDOW_MS = 900_000
# As many as the market remembers (serve_app/accounts/session_cookies.py), so that neither verifies a signature twice.
_REMEMBERED = 8_192


class OrderBody(BaseModel):
    """The ticket to hold, and the price at which it is wanted, in cents, if any will not do."""

    ticket_id: str = Field(alias="ticketId", pattern="^[0-9a-f]{24}$")
    expected_price: int | None = Field(alias="expectedPrice", default=None)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket of a shop. `price` is in cents."""

    id: str
    seller_id: str
    title: str
    price: int
    currency: str
    status: str
    version: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a shop. Instants are milliseconds, the price is in cents."""

    id: str
    ticket_id: str
    buyer_id: str
    title: str
    price: int
    currency: str
    created_at: int
    expires_at: int


class Store(Protocol):
    """Where a shop keeps its tickets and orders."""

    async def reserve(self, ticket_id: str, buyer_id: str, expected_price: int | None) -> Order:
        """The order, durable with its outbox row when it returns. Raises HTTPException with why not."""


def refused(status: HTTPStatus, message: str) -> HTTPException:
    """A refusal, in words."""
    return HTTPException(status, message)


def checked(ticket: Ticket | None, buyer_id: str, expected_price: int | None) -> Ticket:
    """The ticket if this buyer may have it now. Raises HTTPException with why not."""
    if ticket is None:
        raise refused(HTTPStatus.NOT_FOUND, "This ticket does not exist.")
    if ticket.status != "available":
        raise refused(HTTPStatus.CONFLICT, "Somebody else holds this ticket.")
    if ticket.seller_id == buyer_id:
        raise refused(HTTPStatus.CONFLICT, "This is your own ticket.")
    if expected_price not in (None, ticket.price):
        raise refused(HTTPStatus.CONFLICT, "The price has changed.")
    return ticket


def new_order(ticket: Ticket, buyer_id: str) -> Order:
    """The order of this buyer for this ticket, from now on."""
    now = time.time_ns() // 1_000_000
    return Order(
        str(ObjectId()), ticket.id, buyer_id, ticket.title, ticket.price, ticket.currency, now, now + WINDOW_MS
    )


def order_created(order: Order) -> bytes:
    """What the outbox tells others."""
    return orjson.dumps({"type": "OrderCreated", "data": order})


def add_routes(app: FastAPI, store: Store, key: str) -> None:
    """Give the shop its routes; `key` signs the sessions."""

    @lru_cache(_REMEMBERED)
    def buyer_of(token: str) -> str:
        claims = jwt.decode(token, key, ["HS256"], audience="holdfast", issuer="holdfast")
        return str(claims["sub"])

    async def signed_in(request: Request) -> str:
        try:
            return buyer_of(request.cookies.get("session", ""))
        except jwt.PyJWTError:
            raise refused(HTTPStatus.UNAUTHORIZED, "Sign in first.") from None

    @app.post("/api/orders")
    async def create_order(body: OrderBody, buyer_id: Annotated[str, Depends(signed_in)]) -> Response:
        order = await store.reserve(body.ticket_id, buyer_id, body.expected_price)
        return _json(_view(order), HTTPStatus.CREATED)

    @app.get("/healthz")
    async def healthz() -> Response:
        return _json({"status": "ok"})

    @app.exception_handler(HTTPException)
    async def tell(_request: Request, error: HTTPException) -> Response:
        return _json({"errors": [{"message": error.detail}]}, HTTPStatus(error.status_code))


def _view(order: Order) -> dict[str, Any]:
    price = order.price / 100
    return {
        "id": order.id,
        "status": "created",
        "userId": order.buyer_id,
        "price": price,
        "currency": order.currency,
        "createdAt": iso(order.created_at),
        "expiresAt": iso(order.expires_at),
        "version": 1,
        "ticket": {"id": order.ticket_id, "title": order.title, "price": price},
    }


def _json(content: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
