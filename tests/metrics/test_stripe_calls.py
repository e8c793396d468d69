"""Calls to Stripe are told apart by whether Stripe answered: what a card or a request was refused for is an answer."""

import asyncio
from collections.abc import Awaitable

import aiohttp
import pytest
import stripe

from actors.stripe import call
from actors.stripe.call import translate_errors
from actors.stripe.errors import StripeFailure

# Of an error that Stripe itself tells of.
SHAPE = {"error": {"type": "an_error"}}


async def outcome_of(request: Awaitable[object], monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    monkeypatch.setattr(call, "calls", type(call.calls)())
    await asyncio.gather(translate_errors(request), return_exceptions=True)
    return dict(call.calls)


async def answers() -> str:
    return "an intent"


async def raises(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (stripe.CardError("declined", "", "card_declined", json_body=SHAPE), "answered"),  # type: ignore[no-untyped-call]
        (stripe.InvalidRequestError("no such intent", "", json_body=SHAPE), "answered"),  # type: ignore[no-untyped-call]
        (stripe.APIConnectionError("no network"), "failed"),  # type: ignore[no-untyped-call]
        (stripe.APIError("broken", http_status=500, json_body=SHAPE), "failed"),
        (stripe.RateLimitError("too many", json_body=SHAPE), "failed"),
        (stripe.AuthenticationError("another key", json_body=SHAPE), "failed"),
        (aiohttp.ClientError(), "failed"),
        (TimeoutError(), "failed"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else one,
)
async def test_a_call_that_fails_is_counted_by_whether_stripe_answered(
    error: Exception, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await outcome_of(raises(error), monkeypatch) == {outcome: 1}
    with pytest.raises(StripeFailure):
        await translate_errors(raises(error))


async def test_a_call_that_is_answered_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await outcome_of(answers(), monkeypatch) == {"answered": 1}
