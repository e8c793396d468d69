"""What the API must answer, request by request: a simple market in memory around the model of the ticket."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from actors.domain.refusals import (
    AlreadyReserved,
    AlreadySold,
    AlreadyWithdrawn,
    HeldByYou,
    HeldTooOften,
    NotFound,
    NotOwner,
    NotReserved,
    OrderClosed,
    OrderComplete,
    OrderNotPaid,
    PriceChanged,
    Refusal,
    RequestMismatch,
    SellerCannotBuy,
    ShowStarted,
    TooManyHolds,
    WaitingListOver,
)
from actors.domain.ticket_commands import (
    CancelOrder,
    CancelSale,
    CreateTicket,
    EditTicket,
    ReadTicket,
    Release,
    Reserve,
    Sell,
    StartPayment,
    StartRefund,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_values import CancelReason, TicketDetails
from tests.models.api_views import (
    JSON,
    Listing,
    Payment,
    listing_view,
    listing_view_of_seller,
    order_view,
    payment_view,
)
from tests.models.ticket_model import OrderModel, TicketModel

VISA, DECLINED, WANTS_3DS = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"
UNKNOWN, SLOW_REFUND = "pm_card_nobodyHasSuchOne", "pm_card_pendingRefund"

WINDOW, GRACE, OFFER, MOST_HOLDS = 900_000, 60_000, 600_000, 2


@dataclass(frozen=True)
class Answer:
    """A status, and either the body or what the sentence of the one error says and which field it is about."""

    status: int
    body: Any = None
    says: str = ""
    field: str | None = None


NOT_SIGNED_IN = Answer(401, says="Sign in first")
NO_SUCH_THING = Answer(404, says="There is no such")
NOT_YOURS = Answer(403, says="somebody else")
NOT_THE_SELLER = Answer(403, says="Only the seller")
ANOTHER_REQUEST = Answer(409, says="use a new Idempotency-Key")
REFUSED: dict[type[Refusal], Answer] = {
    NotFound: NO_SUCH_THING,
    NotOwner: NOT_YOURS,
    AlreadyReserved: Answer(409, says="Somebody holds this ticket"),
    AlreadySold: Answer(409, says="is sold"),
    AlreadyWithdrawn: Answer(409, says="has withdrawn"),
    ShowStarted: Answer(409, says="has begun"),
    SellerCannotBuy: Answer(409, says="your own ticket"),
    HeldTooOften: Answer(429, says="several times without paying", field="ticketId"),
    NotReserved: Answer(409, says="it is for sale"),
    HeldByYou: Answer(409, says="You hold this ticket yourself"),
    WaitingListOver: Answer(409, says="takes nobody else"),
    TooManyHolds: Answer(429, says=f"already hold {MOST_HOLDS} tickets"),
    RequestMismatch: ANOTHER_REQUEST,
    OrderClosed: Answer(409, says="order is over"),
    OrderComplete: Answer(409, says="paid and complete"),
    OrderNotPaid: Answer(409, says="nothing to refund"),
}
ENDINGS = {
    CancelReason.BUYER: "You cancelled",
    CancelReason.EXPIRED: "The time to pay this order is over",
    CancelReason.DECLINED: "was declined",
    CancelReason.REFUNDED: "refunded",
}


def refused(refusal: Refusal) -> Answer:
    if isinstance(refusal, PriceChanged):
        return Answer(409, says=f"The price is now {refusal.price / 100:,.2f}", field="expectedPrice")
    return REFUSED[type(refusal)]


@dataclass
class ApiModel:
    """The market. `now` is its time in ms; `stale` are documents that may still be read as they were.

    Of the tickets in `moved` an order's beginning or end changed the line: nobody's own write, so lists may lag.
    """

    now: int
    people: frozenset[str] = frozenset()
    listings: dict[str, Listing] = field(default_factory=dict)
    payments: dict[str, list[Payment]] = field(default_factory=dict)
    stale: dict[str, JSON] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    keys: dict[tuple[str, str, str], tuple[str, object]] = field(default_factory=dict)

    # What it knows

    def order(self, order_id: str) -> tuple[OrderModel, Listing] | None:
        for listing in self.listings.values():
            if order_id in listing.rules.orders:
                return listing.rules.orders[order_id], listing
        return None

    def orders_of(self, buyer: str) -> list[tuple[OrderModel, Listing]]:
        """Newest first."""
        found = [
            (order, listing)
            for listing in self.listings.values()
            for order in listing.rules.orders.values()
            if order.buyer == buyer
        ]
        return sorted(found, key=lambda pair: (pair[0].created, pair[0].id), reverse=True)

    def own_order(self, who: str, order_id: str) -> tuple[OrderModel, Listing] | Answer:
        found = self.order(order_id)
        if found is None:
            return NO_SUCH_THING
        return found if found[0].buyer == who else NOT_YOURS

    def open_holds(self, buyer: str) -> int:
        return sum(order.is_open and not order.offer for order, _ in self.orders_of(buyer))

    def for_sale(self) -> list[Listing]:
        """What the public list shows, newest first."""
        shown = [
            listing
            for listing in self.listings.values()
            if listing.rules.status == "available" and (listing.rules.begins or self.now + 1) > self.now
        ]
        return sorted(shown, key=lambda listing: listing.created, reverse=True)

    # Time

    def pass_time(self, now: int) -> None:
        """Holds end by themselves. Nobody waits for that, so their orders' documents may follow a moment later."""
        self.now = now
        for listing in self.listings.values():
            order, waiting = listing.rules.holder, len(listing.rules.line)
            before = deepcopy(order)
            listing.rules.pass_time(now)
            if order is not None and before is not None and listing.rules.holder is not order:
                self.stale[order.id] = order_view(before, listing.id)
                self._note_change(listing, waiting)

    def _ask(self, listing: Listing, command: TicketCommand, open_holds: int = 0) -> Refusal | None:
        version, waiting = listing.rules.version, len(listing.rules.line)
        refusal = listing.rules.ask(command, self.now, open_holds)
        if listing.rules.version > version:
            self._note_change(listing, waiting)
        return refusal

    def _note_change(self, listing: Listing, waiting: int) -> None:
        listing.changed = self.now
        if len(listing.rules.line) < waiting and listing.rules.history[-1].startswith("Order"):
            self.moved.add(listing.id)

    # Tickets

    def create_ticket(self, who: str, details: TicketDetails, key: str | None, new_id: str) -> Answer:
        made = self.keys.get((who, "tickets", key)) if key else None
        if made is not None:
            return Answer(200, listing_view(self.listings[made[0]])) if made[1] == details else ANOTHER_REQUEST
        assert new_id not in self.listings
        rules = TicketModel(id=new_id, may_buy=self.people, offer_window_ms=OFFER)
        listing = self.listings[new_id] = Listing(new_id, self.now, rules)
        assert self._ask(listing, CreateTicket(new_id, who, details)) is None
        if key:
            self.keys[who, "tickets", key] = new_id, details
        return Answer(201, listing_view(listing))

    def read_ticket(self, who: str | None, ticket_id: str) -> Answer:
        answer = self._answer_of(ticket_id, ReadTicket(ticket_id), 200)
        listing = self.listings.get(ticket_id)
        if listing is None or listing.rules.seller != who:
            return answer
        return Answer(200, listing_view_of_seller(listing))

    def edit_ticket(self, who: str, ticket_id: str, details: TicketDetails) -> Answer:
        return self._answer_of(ticket_id, EditTicket(ticket_id, who, details), 200)

    def withdraw(self, who: str, ticket_id: str) -> Answer:
        return self._answer_of(ticket_id, WithdrawTicket(ticket_id, who), 204)

    def _answer_of(self, ticket_id: str, command: TicketCommand, status: int) -> Answer:
        listing = self.listings.get(ticket_id)
        if listing is None:
            return NO_SUCH_THING
        refusal = self._ask(listing, command)
        if refusal is not None:
            return refused(refusal)
        return Answer(status, None if status == 204 else listing_view(listing))

    # Orders

    def reserve(self, who: str, ticket_id: str, expected: int | None, key: str | None, new_id: str) -> Answer:
        made = self.keys.get((who, "orders", key)) if key else None
        if made is not None:
            return self._show(made[0]) if made[1] == (ticket_id, expected) else ANOTHER_REQUEST
        listing = self.listings.get(ticket_id)
        if listing is None:
            return NO_SUCH_THING
        is_known = self.order(new_id) is not None
        own_id = "one that is not used" if is_known else new_id
        command = Reserve(ticket_id, own_id, who, WINDOW, expected, MOST_HOLDS, is_limited=False)
        refusal = self._ask(listing, command, self.open_holds(who))
        order = listing.rules.holder
        if refusal is not None or order is None:
            return refused(refusal or NotFound())
        if is_known or order.id != new_id:
            return Answer(200, order_view(order, ticket_id))
        if key:
            self.keys[who, "orders", key] = new_id, (ticket_id, expected)
        return Answer(201, order_view(order, ticket_id))

    def read_order(self, who: str, order_id: str) -> Answer:
        own = self.own_order(who, order_id)
        return own if isinstance(own, Answer) else self._show(order_id)

    def cancel(self, who: str, order_id: str) -> Answer:
        own = self.own_order(who, order_id)
        if isinstance(own, Answer):
            return own
        refusal = self._ask(own[1], CancelOrder(own[1].id, order_id))
        return Answer(204) if refusal is None or isinstance(refusal, OrderClosed) else refused(refusal)

    def _show(self, order_id: str) -> Answer:
        found = self.order(order_id)
        assert found is not None
        return Answer(200, order_view(found[0], found[1].id))

    # Payments

    def pay(self, who: str, order_id: str, method: str, key: str | None, new_id: str) -> Answer:
        own = self.own_order(who, order_id)
        if isinstance(own, Answer):
            return own
        order, listing = own
        payments = self.payments.setdefault(order_id, [])
        refusal = self._ask(listing, StartPayment(listing.id, order_id, GRACE))
        if isinstance(refusal, OrderComplete):
            return self._paid_before(payments[-1], order_id, method, key)
        if refusal is not None:
            return self._let_go(order, payments)
        if not payments or payments[-1].attempt < order.attempt:
            payments.append(Payment(new_id, order.attempt, order.price, method, key, self.now))
        elif _is_another_use(payments[-1], method, key):
            return ANOTHER_REQUEST
        elif payments[-1].method != method:
            earlier = self._after_another_card(order, listing, payments[-1])
            if earlier is not None:
                return earlier
            self._ask(listing, StartPayment(listing.id, order_id, GRACE))
            payments.append(Payment(new_id, order.attempt, order.price, method, key, self.now))
        return self._carry(order, listing, payments[-1])

    def _after_another_card(self, order: OrderModel, listing: Listing, payment: Payment) -> Answer | None:
        """What became of the earlier card; None when its bank still asks, and the card of now takes its place."""
        if payment.bank == "asks":
            payment.status, payment.bank = "voided", "void"
            self._ask(listing, Release(listing.id, order.id, order.attempt, 1, counts=False))
            return None
        answer = self._carry(order, listing, payment)
        return Answer(409, says=ENDINGS[CancelReason.DECLINED]) if answer.status == 402 else Answer(200, answer.body)

    def _carry(self, order: OrderModel, listing: Listing, payment: Payment) -> Answer:
        if payment.method == UNKNOWN:
            payment.status, payment.failure, payment.reached_stripe = "failed", "unknown_payment_method", False
            self._ask(listing, Release(listing.id, order.id, order.attempt, 1, counts=False))
            return Answer(400, says="not known to Stripe", field="paymentMethod")
        if payment.bank == "unasked":
            payment.bank = {DECLINED: "no", WANTS_3DS: "asks"}.get(payment.method, "yes")
        if payment.bank == "asks":
            return Answer(202, payment_view(payment, order.id) | {"clientSecret": "as before"})
        if payment.bank == "no":
            asked = payment.method == WANTS_3DS
            payment.status = "failed"
            payment.failure = "payment_intent_authentication_failure" if asked else "generic_decline"
            self._ask(listing, Release(listing.id, order.id, order.attempt, 1))
            return Answer(402, says="The order is cancelled")
        self._ask(listing, Sell(listing.id, order.id, payment.id, payment.amount, order.attempt))
        payment.status = "completed"
        return Answer(201, payment_view(payment, order.id))

    @staticmethod
    def _paid_before(payment: Payment, order_id: str, method: str, key: str | None) -> Answer:
        if _is_another_use(payment, method, key):
            return ANOTHER_REQUEST
        return Answer(200, payment_view(payment, order_id))

    @staticmethod
    def _let_go(order: OrderModel, payments: list[Payment]) -> Answer:
        for payment in payments:
            if payment.status == "created":
                payment.status, payment.bank = "voided", "void"
        assert order.reason is not None
        return Answer(409, says=ENDINGS[order.reason])

    def authenticate(self, payment: Payment, *, succeeds: bool) -> Answer:
        """The buyer answers their bank, which has nothing more to do with the market than that."""
        if payment.bank != "asks":
            return Answer(409, says="No payment with this clientSecret")
        payment.bank = "yes" if succeeds else "no"
        return Answer(200, {})

    def refund(self, who: str, order_id: str) -> Answer:
        found = self.order(order_id)
        if found is None:
            return NO_SUCH_THING
        order, listing = found
        if listing.rules.seller != who:
            return NOT_THE_SELLER
        if order.reason is CancelReason.REFUNDED:
            return self._show(order_id)
        refusal = self._ask(listing, StartRefund(listing.id, order_id, who))
        if refusal is not None:
            return refused(refusal)
        payment = self.payments[order_id][-1]
        payment.has_refund = True
        if payment.method == SLOW_REFUND:
            payment.refunding = True
            return Answer(202, order_view(order, listing.id))
        payment.status = "refunded"
        self._ask(listing, CancelSale(listing.id, order_id, CancelReason.REFUNDED))
        return self._show(order_id)


def _is_another_use(payment: Payment, method: str, key: str | None) -> bool:
    return key is not None and key == payment.key and method != payment.method
