"""The webhook that events are delivered to."""

import aiohttp
import structlog

from actors.stripe.sandbox.ledger_entry import Event
from actors.stripe.webhooks import sign

HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
}
TIMEOUT_SECONDS = 10.0
SUCCESS = range(200, 300)

logger = structlog.get_logger(__name__)


class Endpoint:
    """Where it is, and the secret that it knows Stripe by."""

    def __init__(self, url: str, secret: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._secret = secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    def session(self) -> aiohttp.ClientSession:
        """Connections to it, to be closed by the caller."""
        return aiohttp.ClientSession(timeout=self._timeout, headers=HEADERS, cookie_jar=aiohttp.DummyCookieJar())

    async def accepts(self, event: Event, http: aiohttp.ClientSession, now: float) -> bool:
        """Send an event, signed for `now` as Stripe does at every attempt; whether a 2xx came back in time."""
        raw = event.body.encode()
        headers = {"Stripe-Signature": sign(raw, self._secret, now)}
        reason: int | str
        try:
            # A redirect is a failure to Stripe.
            async with http.post(self._url, data=raw, headers=headers, allow_redirects=False) as response:
                if response.status in SUCCESS:
                    return True
                reason = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = type(error).__name__
        logger.info("webhook_not_delivered", stripe_event=event.id, type=event.type, reason=reason)
        return False
