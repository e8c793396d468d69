"""What is done about Stripe's events: the purchase that each is about goes on, if it has not already.

A webhook event is a hint. It may come late, twice, in any order, and before we have heard of its object, so nothing it
says is believed: the purchase asks Stripe for the object and moves only where its state allows it.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from actors.cluster.market import ResumeClient
from actors.domain.charge_values import Charge
from actors.domain.ids import is_id
from actors.domain.purchase_commands import ResumePurchase
from actors.domain.refusals import NotFound, Overloaded, Unavailable
from actors.domain.ticket_values import Order
from actors.runtime.ports import Instant, StoreUnavailableError

# A purchase that runs anyway is over by then, and its webhook events need one look at the documents for all of them.
PAUSE_SECONDS = 0.5
BATCH = 100
# Beyond this many, webhook events are left to the Supervisor, which finds them in the inbox.
MAX_QUEUED = 2_000

OF_PAYMENTS = (
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
)
# About money that was settled before.
OF_SETTLED_MONEY = (
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
HANDLED_EVENT_TYPES = frozenset((*OF_PAYMENTS, *OF_SETTLED_MONEY))

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReceivedWebhookEvent:
    """What is kept of an event: enough to ask Stripe. `at` is when it arrived."""

    id: str
    type: str
    at: Instant
    intent_id: str | None
    order_id: str | None


class WebhookEventReads(Protocol):
    """What is read to see which webhook events are old news. All raise StoreUnavailableError."""

    async def orders(self, ids: Collection[str]) -> dict[str, Order]:
        """The stored orders."""

    async def charges_by_order(self, order_ids: Collection[str]) -> dict[str, list[Charge]]:
        """All attempts to pay each of the orders, in order."""

    async def orders_of_intents(self, intent_ids: Collection[str]) -> dict[str, str]:
        """The order that each of Stripe's intents is to pay."""


class Inbox(Protocol):
    """Where webhook events are kept. Raises StoreUnavailableError."""

    async def mark_handled(self, event_ids: Collection[str]) -> None:
        """Notes that these need no more attention."""


class WebhookEventHandler:
    """Handles webhook events in batches. What it does not come to stays in the inbox."""

    def __init__(self, inbox: Inbox, queries: WebhookEventReads, market: ResumeClient) -> None:
        self._inbox = inbox
        self._queries = queries
        self._market = market
        self._waiting: deque[ReceivedWebhookEvent] = deque()

    def enqueue(self, event: ReceivedWebhookEvent) -> None:
        """Has it handled in a moment."""
        if len(self._waiting) < MAX_QUEUED:
            self._waiting.append(event)

    async def run(self) -> None:
        """Handles what was noted, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self.handle(batch)
            except StoreUnavailableError:
                logger.warning("webhook_events_postponed", count=len(batch))
            except Exception:  # the Supervisor comes to these later; the next ones are not to wait for that
                logger.exception("webhook_events_failed", count=len(batch))

    async def handle(self, events: Sequence[ReceivedWebhookEvent]) -> None:
        """Has every purchase that they are about go on. Raises StoreUnavailableError."""
        if not events:
            return
        orders = await self._orders_of(events)
        wanted: dict[str, bool] = {}
        for event in events:
            if order_id := orders.get(event.id):
                wanted[order_id] = wanted.get(order_id, False) or event.type in OF_SETTLED_MONEY
        done = await self._old_news({order_id for order_id, reconcile in wanted.items() if not reconcile})
        resumes = {
            order_id: ResumePurchase(order_id, reconcile=reconcile)
            for order_id, reconcile in wanted.items()
            if order_id not in done
        }
        answers = await asyncio.gather(*(self._market.resume(command) for command in resumes.values()))
        done |= {order_id for order_id, answer in zip(resumes, answers, strict=True) if _is_heard(answer)}
        handled = [event for event in events if orders.get(event.id) in done]
        if handled:
            await self._inbox.mark_handled([event.id for event in handled])
        for event in handled:
            logger.info("webhook_handled", stripe_event=event.id, type=event.type, order=orders[event.id])

    async def _orders_of(self, events: Sequence[ReceivedWebhookEvent]) -> dict[str, str]:
        """The order that each is about, by event: named in it, or known from the intent."""
        named = {each.id: each.order_id for each in events if is_id(each.order_id) and each.order_id}
        intents = {each.intent_id for each in events if each.id not in named and each.intent_id}
        known = await self._queries.orders_of_intents(intents) if intents else {}
        of_intents = {each.id: known[each.intent_id] for each in events if each.intent_id in known}
        return of_intents | named

    async def _old_news(self, order_ids: Collection[str]) -> set[str]:
        """Those of the orders about which nothing is left to do at Stripe."""
        if not order_ids:
            return set()
        orders = await self._queries.orders(order_ids)
        charges = await self._queries.charges_by_order(order_ids)
        return {
            order_id
            for order_id, order in orders.items()
            if not order.has_pending_money and not any(charge.has_pending_money for charge in charges[order_id])
        }


def _is_heard(answer: object) -> bool:
    """Whether the purchase went as far as it can. An order that is not known yet is asked for again later."""
    return not isinstance(answer, Unavailable | Overloaded | NotFound)
