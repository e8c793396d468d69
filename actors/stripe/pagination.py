"""Lists at Stripe, page after page (https://docs.stripe.com/api/pagination)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import stripe

from actors.stripe.call import translate_errors

PAGE_SIZE = 100  # the most that Stripe sends at once

Ours = TypeVar("Ours")


async def paginate(
    list_page: Callable[[Any], Awaitable[stripe.ListObject[Any]]],
    ours: Callable[[Any], Ours],
    filters: Mapping[str, object],
) -> AsyncIterator[Ours]:
    """What a list holds; each page is fetched when the one before has been read. Raises a StripeFailure."""
    # Not the SDK's own iteration: it raises the SDK's errors.
    cursor: dict[str, object] = {}
    while True:
        page = await translate_errors(list_page({"limit": PAGE_SIZE, **filters, **cursor}))
        for answer in page.data:
            yield ours(answer)
        if not page.has_more or not page.data:
            return
        cursor = {"starting_after": page.data[-1].id}


async def collect(items: AsyncIterator[Ours]) -> list[Ours]:
    """All of them."""
    return [item async for item in items]
