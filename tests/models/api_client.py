"""How a test speaks with the served market, and compares what it hears with what the model says."""

from dataclasses import dataclass
from typing import Any

import httpx

from actors.storage.users import User
from tests.models.api_model import Answer
from tests.models.api_views import JSON, iso
from tests.models.served_market import ServedMarket
from tests.models.waiting_model import WaitingModel


@dataclass
class Person:
    """Somebody with an account, signed in or not."""

    user: User
    cookie: str = ""
    is_in: bool = True

    @property
    def id(self) -> str:
        return self.user.id


class ApiClient:
    """Every request takes a millisecond of the market's time, so that no two things are made in the same instant."""

    def __init__(self, market: ServedMarket, model: WaitingModel) -> None:
        self._market = market
        self._model = model
        # What Stripe and its sandbox make up: learned from the first answer, and the same from then on.
        self._made_up: dict[tuple[str, str], str] = {}

    def tick(self, milliseconds: int = 1) -> None:
        self._market.clock.instant += milliseconds
        self._model.pass_time(self._market.clock())
        self._let_offers_be_made()

    def _let_offers_be_made(self) -> None:
        """An offer begins when its host notices that a hold is over: here at this instant, as somebody asks."""
        while self._model.moved:
            ticket_id = self._model.moved.pop()
            assert self._market.http.get(f"/api/tickets/{ticket_id}").status_code == 200
            orders = self._model.listings[ticket_id].rules.orders
            self._market.write([("tickets", ticket_id), *(("orders", order_id) for order_id in orders)])

    def call(  # noqa: PLR0913 - all that a request can have
        self,
        who: Person | None,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        origin: str | None = None,
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key, "Origin": origin}
        # Lists lag for moments on a busy machine, but not for somebody who changed something a moment ago.
        cookies = ["changed=1"]
        if who is not None and who.cookie:
            cookies.append(f"{self._market.services.sessions.cookie}={who.cookie}")
        headers["Cookie"] = "; ".join(cookies)
        sent = {name: value for name, value in headers.items() if value is not None}
        response = self._market.http.request(method, path, json=body, headers=sent)
        self._market.http.cookies.clear()
        assert response.headers["x-content-type-options"] == "nosniff"
        return response

    def check(self, response: httpx.Response, expected: Answer) -> None:
        assert response.status_code == expected.status, (response.text, expected)
        if expected.status >= 400:
            (error,) = response.json()["errors"]
            assert expected.says in error["message"], (error, expected)
            assert error.get("field") == expected.field
        elif expected.status == 204:
            assert response.content == b""
        else:
            self.compare(response.json(), expected.body)

    def compare(self, heard: Any, expected: Any, *, may_lag: bool = False) -> None:  # noqa: ANN401 - any JSON
        """Lists of tickets `may_lag`: their documents are not written for every hold."""
        if isinstance(expected, list):
            assert isinstance(heard, list)
            assert [thing["id"] for thing in heard] == [thing["id"] for thing in expected]
            assert len(heard) == len(expected)
            for one, other in zip(heard, expected, strict=True):
                self.compare(one, other, may_lag=may_lag)
            return
        heard = dict(heard)
        if "updatedAt" in heard:
            self._check_change(heard, expected["id"], may_lag=may_lag)
            if may_lag:
                assert heard["version"] <= expected["version"]
                heard["version"] = expected["version"]
        for name in {"stripeId", "stripeRefundId", "clientSecret"} & set(heard):
            made_up = heard.pop(name)
            assert self._made_up.setdefault((heard["id"], name), made_up) == made_up
            if name == "clientSecret":
                heard[name] = "as before"
        if heard != expected and heard == self._model.stale.get(heard.get("id", "")):
            return
        assert heard == expected
        self._model.stale.pop(heard.get("id", ""), None)

    def secret_of(self, charge_id: str) -> str:
        return self._made_up[charge_id, "clientSecret"]

    def _check_change(self, heard: JSON, ticket_id: str, *, may_lag: bool) -> None:
        """When a hold ended by itself is known no better than that it was not before its end."""
        changed = heard.pop("updatedAt")
        listing = self._model.listings[ticket_id]
        if may_lag:
            assert iso(listing.created) <= changed <= iso(self._model.now)
        elif listing.rules.history[-1] == "OrderExpired":
            assert iso(listing.changed) <= changed <= iso(self._model.now)
        else:
            assert changed == iso(listing.changed)
