"""The only place that touches the Stripe SDK."""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, cast

import aiohttp
import stripe

from actors.stripe.call import translate_errors
from actors.stripe.pagination import collect, paginate
from actors.stripe.resources import Dispute, Intent, Refund, dispute_of, intent_of, refund_of

if TYPE_CHECKING:
    from stripe.params import PaymentIntentConfirmParams, PaymentIntentCreateParams

# The version that stripe 16.1 was generated from. Pinned, so that an update of the package cannot change how
# Stripe answers without a change here. From 2026-09-30 on, payment_method_types is refused.
API_VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = 10


def connect(*, api_key: str, api_base: str | None, http_client: stripe.HTTPClient | None = None) -> "Stripe":
    """A client for the account of `api_key`.

    `api_base` replaces https://api.stripe.com; `http_client` replaces the network (the sandbox's). Nothing is sent yet.
    """
    # The SDK writes request bodies, answers and Stripe's echoing error texts to this logger at DEBUG and INFO.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    # Otherwise it writes an id into the home directory and sends it, with the platform and timings, with every request.
    stripe.enable_telemetry = False
    transport = http_client or stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
    client = stripe.StripeClient(
        api_key,
        stripe_version=API_VERSION,
        base_addresses={"api": api_base} if api_base else None,
        # Retries are the caller's: only it knows the deadline, and a saved 500 needs a new idempotency key.
        max_network_retries=0,
        http_client=transport,
    )
    return Stripe(client, transport)


class Stripe:
    """Payments at Stripe: amounts in minor units, money held on the card first and captured later.

    Every method raises a `StripeFailure` (see `actors.stripe.errors`) and never an error of the SDK.
    A repeat under the same idempotency key returns what the first request returned, failures included.
    """

    def __init__(self, client: stripe.StripeClient, transport: stripe.HTTPClient) -> None:
        self._client = client
        self._transport = transport

    async def create_intent(
        self,
        *,
        amount: int,
        currency: str,
        payment_method: str,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> Intent:
        """An unconfirmed intent to hold `amount` on a card; nothing is charged before `confirm`.

        `payment_method` is a payment method (`pm_…`) or a card token (`tok_…`); a confirmation token (`ctoken_…`) is
        named when the intent is confirmed. Raises UnknownPaymentMethod, and Rejected for an amount or currency that
        Stripe does not take.
        """
        params = {
            "amount": amount,
            "currency": currency,
            "capture_method": "manual",
            # Cards only, and so no redirects. Excludes automatic_payment_methods.
            "allowed_payment_method_types": ["card"],
            "metadata": dict(metadata),
            **_payment_method_params(payment_method),
        }
        return intent_of(
            await translate_errors(
                self._client.v1.payment_intents.create_async(
                    # The SDK's types leave out payment_method_data[card], which Stripe takes for tokens.
                    cast("PaymentIntentCreateParams", params),
                    {"idempotency_key": idempotency_key},
                )
            )
        )

    async def confirm(self, intent_id: str, *, idempotency_key: str, confirmation_token: str | None = None) -> Intent:
        """Hold the money on the card: the intent is then in requires_capture, or requires_action for 3-D Secure.

        Raises CardDeclined, Rejected for a card that cannot be used, UnknownPaymentMethod, NotFound, InvalidState.
        """
        params: PaymentIntentConfirmParams = {
            # What `handleNextAction` of Stripe.js needs (https://docs.stripe.com/payments/finalize-payments-on-the-server).
            "use_stripe_sdk": True
        }
        if confirmation_token is not None:
            params["confirmation_token"] = confirmation_token
        return intent_of(
            await translate_errors(
                self._client.v1.payment_intents.confirm_async(intent_id, params, {"idempotency_key": idempotency_key})
            )
        )

    async def capture(self, intent_id: str, *, amount: int, idempotency_key: str) -> Intent:
        """Take `amount` of the held money and let go of the rest; the intent has then succeeded.

        Raises InvalidState when the hold is gone or already captured, Rejected above the held amount, NotFound.
        """
        return intent_of(
            await translate_errors(
                self._client.v1.payment_intents.capture_async(
                    intent_id, {"amount_to_capture": amount}, {"idempotency_key": idempotency_key}
                )
            )
        )

    async def cancel(self, intent_id: str, *, idempotency_key: str) -> Intent:
        """Let go of the held money, or give up an intent that holds none.

        Raises InvalidState when the intent has succeeded or was cancelled under another key, NotFound.
        """
        return intent_of(
            await translate_errors(
                self._client.v1.payment_intents.cancel_async(intent_id, options={"idempotency_key": idempotency_key})
            )
        )

    async def retrieve(self, intent_id: str) -> Intent:
        """The intent as it is now. Raises NotFound."""
        return intent_of(await translate_errors(self._client.v1.payment_intents.retrieve_async(intent_id)))

    async def refund(self, intent_id: str, *, amount: int, idempotency_key: str) -> Refund:
        """Give back `amount` of what was captured.

        Raises InvalidState when nothing (more) can be refunded, Rejected above what is left, NotFound.
        """
        return refund_of(
            await translate_errors(
                self._client.v1.refunds.create_async(
                    {"payment_intent": intent_id, "amount": amount}, {"idempotency_key": idempotency_key}
                )
            )
        )

    async def retrieve_refund(self, refund_id: str) -> Refund:
        """The refund as it is now. Raises NotFound."""
        return refund_of(await translate_errors(self._client.v1.refunds.retrieve_async(refund_id)))

    async def refunds_of(self, intent_id: str) -> list[Refund]:
        """Every refund of an intent, the newest first. Raises NotFound."""
        return await collect(paginate(self._client.v1.refunds.list_async, refund_of, {"payment_intent": intent_id}))

    async def disputes_of(self, intent_id: str) -> list[Dispute]:
        """Every dispute of an intent, the newest first. Raises NotFound."""
        return await collect(paginate(self._client.v1.disputes.list_async, dispute_of, {"payment_intent": intent_id}))

    def intents(self, created_since: int | None = None) -> AsyncIterator[Intent]:
        """Every intent made at or after `created_since` (seconds since 1970), the newest first."""
        return paginate(self._client.v1.payment_intents.list_async, intent_of, _created(created_since))

    def refunds(self, created_since: int | None = None) -> AsyncIterator[Refund]:
        """Every refund made at or after `created_since` (seconds since 1970), the newest first."""
        return paginate(self._client.v1.refunds.list_async, refund_of, _created(created_since))

    def disputes(self, created_since: int | None = None) -> AsyncIterator[Dispute]:
        """Every dispute opened at or after `created_since` (seconds since 1970), the newest first."""
        return paginate(self._client.v1.disputes.list_async, dispute_of, _created(created_since))

    async def aclose(self) -> None:
        """Close the connections; the client is not used again."""
        await self._transport.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves this method untyped


def is_confirmation_token(payment_method: str) -> bool:
    """Whether this is what Stripe's form made for one confirmation (https://docs.stripe.com/api/confirmation_tokens)."""
    return payment_method.startswith("ctoken_")


def _payment_method_params(payment_method: str) -> dict[str, object]:
    if is_confirmation_token(payment_method):
        return {}
    if payment_method.startswith("tok_"):
        return {"payment_method_data": {"type": "card", "card": {"token": payment_method}}}
    return {"payment_method": payment_method}


def _created(since: int | None) -> dict[str, object]:
    return {} if since is None else {"created": {"gte": since}}
