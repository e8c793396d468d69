"""People at the market, over real HTTP."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import httpx

from benchmarks.support.session_cookies import cookie_for


class Reachable(Protocol):
    """Where a market answers, and the key of its sessions."""

    @property
    def url(self) -> str: ...

    @property
    def key(self) -> str: ...


class Person:
    """Somebody who is signed in. Every method returns the response as it came.

    HAProxy closes idle connections when replicas come and go. Browsers send again what met the close of an idle
    connection; httpx does not, so who is not to meet one keeps none.
    """

    def __init__(self, market: Reachable, *, keeps_connections: bool = True) -> None:
        self.id, cookie = cookie_for(market.key)
        limits = httpx.Limits(max_keepalive_connections=None if keeps_connections else 0)
        transport = httpx.AsyncHTTPTransport(retries=2, limits=limits)
        self._http = httpx.AsyncClient(base_url=market.url, headers={"Cookie": cookie}, timeout=30, transport=transport)

    async def posts_ticket(self, price: float = 20, **details: Any) -> httpx.Response:  # noqa: ANN401 - any field
        return await self._http.post("/api/tickets", json={"title": "Hamlet", "price": price, **details})

    async def lists(self, price: float = 20, **details: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
        """List a ticket, and return it."""
        answer = await self.posts_ticket(price, **details)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def edits(self, ticket_id: str, price: float) -> httpx.Response:
        return await self._http.put(f"/api/tickets/{ticket_id}", json={"title": "Hamlet", "price": price})

    async def reads_ticket(self, ticket_id: str) -> httpx.Response:
        return await self._http.get(f"/api/tickets/{ticket_id}")

    async def reserves(self, ticket_id: str, **fields: Any) -> httpx.Response:  # noqa: ANN401 - any field
        return await self._http.post("/api/orders", json={"ticketId": ticket_id, **fields})

    async def reads_order(self, order_id: str) -> httpx.Response:
        return await self._http.get(f"/api/orders/{order_id}")

    async def cancels(self, order_id: str) -> httpx.Response:
        return await self._http.delete(f"/api/orders/{order_id}")

    async def pays(
        self, order_id: str, method: str = "pm_card_visa", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        payment = {"orderId": order_id, "paymentMethod": method}
        return await self._http.post("/api/payments", json=payment, headers=headers)

    async def leaves(self) -> None:
        await self._http.aclose()


async def seconds_until(holds: Callable[[], Awaitable[bool]], at_most: float) -> float:
    """Return the seconds until the condition holds; fail when it does not in time."""
    began = time.monotonic()
    while time.monotonic() - began < at_most:
        if await holds():
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {at_most} s")
