"""The Stripe account that the market is paid into: whether it answers."""

import time

from actors.stripe.client import Stripe, connect
from actors.stripe.errors import AuthenticationFailed, NotFound, OutcomeUnknown, StripeFailure
from cli.status.away import AwayError, answered, in_time, up
from cli.status.document import ServerStatus
from config.settings import Settings

# Each question counts towards Stripe's limit.
_EVERY_SECONDS = 10.0
# There is no such intent: that Stripe says so is the answer.
_NO_INTENT = "pi_holdfast_status"


class MarketStripe:
    """Asked every ten seconds at most. Close it in the end."""

    def __init__(self, settings: Settings) -> None:
        self._stripe: Stripe | None = None
        if settings.stripe_key is not None:
            key = settings.stripe_key.get_secret_value()
            self._stripe = connect(api_key=key, api_base=settings.stripe_api_base)
        self._known: ServerStatus | None = None
        self._asked_at = 0.0

    async def look(self) -> ServerStatus:
        """Return whether it answers."""
        if self._stripe is None:
            return up("the payment sandbox in the database, with imaginary money")
        if self._known is None or time.monotonic() - self._asked_at >= _EVERY_SECONDS:
            try:
                self._known = await _ask(self._stripe)
            except AwayError as error:
                self._known = error.status
            self._asked_at = time.monotonic()
        return self._known

    async def close(self) -> None:
        """Close the connections."""
        if self._stripe is not None:
            await self._stripe.aclose()


async def _ask(stripe: Stripe) -> ServerStatus:
    began = time.monotonic()
    try:
        async with in_time():
            await stripe.retrieve(_NO_INTENT)
    except NotFound:
        pass
    except AuthenticationFailed as error:
        raise AwayError("it refuses STRIPE_KEY: set one that is valid") from error
    except OutcomeUnknown as error:
        raise AwayError("it does not answer") from error
    except StripeFailure as error:
        raise AwayError(f"it refuses us ({type(error).__name__})") from error
    return answered(began)
