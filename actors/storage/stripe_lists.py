"""Stripe's lists on disk, for as long as they are compared with the orders: they may not fit into memory."""

import json
import sqlite3
from collections.abc import Collection, Iterator
from typing import Self

from actors.stripe.client import Stripe
from actors.stripe.resources import Dispute, Intent, Refund

_TABLES = """
    CREATE TABLE intents (id TEXT PRIMARY KEY, order_id TEXT, charge_id TEXT, status TEXT, amount INTEGER,
                          received INTEGER, currency TEXT);
    CREATE TABLE refunds (id TEXT PRIMARY KEY, intent_id TEXT, status TEXT, amount INTEGER, currency TEXT);
    CREATE TABLE disputes (id TEXT PRIMARY KEY, intent_id TEXT, status TEXT, amount INTEGER, currency TEXT);
    CREATE TABLE seen (order_id TEXT PRIMARY KEY);
    CREATE INDEX intents_of ON intents (order_id);
    CREATE INDEX refunds_of ON refunds (intent_id);
    CREATE INDEX disputes_of ON disputes (intent_id);
"""
_OF_ORDERS = "SELECT * FROM intents WHERE order_id IN (SELECT value FROM json_each(?))"
_REST = "SELECT * FROM intents WHERE order_id IS NULL OR order_id NOT IN (SELECT order_id FROM seen)"
_REFUNDS = "SELECT * FROM refunds WHERE intent_id IN (SELECT value FROM json_each(?))"
_DISPUTES = "SELECT * FROM disputes WHERE intent_id IN (SELECT value FROM json_each(?))"
PAGE = 500


class StripeLists:
    """Intents, refunds and disputes in a private file that is gone when this is closed.

    For a command of its own: reading and writing block the event loop.
    """

    def __init__(self) -> None:
        # Without a name SQLite keeps what exceeds its cache in a temporary file, and removes it.
        self._file = sqlite3.connect("")
        self._file.executescript(_TABLES)
        self.foreign_intents = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def fill(self, stripe: Stripe) -> None:
        """Fetch all lists, page after page; payments that are not ours are counted only. Raises a StripeFailure."""
        add = self._file.execute
        async for intent in stripe.intents():
            charge_id = intent.metadata.get("chargeId")
            if charge_id is None:
                self.foreign_intents += 1
                continue
            row = (
                intent.id, intent.metadata.get("orderId"), charge_id, intent.status, intent.amount,
                intent.amount_received, intent.currency,
            )  # fmt: skip
            add("INSERT OR REPLACE INTO intents VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        async for refund in stripe.refunds():
            of_refund = (refund.id, refund.intent_id, refund.status, refund.amount, refund.currency)
            add("INSERT OR REPLACE INTO refunds VALUES (?, ?, ?, ?, ?)", of_refund)
        async for dispute in stripe.disputes():
            of_dispute = (dispute.id, dispute.intent_id, dispute.status, dispute.amount, dispute.currency)
            add("INSERT OR REPLACE INTO disputes VALUES (?, ?, ?, ?, ?)", of_dispute)

    def intents_of(self, order_ids: Collection[str]) -> list[Intent]:
        """Return the intents of these orders, which count as seen from now on."""
        self._file.executemany("INSERT OR IGNORE INTO seen VALUES (?)", [(one,) for one in order_ids])
        return [_intent(row) for row in self._file.execute(_OF_ORDERS, (_json(order_ids),))]

    def rest(self) -> Iterator[list[Intent]]:
        """Return the intents of orders that were not seen, page after page."""
        found = self._file.execute(_REST)
        while rows := found.fetchmany(PAGE):
            yield [_intent(row) for row in rows]

    def refunds_of(self, intents: Collection[Intent]) -> list[Refund]:
        """Return the refunds of these intents."""
        rows = self._file.execute(_REFUNDS, (_json([intent.id for intent in intents]),))
        return [Refund(one, status, amount, currency, intent) for one, intent, status, amount, currency in rows]

    def disputes_of(self, intents: Collection[Intent]) -> list[Dispute]:
        """Return the disputes of these intents."""
        rows = self._file.execute(_DISPUTES, (_json([intent.id for intent in intents]),))
        return [Dispute(one, intent, amount, currency, status) for one, intent, status, amount, currency in rows]


def _json(ids: Collection[str]) -> str:
    return json.dumps(list(ids))


def _intent(row: tuple[str, str | None, str, str, int, int, str]) -> Intent:
    intent_id, order_id, charge_id, status, amount, received, currency = row
    metadata = {"chargeId": charge_id} | ({} if order_id is None else {"orderId": order_id})
    return Intent(intent_id, status, amount, received, currency, metadata=metadata)
