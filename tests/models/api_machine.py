"""Everything that people can ask of the API, asked over HTTP and of the model at the same time."""

from bson import ObjectId
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.models.api_client import Person
from tests.models.api_harness import ApiHarness, body_of, id_in, wrong_fields
from tests.models.api_model import (
    ANOTHER_REQUEST,
    DECLINED,
    NO_SUCH_THING,
    SLOW_REFUND,
    UNKNOWN,
    VISA,
    WANTS_3DS,
    WINDOW,
    Answer,
)
from tests.models.api_views import JSON, charge_view, iso
from tests.models.served_market import PASSWORD

NOBODYS, NO_ID = "f" * 24, "no id"

# "right" is who may: the seller of the ticket, the buyer of the order. What is drawn most takes a history furthest.
WHO = st.sampled_from(["right"] * 7 + ["another"] * 2 + ["nobody"])
NEWEST_FIRST = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3])
PRICES = st.sampled_from([1_250, 1_250, 99_999_999])
BEGINNINGS = st.sampled_from([None, None, 30_000, 2 * WINDOW])
KEYS = st.sampled_from([None, None, "one", "two"])
METHODS = st.sampled_from([VISA, VISA, VISA, DECLINED, DECLINED, WANTS_3DS, WANTS_3DS, UNKNOWN, SLOW_REFUND])
PAGES = st.sampled_from([1, 2, 100])


def has_orders(machine: RuleBasedStateMachine) -> bool:
    return isinstance(machine, ApiHarness) and bool(machine.order_ids)


class ApiMachine(ApiHarness):
    """A rule a request, and a few for what mostly follows from one another."""

    # Tickets

    @initialize(price=PRICES, method=st.one_of(st.none(), METHODS, METHODS, METHODS))
    def begin(self, price: int, method: str | None) -> None:
        for _ in range(3):
            user = self.market.account()
            self.people.append(Person(user, self.market.cookie(user)))
        self.model.people = frozenset(person.id for person in self.people)
        for seller, begins_in, key in ((0, None, "one"), (1, 2 * WINDOW, None), (0, None, None)):
            self.list_a_ticket(seller=seller, price=price, begins_in=begins_in, key=key)
        self.hold_and_pay(0, method, "one")

    @rule(seller=st.sampled_from([0, 0, 1, None]), price=PRICES, begins_in=BEGINNINGS, key=KEYS)
    def list_a_ticket(self, seller: int | None, price: int, begins_in: int | None, key: str | None) -> None:
        person = None if seller is None else self.people[seller]
        details = self.details(price, begins_in)
        for _ in range(1 if key is None else 2):  # with a key it may as well be sent twice
            response = self.call(person, "POST", "/api/tickets", body_of(details), key=key)
            if self.is_let_in(person, response):
                self.api.check(response, self.model.create_ticket(person.id, details, key, id_in(response)))

    @rule(which=NEWEST_FIRST, who=WHO, price=PRICES, begins_in=BEGINNINGS)
    def edit(self, which: int, who: str, price: int, begins_in: int | None) -> None:
        ticket, details = self.listing(which), self.details(price, begins_in)
        person = self.person(who, ticket.rules.seller)
        response = self.call(person, "PUT", f"/api/tickets/{ticket.id}", body_of(details))
        if self.is_let_in(person, response):
            self.api.check(response, self.model.edit_ticket(person.id, ticket.id, details))

    @rule(which=NEWEST_FIRST, who=st.sampled_from(["right", "another", "another", "nobody"]))
    def withdraw(self, which: int, who: str) -> None:
        # Nothing happens to a ticket that is withdrawn, so most histories do without.
        ticket = self.listing(which)
        person = self.person(who, ticket.rules.seller)
        response = self.call(person, "DELETE", f"/api/tickets/{ticket.id}")
        if self.is_let_in(person, response):
            self.api.check(response, self.model.withdraw(person.id, ticket.id))

    @rule(which=NEWEST_FIRST, who=WHO, what=st.sampled_from(["ticket", "history", "order", "charges"]))
    def read(self, which: int, who: str, what: str) -> None:
        if what == "ticket" or not self.order_ids:
            self.read_ticket(which, who)
        elif what == "history":
            self.read_history(which, who)
        elif what == "order":
            self.read_order(which, who)
        else:
            self.read_charges(which, who)

    def read_ticket(self, which: int, who: str) -> None:
        ticket = self.listing(which)
        person = self.person(who, ticket.rules.seller)
        seen_by = person.id if person is not None and person.is_in else None
        response = self.call(person, "GET", f"/api/tickets/{ticket.id}")
        self.api.check(response, self.model.read_ticket(seen_by, ticket.id))

    def read_history(self, which: int, who: str) -> None:
        ticket = self.listing(which)
        person = self.person(who, ticket.rules.seller)
        response = self.call(person, "GET", f"/api/tickets/{ticket.id}/history?limit=100")
        if not self.is_let_in(person, response):
            return
        if person.id != ticket.rules.seller:
            self.api.check(response, Answer(403, says="Only the seller sees"))
        else:
            past = [(entry["version"], entry["type"]) for entry in response.json()]
            assert past == list(enumerate(ticket.rules.history, start=1))

    # Orders

    @rule(
        which=NEWEST_FIRST,
        buyer=st.sampled_from([0, 1, 2, 2, 2]),
        expected=st.sampled_from([None, "its price", "its price", 1_000]),
        key=KEYS,
    )
    def reserve(self, which: int, buyer: int, expected: str | int | None, key: str | None) -> None:
        ticket = self.listing(which)
        price = ticket.rules.price if isinstance(expected, str) else expected
        for _ in range(1 if key is None else 2):
            self.reserve_as(self.people[buyer], ticket.id, price, key)

    @precondition(lambda self: self.model.for_sale())
    @rule(shift=st.sampled_from([None, 0, 0, 100]), method=st.none() | METHODS, key=KEYS)
    def hold_and_pay(self, shift: int | None, method: str | None, key: str | None) -> None:
        """What happens most, in one go, so that histories come to what happens after it."""
        ticket = self.model.for_sale()[0]
        price = None if shift is None else ticket.rules.price - shift
        orders = len(self.order_ids)
        self.reserve_as(self.somebody_else(ticket.rules.seller), ticket.id, price, None)
        self.list_what_is_for_sale(limit=100)
        if method is not None and len(self.order_ids) > orders:
            self.pay(which=0, who="right", method=method, key=key)

    @rule(buyer=st.sampled_from([0, 1, 2, 2]))
    def hold_all_that_is_for_sale(self, buyer: int) -> None:
        for ticket in self.model.for_sale():
            self.reserve_as(self.people[buyer], ticket.id, None, None)

    def reserve_as(self, person: Person, ticket_id: str, price: int | None, key: str | None) -> None:
        body: JSON = {"ticketId": ticket_id}
        if price is not None:
            body["expectedPrice"] = price / 100
        response = self.call(person, "POST", "/api/orders", body, key=key)
        if self.is_let_in(person, response):
            self.api.check(response, self.model.reserve(person.id, ticket_id, price, key, id_in(response)))

    def read_order(self, which: int, who: str) -> None:
        order, _ = self.order(which)
        person = self.person(who, order.buyer)
        response = self.call(person, "GET", f"/api/orders/{order.id}")
        if self.is_let_in(person, response):
            self.api.check(response, self.model.read_order(person.id, order.id))

    def read_charges(self, which: int, who: str) -> None:
        order, _ = self.order(which)
        person = self.person(who, order.buyer)
        response = self.call(person, "GET", f"/api/orders/{order.id}/charges")
        if not self.is_let_in(person, response):
            return
        own, payments = self.model.own_order(person.id, order.id), self.model.payments.get(order.id, [])
        if response.status_code == 200:
            assert len(response.json()) == len(payments)
            for heard, payment in zip(response.json(), payments, strict=True):
                payment.id = payment.id or heard["id"]  # an attempt that failed at once was not named before
        charges = [charge_view(payment, order.id) for payment in payments]
        self.api.check(response, own if isinstance(own, Answer) else Answer(200, charges))
        if response.status_code == 200:
            assert len(response.json()) == len(payments)
            for heard, payment in zip(response.json(), payments, strict=True):
                assert ("stripeId" in heard, "stripeRefundId" in heard) == (payment.reached_stripe, payment.has_refund)

    @precondition(has_orders)
    @rule(which=NEWEST_FIRST, who=WHO)
    def cancel(self, which: int, who: str) -> None:
        order, _ = self.order(which)
        person = self.person(who, order.buyer)
        response = self.call(person, "DELETE", f"/api/orders/{order.id}")
        if self.is_let_in(person, response):
            self.api.check(response, self.model.cancel(person.id, order.id))
            self.read_order(which, "right")

    @precondition(has_orders)
    @rule(which=NEWEST_FIRST, who=WHO)
    def refund(self, which: int, who: str) -> None:
        order, ticket = self.order(which)
        person = self.person(who, ticket.rules.seller)
        response = self.call(person, "POST", f"/api/orders/{order.id}/refund")
        if self.is_let_in(person, response):
            self.api.check(response, self.model.refund(person.id, order.id))
            self.read_order(which, "right")
            self.list_what_is_for_sale(limit=100)

    # Payments

    @precondition(has_orders)
    @rule(which=NEWEST_FIRST, who=WHO, method=METHODS, key=KEYS)
    def pay(self, which: int, who: str, method: str, key: str | None) -> None:
        order, _ = self.order(which)
        person = self.person(who, order.buyer)
        key = None if key is None else f"{key} of {order.id}"  # nobody uses the key of another order's payment
        body = {"orderId": order.id, "paymentMethod": method}
        for _ in range(1 if key is None else 2):
            response = self.call(person, "POST", "/api/payments", body, key=key)
            if self.is_let_in(person, response):
                self.api.check(response, self.model.pay(person.id, order.id, method, key, id_in(response)))

    @precondition(lambda self: self.waiting_for_a_bank())
    @rule(succeeds=st.booleans(), pays_with=st.sampled_from([None, WANTS_3DS, VISA]))
    def answer_the_bank(self, succeeds: bool, pays_with: str | None) -> None:  # noqa: FBT001 - drawn
        order, payment = self.waiting_for_a_bank()[0]
        body = {"clientSecret": self.api.secret_of(payment.id), "outcome": "succeeds" if succeeds else "fails"}
        for _ in range(2):  # the bank does not ask twice
            response = self.call(None, "POST", "/api/sandbox/authentications", body)
            self.api.check(response, self.model.authenticate(payment, succeeds=succeeds))
        if pays_with is not None:
            self.pay(self.order_ids[::-1].index(order.id), "right", pays_with, None)

    # Lists

    @rule(place=st.integers(0, 2), what=st.sampled_from(["orders", "tickets", "market"]), limit=PAGES)
    def look_at_a_list(self, place: int, what: str, limit: int) -> None:
        if what == "orders":
            self.list_own_orders(self.people[place], limit)
        elif what == "tickets":
            self.list_own_tickets(self.people[place], limit)
        else:
            self.list_what_is_for_sale(limit)

    # Sessions

    @precondition(lambda self: all(person.is_in for person in self.people))
    @rule(place=st.sampled_from([0, 1, 2]))
    def sign_out(self, place: int) -> None:
        """One at a time, so that two are left to trade. The cookie is kept: it is worth nothing now."""
        person = self.people[place]
        self.api.check(self.call(person, "POST", "/api/users/signout"), Answer(200, {}))
        person.is_in = False

    @precondition(lambda self: not all(person.is_in for person in self.people))
    @rule(knows_it=st.sampled_from([True, True, False]))
    def sign_in(self, knows_it: bool) -> None:  # noqa: FBT001 - drawn
        person = next(person for person in self.people if not person.is_in)
        body = {"email": person.user.email.upper(), "password": PASSWORD if knows_it else "something else"}
        response = self.call(None, "POST", "/api/users/signin", body)
        if not knows_it:
            self.api.check(response, Answer(401, says="email address or the password is wrong"))
            return
        self.api.check(response, Answer(200, {"id": person.id, "email": person.user.email}))
        person.cookie, person.is_in = response.cookies[self.market.services.sessions.cookie], True

    @rule(how=st.sampled_from(["in use", "too short", "once", "twice", "with other values"]))
    def sign_up(self, how: str) -> None:
        email = self.people[0].user.email if how == "in use" else f"{ObjectId()}@example.com"
        body = {"email": email, "password": "short" if how == "too short" else PASSWORD}
        response = self.call(None, "POST", "/api/users/signup", body, key=email)
        if how == "in use":
            self.api.check(response, Answer(409, says="in use", field="email"))
        elif how == "too short":
            self.api.check(response, Answer(400, says="must have 15 to 128 characters", field="password"))
        else:
            user = {"id": id_in(response), "email": email}
            self.api.check(response, Answer(201, user))
            if how != "once":
                again = body if how == "twice" else body | {"password": PASSWORD[::-1]}
                response = self.call(None, "POST", "/api/users/signup", again, key=email)
                self.api.check(response, Answer(200, user) if how == "twice" else ANOTHER_REQUEST)

    @rule(place=st.integers(0, 2))
    def say_who_is_signed_in(self, place: int) -> None:
        person = self.people[place]
        response = self.call(person, "GET", "/api/users/currentuser")
        seen = {"id": person.id, "email": person.user.email} if person.is_in else None
        assert (response.status_code, response.json()) == (200, {"currentUser": seen})

    # Requests that are wrong by themselves

    @rule(place=st.integers(0, 2), which=st.integers(0, 11), kind=st.sampled_from(["shape", "absent", "origin"]))
    def send_what_is_wrong(self, place: int, which: int, kind: str) -> None:
        person = self.people[place]
        if kind == "shape":
            self.send_what_cannot_be_meant(person, which)
        elif kind == "absent":
            self.ask_for_what_is_not_there(person, which)
        else:
            self.send_from_another_site(person, which)

    def send_what_cannot_be_meant(self, person: Person, which: int) -> None:
        ticket, payment = {"title": "Hamlet", "price": 5}, {"orderId": NOBODYS}
        requests: list[tuple[str, str, JSON, set[str]]] = [
            ("POST", "/api/tickets", {"title": " ", "price": 0.49}, {"title", "price"}),
            ("POST", "/api/tickets", ticket | {"startsAt": iso(self.model.now)}, {"startsAt"}),
            ("POST", "/api/tickets", ticket | {"currency": "eur", "seats": 2}, {"currency", ""}),
            ("PUT", f"/api/tickets/{self.listing(0).id}", {"price": 12.345}, {"title", "price"}),
            ("PUT", f"/api/tickets/{NOBODYS}", {}, {"title", "price"}),
            ("POST", "/api/orders", {"ticketId": NO_ID, "expectedPrice": "a lot"}, {"ticketId", "expectedPrice"}),
            ("POST", "/api/orders", {}, {"ticketId"}),
            ("POST", "/api/payments", payment | {"paymentMethod": VISA, "token": "tok_visa"}, {"token"}),
            ("POST", "/api/payments", payment | {"orderId": NO_ID, "paymentMethod": VISA}, {"orderId"}),
            ("POST", "/api/payments", {"orderId": 5, "paymentMethod": "4242"}, {"orderId", "paymentMethod"}),
            ("POST", f"/api/tickets/{self.listing(0).id}/waiting", {"maxPrice": "a lot"}, {"maxPrice"}),
        ]
        method, path, body, fields = requests[which % len(requests)]
        response = self.call(person, method, path, body)
        if self.is_let_in(person, response):
            assert (response.status_code, wrong_fields(response)) == (400, fields)

    def ask_for_what_is_not_there(self, person: Person, which: int) -> None:
        thing = (NOBODYS, NO_ID)[which % 2]
        requests: list[tuple[str, str, JSON | None]] = [
            ("PUT", f"/api/tickets/{thing}", body_of(self.details(1_250, None))),
            ("DELETE", f"/api/tickets/{thing}", None),
            ("GET", f"/api/tickets/{thing}/history", None),
            ("GET", f"/api/orders/{thing}", None),
            ("DELETE", f"/api/orders/{thing}", None),
            ("POST", f"/api/orders/{thing}/refund", None),
            ("POST", f"/api/tickets/{thing}/waiting", {}),
            ("GET", f"/api/tickets/{thing}/waiting", None),
            ("DELETE", f"/api/tickets/{thing}/waiting", None),
            ("POST", f"/api/tickets/{thing}/waiting/close", None),
            ("POST", "/api/orders", {"ticketId": NOBODYS, "expectedPrice": 1}),
            ("POST", "/api/payments", {"orderId": NOBODYS, "paymentMethod": VISA}),
        ]
        response = self.call(person, *requests[which % len(requests)])
        if self.is_let_in(person, response):
            self.api.check(response, NO_SUCH_THING)

    def send_from_another_site(self, person: Person, which: int) -> None:
        path = ("/api/tickets", "/api/orders", "/api/payments", f"/api/tickets/{NOBODYS}/waiting")[which % 4]
        self.api.tick()
        response = self.api.call(person, "POST", path, {}, origin="https://elsewhere.example")
        self.api.check(response, Answer(403, says="another site"))

    # Time

    @rule(milliseconds=st.sampled_from([1_000, WINDOW // 2]))
    def wait(self, milliseconds: int) -> None:
        self.api.tick(milliseconds)

    @precondition(lambda self: any(each.rules.status == "reserved" for each in self.model.listings.values()))
    @rule(offset=st.sampled_from([-30_000, -2, -1, 0]))
    def wait_for_the_end_of_a_hold(self, offset: int) -> None:
        """So that the next request arrives long before it, just before it, at it and after it."""
        holders = [each.rules.holder for each in self.model.listings.values() if each.rules.status == "reserved"]
        end = min(holder.ends for holder in holders if holder is not None)
        self.api.tick(max(0, end + offset - self.model.now))

    @precondition(lambda self: any(each.rules.begins for each in self.model.listings.values()))
    @rule(offset=st.sampled_from([-2, -1, 0]))
    def wait_for_an_event(self, offset: int) -> None:
        begins = min(each.rules.begins for each in self.model.listings.values() if each.rules.begins)
        self.api.tick(max(0, begins + offset - self.model.now))
