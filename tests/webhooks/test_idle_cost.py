"""A thousand endpoints that nothing happens for cost the market next to nothing."""

import asyncio
import time

import pytest
from bson import ObjectId

from actors.supervision.duty import Duties, Duty
from actors.webhooks.dispatcher import EVERY_SECONDS
from actors.webhooks.endpoint import Audience, Endpoint
from tests.webhooks.conftest import Webhooks

ENDPOINTS = 1_000
SECONDS = 30.0


@pytest.mark.slow
async def test_thousand_idle_endpoints_take_less_than_a_tenth_of_a_core(webhooks: Webhooks) -> None:
    owner = await webhooks.owner()
    for _ in range(ENDPOINTS):
        made = Endpoint(
            str(ObjectId()), owner, "https://example.com", (">",), Audience.SELLER, "whsec_", webhooks.now, webhooks.now
        )  # fmt: skip
        assert await webhooks.endpoints.add(made)
    duty = Duty("dispatch_webhooks", EVERY_SECONDS, webhooks.dispatcher().sweep)
    began = time.process_time()
    running = asyncio.create_task(Duties([duty], lambda: webhooks.now).run())
    await asyncio.wait([running], timeout=SECONDS)
    running.cancel()
    share = (time.process_time() - began) / SECONDS
    print(f"{ENDPOINTS:,} idle endpoints: {share:.2%} of a core")  # noqa: T201 - the figure of docs/performance.md
    assert share < 0.1
