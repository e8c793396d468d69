"""Requests to the sandbox as they look on the wire."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from actors.stripe.sandbox import SandboxHTTPClient

API_KEY = "sk_test_sandbox"
NOW = 1_800_000_000.5
HELD = {"capture_method": "manual", "allowed_payment_method_types[0]": "card"}


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.time


@dataclass(frozen=True, slots=True)
class Received:
    """An answer."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def error(self) -> dict[str, Any]:
        """The error object of the answer; an answer without one has failed the test."""
        error: dict[str, Any] = self.body["error"]
        return error


class Wire:
    """Sends requests without the SDK, so that a test can send what the SDK never would."""

    def __init__(self, http_client: SandboxHTTPClient) -> None:
        self._http_client = http_client

    async def post(
        self, path: str, fields: Mapping[str, object], *, key: str | None = None, authorization: str | None = None
    ) -> Received:
        """Send a form under an idempotency key."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self._send("post", path, urlencode(fields), headers, authorization)

    async def get(self, path: str) -> Received:
        """Look an object up."""
        return await self._send("get", path, None, {}, None)

    async def _send(
        self, method: str, path: str, body: str | None, headers: dict[str, str], authorization: str | None
    ) -> Received:
        headers["Authorization"] = f"Bearer {API_KEY}" if authorization is None else authorization
        url = f"https://api.stripe.com{path}"
        content, status, received = await self._http_client.request_async(method, url, headers, body)
        return Received(status, json.loads(content), received)

    async def intent(self, **fields: object) -> str:
        """The id of a new intent of 50.00 usd."""
        made = await self.post("/v1/payment_intents", {"amount": 5000, "currency": "usd", **HELD, **fields})
        return str(made.body["id"])

    async def captured(self, payment_method: str = "pm_card_visa") -> str:
        """The id of a new intent of 50.00 usd whose money is taken."""
        intent_id = await self.intent(payment_method=payment_method)
        await self.post(f"/v1/payment_intents/{intent_id}/confirm", {})
        await self.post(f"/v1/payment_intents/{intent_id}/capture", {})
        return intent_id
