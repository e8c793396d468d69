"""The peer that most people would write: FastAPI and PostgreSQL, the ticket locked with SELECT … FOR UPDATE.

Built by `build` for uvicorn; PEER_DATABASE and PEER_KEY say where its database is and what signs
sessions.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI

from benchmarks.peers.shop import Order, Ticket, add_routes, checked, new_order, order_created

SCHEMA = """
CREATE TABLE tickets (
    id text PRIMARY KEY, seller_id text NOT NULL, title text NOT NULL, price integer NOT NULL,
    currency text NOT NULL, status text NOT NULL, version integer NOT NULL, order_id text
);
CREATE TABLE orders (
    id text PRIMARY KEY, ticket_id text NOT NULL REFERENCES tickets, buyer_id text NOT NULL, status text NOT NULL,
    price integer NOT NULL, currency text NOT NULL, created_at bigint NOT NULL, expires_at bigint NOT NULL
);
CREATE INDEX orders_of_buyer ON orders (buyer_id, created_at);
CREATE INDEX orders_of_ticket ON orders (ticket_id);
CREATE TABLE outbox (id bigserial PRIMARY KEY, event jsonb NOT NULL);
"""
# asyncpg prepares each of them once for each connection.
_LOCK = "SELECT id, seller_id, title, price, currency, status, version FROM tickets WHERE id = $1 FOR UPDATE"
_INSERT = "INSERT INTO orders VALUES ($1, $2, $3, 'created', $4, $5, $6, $7)"
_UPDATE = "UPDATE tickets SET status = 'reserved', order_id = $2, version = version + 1 WHERE id = $1"
_ANNOUNCE = "INSERT INTO outbox (event) VALUES ($1)"
# For each worker. From 4 to 32 made no difference beyond the noise, at 64 connections with two workers (measured).
POOL = 16


class PostgresStore:
    """Tickets and orders in PostgreSQL; see shop.Store."""

    def __init__(self) -> None:
        self.pool: asyncpg.Pool[Any] | None = None

    async def reserve(self, ticket_id: str, buyer_id: str, expected_price: int | None) -> Order:
        """One transaction: lock, check, insert, update, announce."""
        if self.pool is None:
            raise RuntimeError("the shop has not opened yet")
        async with self.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_LOCK, ticket_id)
            ticket = checked(Ticket(*row) if row else None, buyer_id, expected_price)
            order = new_order(ticket, buyer_id)
            await connection.execute(
                _INSERT,
                order.id,
                order.ticket_id,
                order.buyer_id,
                order.price,
                order.currency,
                order.created_at,
                order.expires_at,
            )
            await connection.execute(_UPDATE, ticket.id, order.id)
            await connection.execute(_ANNOUNCE, order_created(order).decode())
        return order


def build() -> FastAPI:
    """The shop."""
    store = PostgresStore()

    @asynccontextmanager
    async def opened(_app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(os.environ["PEER_DATABASE"], min_size=POOL, max_size=POOL) as store.pool:
            yield

    app = FastAPI(lifespan=opened, openapi_url=None)
    add_routes(app, store, os.environ["PEER_KEY"])
    return app
