"""What the rules of the API's machine have in common: whom and what they mean, and how they ask."""

import sys
import time
from typing import ClassVar, TypeGuard

import httpx
from bson import ObjectId
from hypothesis.stateful import RuleBasedStateMachine

from actors.domain.ticket_values import TicketDetails
from tests.models.api_client import ApiClient, Person
from tests.models.api_model import NOT_SIGNED_IN
from tests.models.api_views import JSON, Listing, Payment, iso, listing_view, order_view, own_listing_view
from tests.models.served_market import ServedMarket
from tests.models.ticket_model import OrderModel
from tests.models.waiting_model import WaitingModel

POLL_SECONDS, PATIENCE_SECONDS = 0.02, 5.0


class ApiHarness(RuleBasedStateMachine):
    """Three people with a market to themselves: its database is shared, but nobody else finds their tickets."""

    market: ClassVar[ServedMarket]

    def __init__(self) -> None:
        super().__init__()
        self.model = WaitingModel(self.market.clock())
        self.api = ApiClient(self.market, self.model)
        self.word = f"play{ObjectId()}"
        self.people: list[Person] = []
        self.api.tick()

    # Whom and what is meant

    def person(self, who: str, right: str | None) -> Person | None:
        if who == "nobody":
            return None
        place = next((place for place, person in enumerate(self.people) if person.id == right), 0)
        return self.people[(place + (who == "another")) % len(self.people)]

    @property
    def order_ids(self) -> list[str]:
        """All orders, also what was offered, the newest last."""
        orders = [order for listing in self.model.listings.values() for order in listing.rules.orders.values()]
        return [order.id for order in sorted(orders, key=lambda order: order.created)]

    def listing(self, which: int) -> Listing:
        """One of the tickets, the newest first."""
        listings = list(self.model.listings.values())[::-1]
        return listings[which % len(listings)]

    def order(self, which: int) -> tuple[OrderModel, Listing]:
        """One of the orders and its ticket, the newest first."""
        found = self.model.order(self.order_ids[::-1][which % len(self.order_ids)])
        assert found is not None
        return found

    def somebody_else(self, than: str) -> Person:
        """Who could buy a ticket of this seller: somebody who is signed in, the last of the three if possible."""
        return next(person for person in self.people[::-1] if person.is_in and person.id != than)

    def details(self, price: int, begins_in: int | None) -> TicketDetails:
        return TicketDetails(
            f"{self.word} Hamlet", price, "usd", starts_at=None if begins_in is None else self.model.now + begins_in
        )

    def waiting_for_a_bank(self) -> list[tuple[OrderModel, Payment]]:
        return [
            (self.order(which)[0], payment)
            for which in range(len(self.order_ids))
            for payment in self.model.payments.get(self.order(which)[0].id, [])
            if payment.bank == "asks"
        ]

    # Asking

    def call(
        self, who: Person | None, method: str, path: str, body: object = None, key: str | None = None
    ) -> httpx.Response:
        self.api.tick()
        return self.api.call(who, method, path, body, key=key)

    def is_let_in(self, who: Person | None, response: httpx.Response) -> TypeGuard[Person]:
        """Whether the request came from somebody who is signed in. The session is looked at before all else."""
        if who is None or not who.is_in:
            self.api.check(response, NOT_SIGNED_IN)
            return False
        return True

    def pages(self, who: Person | None, path: str) -> list[JSON] | None:
        """The whole list, page by page, at one instant; None for somebody who is not let in."""
        heard: list[JSON] = []
        while path:
            response = self.api.call(who, "GET", path)
            if who is not None and not who.is_in:
                self.api.check(response, NOT_SIGNED_IN)
                return None
            assert response.status_code == 200, response.text
            heard += response.json()
            path = response.links.get("next", {}).get("url", "")
        return heard

    def list_own_orders(self, person: Person, limit: int) -> None:
        self.api.tick()
        heard = self.pages(person, f"/api/orders?limit={limit}")
        if heard is not None:
            own = [order_view(order, listing.id) for order, listing in self.model.orders_of(person.id)]
            self.api.compare(heard, own)

    def list_own_tickets(self, person: Person, limit: int) -> None:
        self.api.tick()
        heard = self.pages(person, f"/api/tickets?seller=me&limit={limit}")
        if heard is not None:
            own = [listing for listing in self.model.listings.values() if listing.rules.seller == person.id]
            self.api.compare(heard, [own_listing_view(listing) for listing in own[::-1]], may_lag=True)

    def list_what_is_for_sale(self, limit: int) -> None:
        self.api.tick()
        heard = self.pages(None, f"/api/tickets?q={self.word}&limit={limit}")
        self.api.compare(heard, [listing_view(listing) for listing in self.model.for_sale()], may_lag=True)

    # The end

    def teardown(self) -> None:
        """What may lag does so for moments only."""
        if sys.exception() is not None:
            return  # something else is wrong already
        deadline = time.monotonic() + PATIENCE_SECONDS
        self.api.tick()
        for ticket_id in self.model.listings:
            self.api.check(self.call(None, "GET", f"/api/tickets/{ticket_id}"), self.model.read_ticket(None, ticket_id))
        while not self.is_settled():
            assert time.monotonic() < deadline, "a document is not written"
            time.sleep(POLL_SECONDS)

    def is_settled(self) -> bool:
        for order_id in list(self.model.stale):
            found = self.model.order(order_id)
            assert found is not None
            person = next(person for person in self.people if person.id == found[0].buyer)
            person.cookie, person.is_in = self.market.cookie(person.user), True
            response = self.api.call(person, "GET", f"/api/orders/{order_id}")
            self.api.check(response, self.model.read_order(person.id, order_id))
        return not self.model.stale


def body_of(details: TicketDetails) -> JSON:
    body: JSON = {"title": details.title, "price": details.price / 100}
    return body if details.starts_at is None else body | {"startsAt": iso(details.starts_at)}


def id_in(response: httpx.Response) -> str:
    return str(response.json().get("id", "")) if response.status_code in (200, 201, 202) else ""


def wrong_fields(response: httpx.Response) -> set[str]:
    return {error.get("field", "") for error in response.json()["errors"]}
