"""Stands in front of localstripe and puts right what localstripe 1.15.10 does otherwise than Stripe.

Everything that it drops, translates or refuses is listed in docs/payments.md, "A Stripe of somebody else's".
"""

import asyncio
from typing import Any

import aiohttp
from aiohttp import web

JSON = dict[str, Any]
Answer = tuple[int, JSON]

# Stripe's payment methods for tests that localstripe has under another name, or makes of a card's number only.
OTHER_NAMES = {"pm_card_chargeDeclined": "pm_card_chargeCustomerFail"}
NUMBERS = {"pm_card_authenticationRequired": "4000002760003184"}
UNKNOWN_FIELDS = ("allowed_payment_method_types", "use_stripe_sdk")
CHANGES_OF_STATE = ("/confirm", "/capture", "/cancel")


class Proxy:
    """Passes requests on to the localstripe at `target`, one POST after the other."""

    def __init__(self, target: str, http: aiohttp.ClientSession) -> None:
        self._target = target
        self._http = http
        self._turn = asyncio.Lock()
        self._answers: dict[str, Answer] = {}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        if request.path == "/v1/disputes":
            return web.json_response({"object": "list", "url": request.path, "has_more": False, "data": []})
        if request.method == "GET":
            status, body = await self._send("GET", request.path_qs)
        else:
            form = {name: str(value) for name, value in (await request.post()).items()}
            # In turns, so that nothing comes between a look at an intent and its change.
            async with self._turn:
                status, body = await self._once(request.headers.get("Idempotency-Key"), request.path, form)
        return web.json_response(body, status=status)

    async def _once(self, key: str | None, path: str, form: dict[str, str]) -> Answer:
        """The answer that the key stands for, errors included: localstripe takes no notice of keys."""
        if key is None:
            return await self._post(path, form)
        if key not in self._answers:
            self._answers[key] = await self._post(path, form)
        return self._answers[key]

    async def _post(self, path: str, form: dict[str, str]) -> Answer:
        fields = {name: value for name, value in form.items() if not name.startswith(UNKNOWN_FIELDS)}
        if "payment_method" in fields:
            fields["payment_method"] = await self._payment_method(fields["payment_method"])
        return await self._refusal(path, fields) or await self._send("POST", path, fields)

    async def _payment_method(self, name: str) -> str:
        if name not in NUMBERS:
            return OTHER_NAMES.get(name, name)
        card = {"number": NUMBERS[name], "exp_month": "12", "exp_year": "2030", "cvc": "123"}
        fields = {"type": "card", **{f"card[{field}]": value for field, value in card.items()}}
        _, made = await self._send("POST", "/v1/payment_methods", fields)
        return str(made["id"])

    async def _refusal(self, path: str, fields: dict[str, str]) -> Answer | None:
        """What Stripe would refuse and localstripe would do: capture or give back money that is not there."""
        if path.endswith("/capture"):
            status, intent = await self._send("GET", path.removesuffix("/capture"))
            if status == web.HTTPOk.status_code and intent["status"] != "requires_capture":
                return _refused("payment_intent_unexpected_state")
        if path == "/v1/refunds":
            status, intent = await self._send("GET", f"/v1/payment_intents/{fields['payment_intent']}")
            if status == web.HTTPOk.status_code and int(fields["amount"]) > _refundable(intent):
                return _refused("charge_already_refunded")
        return None

    async def _send(self, method: str, path: str, fields: dict[str, str] | None = None) -> Answer:
        headers = {"Authorization": "Bearer sk_test_peer"}
        async with self._http.request(method, self._target + path, data=fields, headers=headers) as answer:
            status, body = answer.status, await answer.json()
        if "error" in body:
            return _told(status, body["error"], path, fields or {})
        for intent in body["data"] if body["object"] == "list" else [body]:
            if intent["object"] == "payment_intent":
                intent["amount_received"] = _captured(intent)
        return status, body


def _told(status: int, error: JSON, path: str, fields: dict[str, str]) -> Answer:
    """The error with the code by which a program can tell it; localstripe has one for declined cards only."""
    if status == web.HTTPNotFound.status_code:
        error["code"] = "resource_missing"
        if "payment_method" in fields:
            return web.HTTPBadRequest.status_code, {"error": {**error, "param": "payment_method"}}
    elif path.endswith(CHANGES_OF_STATE):
        error.setdefault("code", "payment_intent_unexpected_state")
    return status, {"error": error}


def _refused(code: str) -> Answer:
    return web.HTTPBadRequest.status_code, {"error": {"type": "invalid_request_error", "code": code}}


def _captured(intent: JSON) -> int:
    charge = intent["latest_charge"]
    return int(charge["amount"]) if charge and charge["captured"] and charge["status"] == "succeeded" else 0


def _refundable(intent: JSON) -> int:
    return _captured(intent) - int(intent["latest_charge"]["amount_refunded"]) if intent["latest_charge"] else 0
