"""Stripe's webhook events as they arrive: checked, kept once, and handled in a moment."""

import time

import structlog

from actors.domain.ids import is_id
from actors.domain.instants import Instant
from actors.payments.webhook_events import HANDLED_EVENT_TYPES, WebhookEventHandler
from actors.storage.webhook_inbox import WebhookInbox
from actors.stripe.webhooks import BadWebhookError, read_event
from config import logs
from serve_app.http.errors import RequestValidationError

_log = structlog.get_logger()


class StripeWebhooks:
    """Accepts webhook events. Whoever has the secret is Stripe."""

    def __init__(self, secret: str, inbox: WebhookInbox, webhook_events: WebhookEventHandler) -> None:
        self._secret = secret
        self._inbox = inbox
        self._webhook_events = webhook_events

    async def accept(self, raw: bytes, signature: str | None, at: Instant) -> None:
        """Keep the webhook event if it is new and of use; it is durable when this returns.

        Raises RequestValidationError for what Stripe did not sign, and StoreUnavailableError; then it is sent again.
        """
        try:
            # The machine's clock, as Stripe's signature is about real time.
            event = read_event(raw, signature, self._secret, time.time())
        except BadWebhookError as error:
            _log.warning("webhook_refused", reason=str(error))
            raise RequestValidationError({"": f"{error}."}) from None
        if event.type not in HANDLED_EVENT_TYPES:
            return
        received = await self._inbox.add(event, at)
        if event.order_id is not None and is_id(event.order_id):
            logs.bind(order=event.order_id)
        _log.info("webhook_received", stripe_event=event.id, type=event.type, is_new=received is not None)
        if received is not None:
            self._webhook_events.enqueue(received)
