"""What people ask who wait for a ticket that somebody else holds, and what they do with an offer."""

import sys

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.models.api_client import Person
from tests.models.api_machine import METHODS, NEWEST_FIRST, WHO, ApiMachine
from tests.models.api_model import DECLINED, MOST_HOLDS, VISA, WINDOW
from tests.models.api_views import JSON, Listing

# Cents that a waiter pays more than the price.
LIMITS = st.sampled_from([None, None, 0, 0, -1])
# How a hold ends: its buyer lets go, the time is over, or the card is declined.
ENDS = st.sampled_from(["gone", "time", "card"])
ANSWERS = st.sampled_from(["accept", "accept", "accept", "pay", "decline", "miss"])
# Cents that somebody expects to pay less than the price.
SHIFTS = st.sampled_from([None, 0, 0, 100])


class WaitingMachine(ApiMachine):
    """The whole API: everything that ApiMachine asks, and the waiting list."""

    @rule(which=NEWEST_FIRST, waiter=st.sampled_from([0, 1, 2, 2]), limit=LIMITS)
    def join(self, which: int, waiter: int, limit: int | None) -> None:
        self.join_as(self.people[waiter], self.listing(which), limit)

    @rule(which=NEWEST_FIRST, waiter=st.sampled_from([0, 1, 2, 2]), leaves=st.booleans())
    def leave_or_read_the_place(self, which: int, waiter: int, leaves: bool) -> None:  # noqa: FBT001 - drawn
        person, ticket_id = self.people[waiter], self.listing(which).id
        response = self.call(person, "DELETE" if leaves else "GET", f"/api/tickets/{ticket_id}/waiting")
        if self.is_let_in(person, response):
            answer = self.model.leave if leaves else self.model.read_place
            self.api.check(response, answer(person.id, ticket_id))

    @rule(which=NEWEST_FIRST, who=WHO)
    def close_the_line(self, which: int, who: str) -> None:
        ticket = self.listing(which)
        person = self.person(who, ticket.rules.seller)
        response = self.call(person, "POST", f"/api/tickets/{ticket.id}/waiting/close")
        if self.is_let_in(person, response):
            self.api.check(response, self.model.close(person.id, ticket.id))
            self.list_own_tickets(person, limit=100)

    @precondition(lambda self: self.model.for_sale())
    @rule(limit=st.sampled_from([None, 0]), ends=ENDS, does=st.none() | ANSWERS, shift=SHIFTS, method=METHODS)
    def wait_for_an_offer(self, limit: int | None, ends: str, does: str | None, shift: int | None, method: str) -> None:
        """What makes an offer, in one go, so that histories come to what happens after it."""
        self.hold_and_wait(self.model.for_sale()[0], limit, ends)
        if does is not None and self.model.offers():
            self.answer_an_offer(does, shift, method)

    @precondition(lambda self: self.model.for_sale())
    @rule(is_closed=st.booleans(), ends=ENDS)
    def wait_in_vain(self, is_closed: bool, ends: str) -> None:  # noqa: FBT001 - drawn
        """Nobody in line pays the price, or the line was closed; then somebody in line buys after all."""
        ticket = self.model.for_sale()[0]
        self.hold_and_wait(ticket, None if is_closed else -1, ends, is_closed=is_closed)
        if ticket.rules.status == "available" and ticket.rules.line:
            self.reserve_as(self.known(next(iter(ticket.rules.line))), ticket.id, None, None)
            self.list_own_tickets(self.known(ticket.rules.seller), limit=100)

    def hold_and_wait(self, ticket: Listing, limit: int | None, ends: str, *, is_closed: bool = False) -> None:
        self.reserve_as(self.somebody_else(ticket.rules.seller), ticket.id, None, None)
        holder = ticket.rules.holder
        if holder is None:
            return  # somebody who holds too many tickets
        for person in self.people:
            self.join_as(person, ticket, limit)
        if is_closed:
            self.close_the_line(list(self.model.listings)[::-1].index(ticket.id), "right")
        which = self.order_ids[::-1].index(holder.id)
        if ends == "gone":
            self.cancel(which, "right")
        elif ends == "card":
            self.pay(which, "right", DECLINED, None)
        else:
            self.api.tick(max(0, holder.ends - self.model.now))
        self.list_what_is_for_sale(limit=100)
        self.list_own_tickets(self.known(ticket.rules.seller), limit=100)

    @precondition(lambda self: self.model.offers())
    @rule(does=ANSWERS, shift=SHIFTS, method=METHODS)
    def answer_an_offer(self, does: str, shift: int | None, method: str) -> None:
        offer = self.model.offers()[0]
        order, ticket = self.order(which := self.order_ids[::-1].index(offer.id))
        buyer = self.known(order.buyer)
        self.list_own_orders(buyer, limit=100)
        if does == "accept":
            for _ in range(2):  # it gives more time only once
                self.reserve_as(buyer, ticket.id, None if shift is None else order.price - shift, None)
        elif does == "pay":
            self.pay(which, "right", method, None)
        elif does == "decline":
            self.cancel(which, "right")
        else:
            self.api.tick(max(1, order.ends - self.model.now))
        self.list_own_orders(buyer, limit=100)

    # The end

    def teardown(self) -> None:
        if sys.exception() is None:
            self.do_what_is_drawn_seldom()
        super().teardown()

    def do_what_is_drawn_seldom(self) -> None:
        """What a broken rule shows itself by is in every history, so that a search for one takes a few of them."""
        if not all(person.is_in for person in self.people):
            self.sign_in(knows_it=True)
        self.cancel(0, "another")
        self.wait(WINDOW)  # nobody holds too many tickets then
        self.list_one_more()
        self.hold_and_pay(100, None, None)
        for is_closed in (False, True):
            self.list_one_more()
            self.wait_in_vain(is_closed=is_closed, ends="gone")
        self.list_one_more()
        self.wait_for_an_offer(None, "gone", "accept", None, VISA)
        for _ in range(MOST_HOLDS):
            self.list_one_more()
        self.hold_all_that_is_for_sale(2)

    def list_one_more(self) -> None:
        self.list_a_ticket(seller=0, price=1_250, begins_in=None, key=None)

    def known(self, user_id: str) -> Person:
        return next(person for person in self.people if person.id == user_id)

    def join_as(self, person: Person, ticket: Listing, limit: int | None) -> None:
        most = None if limit is None else ticket.rules.price + limit
        body: JSON = {} if most is None else {"maxPrice": most / 100}
        response = self.call(person, "POST", f"/api/tickets/{ticket.id}/waiting", body)
        if self.is_let_in(person, response):
            self.api.check(response, self.model.join(person.id, ticket.id, most))
