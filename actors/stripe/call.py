"""Waiting for an answer of the SDK, so that what goes wrong is one of our failures."""

from collections import Counter
from collections.abc import Awaitable
from typing import TypeVar

import aiohttp
import stripe

from actors.stripe.errors import AuthenticationFailed, OutcomeUnknown, RateLimited, StripeFailure, failure_of

Answer = TypeVar("Answer")

# What no card and no request of ours can be the reason of.
_NO_ANSWERS = (OutcomeUnknown, RateLimited, AuthenticationFailed)
# The calls of this process, for metrics: `answered`, also with a refusal such as a declined card, or `failed`.
calls: Counter[str] = Counter()


async def translate_errors(request: Awaitable[Answer]) -> Answer:
    """The answer to a request. Raises a StripeFailure, never an error of the SDK."""
    failure: StripeFailure
    try:
        answer = await request
    except stripe.StripeError as error:
        failure = failure_of(error)
    except (aiohttp.ClientError, TimeoutError, OSError):
        # The SDK wraps errors of sending but not of reading the body of the answer.
        failure = OutcomeUnknown()
    else:
        calls["answered"] += 1
        return answer
    calls["failed" if isinstance(failure, _NO_ANSWERS) else "answered"] += 1
    # Raised outside the except block: as its context, the SDK's error would carry bodies with secrets into tracebacks.
    raise failure
