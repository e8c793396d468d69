"""Waiting for an answer of the SDK, so that what goes wrong is one of our failures."""

from collections.abc import Awaitable
from typing import TypeVar

import aiohttp
import stripe

from actors.stripe.errors import OutcomeUnknown, StripeFailure, failure_of

Answer = TypeVar("Answer")


async def translate_errors(request: Awaitable[Answer]) -> Answer:
    """The answer to a request. Raises a StripeFailure, never an error of the SDK."""
    failure: StripeFailure
    try:
        return await request
    except stripe.StripeError as error:
        failure = failure_of(error)
    except (aiohttp.ClientError, TimeoutError, OSError):
        # The SDK wraps errors of sending but not of reading the body of the answer.
        failure = OutcomeUnknown()
    # Raised outside the except block: as its context, the SDK's error would carry bodies with secrets into tracebacks.
    raise failure
