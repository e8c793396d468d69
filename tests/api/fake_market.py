"""A market in memory: the real rules of tickets, documents in the real database, and cards that do what they say."""

from collections import defaultdict
from dataclasses import dataclass, replace

from actors.domain import charge as charge_rules
from actors.domain import ticket_rules as rules
from actors.domain.answers import PaymentAnswer
from actors.domain.charge import charge_id, refund_status
from actors.domain.charge_commands import RecordPaidByHand
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.codec import archived_event, encode_event
from actors.domain.decision import DecisionContext
from actors.domain.instants import Instant
from actors.domain.purchase_commands import Pay, RefundOrder, ResolveRefund, ResumePurchase
from actors.domain.refusals import (
    NoPaymentMethod,
    NotFound,
    NothingToResolve,
    OrderComplete,
    PaymentInProgress,
    RefundFailed,
    Refusal,
    RequestMismatch,
    Unavailable,
    UnknownPaymentMethod,
)
from actors.domain.ticket import Ticket, TicketAnswer, evolve
from actors.domain.ticket_commands import CancelSale, Release, Reserve, Sell, StartPayment, StartRefund, TicketCommand
from actors.domain.ticket_events import TicketEvent, order_in
from actors.domain.ticket_values import CancelReason, Order, RefundStatus
from actors.read_model.projections import charge_document, order_document, ticket_document
from actors.runtime.ports import RecordedEvent
from actors.storage.database import Database

DECLINED, WANTS_3DS, SLOW, UNKNOWN, SLOW_REFUND = "pm_declined", "pm_3ds", "pm_slow", "pm_unknown", "pm_slow_refund"


@dataclass
class ManualClock:
    """A clock that stands still until it is told."""

    instant: Instant

    def __call__(self) -> Instant:
        return self.instant

    def advance(self, seconds: float) -> None:
        self.instant += int(seconds * 1_000)


class FakeMarket:
    """Satisfies `actors.cluster.market.MarketClient`, and keeps the history of its tickets."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.refusal: Refusal | None = None
        self.is_up = True
        self.fee = 0
        self.attempts = 1
        self.failure = "generic_decline"
        self.resumed: list[ResumePurchase] = []
        self._database = database
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}
        self._orders: dict[str, Order] = {}
        self._charges: dict[str, Charge] = {}
        self._recorded: defaultdict[str, list[RecordedEvent]] = defaultdict(list)

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        if self.refusal is not None:
            return self.refusal
        answer = self._decide(command)
        await self._project(command.ticket_id)
        return answer

    async def pay(self, command: Pay) -> PaymentAnswer | Refusal:
        if self.refusal is not None:
            return self.refusal
        order = self._orders.get(command.order_id)
        if order is None:
            return NotFound()
        answer = self._pay(order, command)
        await self._project(order.ticket_id)
        return answer

    async def refund(self, command: RefundOrder | ResolveRefund) -> PaymentAnswer | Refusal:
        """Stripe gives money back at once, except for `pm_slow_refund`."""
        if self.refusal is not None:
            return self.refusal
        order = self._orders[command.order_id]
        if isinstance(command, ResolveRefund):
            return await self._resolve(order, command)
        if order.cancel_reason is CancelReason.REFUNDED:
            has_failed = refund_status(order, [self._charges[order.id]]) is RefundStatus.FAILED
            return RefundFailed() if has_failed else PaymentAnswer(order, self._charges[order.id])
        started = self._decide(StartRefund(order.ticket_id, order.id, command.user_id, command.is_admin))
        if isinstance(started, Refusal):
            return started
        charge = self._charges[order.id]
        if charge.payment_method != SLOW_REFUND:
            charge = replace(charge, status=ChargeStatus.REFUNDED, stripe_refund_id="re_1")
            self._decide(CancelSale(order.ticket_id, order.id, CancelReason.REFUNDED))
        self._charges[order.id] = charge
        await self._project(order.ticket_id)
        return PaymentAnswer(self._orders[order.id], charge)

    async def resume(self, command: ResumePurchase) -> PaymentAnswer | Refusal:
        self.resumed.append(command)
        return Unavailable()

    async def charges_of(self, order_id: str) -> list[Charge]:
        return [self._charges[order_id]] if order_id in self._charges else []

    async def is_ready(self) -> bool:
        return self.is_up

    async def history(self, entity: str, after: int, limit: int) -> list[RecordedEvent]:
        return self._recorded[entity][after : after + limit]

    def archive(self, entity: str) -> None:
        """Pretend that all that happened to it until now is archived."""
        self._recorded[entity] = [
            replace(one, event=archived_event(encode_event(one.event), "a-file")) for one in self._recorded[entity]
        ]

    def settle(self, order_id: str, status: ChargeStatus) -> None:
        """Pretend that the charge of the order came to this."""
        self._charges[order_id] = replace(self._charges[order_id], status=status)

    async def fail_refund(self, order_id: str) -> None:
        """Pretend that the bank sent the money of a refund back."""
        charge = replace(self._charges[order_id], status=ChargeStatus.COMPLETED, failure="lost_or_stolen_card")
        self._charges[order_id] = charge
        await self._database["charges"].replace_one({"_id": charge.id}, charge_document(charge), upsert=True)

    async def _resolve(self, order: Order, command: ResolveRefund) -> PaymentAnswer | Refusal:
        charge = self._charges.get(order.id)
        if charge is None or refund_status(order, [charge]) not in (RefundStatus.FAILED, RefundStatus.PAID_BY_HAND):
            return NothingToResolve()
        decision = charge_rules.decide(charge, RecordPaidByHand(charge.id, command.by), self._clock())
        assert not isinstance(decision, Refusal)
        for event in decision:
            charge = charge_rules.evolve(event)
        self._charges[order.id] = charge
        await self._database["charges"].replace_one({"_id": charge.id}, charge_document(charge), upsert=True)
        return PaymentAnswer(order, charge)

    def _decide(self, command: TicketCommand) -> TicketAnswer | Refusal:
        now = self._clock()
        ticket = self._tickets.get(command.ticket_id)
        offering = self._offering(ticket)
        for event in rules.due(ticket, now, offering):
            self._apply(command.ticket_id, event)
            ticket = self._tickets[command.ticket_id]
        context = self._context(command) if isinstance(command, Reserve) else offering
        decision = rules.decide(ticket, command, now, context)
        if isinstance(decision, Refusal):
            return decision
        for event in decision:
            self._apply(command.ticket_id, event)
        after = self._tickets[command.ticket_id]
        changed = order_in(decision[0]) if decision else None
        return TicketAnswer(after, changed or context.earlier_order or after.order, fresh=bool(decision))

    @staticmethod
    def _offering(ticket: Ticket | None) -> DecisionContext:
        """Everybody may buy, and an offer stands for ten minutes."""
        waiting = frozenset(waiter.user_id for waiter in ticket.waiting) if ticket else frozenset[str]()
        return DecisionContext(may_buy=waiting, offer_window_ms=600_000)

    def _context(self, command: Reserve) -> DecisionContext:
        held = sum(
            order.is_open and not order.offer and order.buyer_id == command.buyer_id for order in self._orders.values()
        )
        return DecisionContext(held, self._orders.get(command.order_id), fee=self.fee)

    def _apply(self, ticket_id: str, event: TicketEvent) -> None:
        ticket = evolve(self._tickets.get(ticket_id), event, self._clock(), ticket_id)
        self._tickets[ticket_id] = ticket
        order = getattr(event, "order", None)
        if order is not None:
            self._orders[order.id] = order
        entity = f"ticket:{ticket_id}"
        self._recorded[entity].append(RecordedEvent(entity, ticket.version, self._clock(), event))

    def _pay(  # noqa: PLR0911 - a row a rule
        self, order: Order, command: Pay
    ) -> PaymentAnswer | Refusal:
        if command.payment_method == UNKNOWN:
            return UnknownPaymentMethod()
        earlier = self._charges.get(order.id)
        if command.payment_method is None and (earlier is None or earlier.payment_method != WANTS_3DS):
            return NoPaymentMethod()
        if earlier is not None and earlier.payment_method == SLOW != command.payment_method:
            return PaymentInProgress()
        started = self._decide(StartPayment(order.ticket_id, order.id, grace=60_000))
        charge = self._charges.get(order.id)
        if isinstance(started, OrderComplete) and charge is not None:
            if command.request == charge.request is not None and command.payment_method != charge.payment_method:
                return RequestMismatch()
            return PaymentAnswer(order, charge)
        if isinstance(started, Refusal):
            return started
        return self._charge(order, command)

    def _charge(self, order: Order, command: Pay) -> PaymentAnswer | Refusal:
        now = self._clock()
        attempt = charge_id(order.id, order.attempt)
        charge = Charge(
            attempt, order.id, order.ticket_id, order.buyer_id, order.attempt, order.price, order.currency,
            command.payment_method or "", ChargeStatus.CREATED, now, now, stripe_id=f"pi_{attempt}",
            request=command.request,
        )  # fmt: skip
        charge = self._charges.get(order.id, charge)
        secret: str | None = None
        match charge.payment_method:
            case "pm_declined":
                charge = replace(charge, status=ChargeStatus.FAILED, failure=self.failure)
                self._decide(Release(order.ticket_id, order.id, order.attempt, max_attempts=self.attempts))
            case "pm_3ds":
                secret = f"{charge.stripe_id}_secret"
            case "pm_slow":
                pass
            case _:
                charge = replace(charge, status=ChargeStatus.COMPLETED)
                self._decide(Sell(order.ticket_id, order.id, charge.id, charge.amount, order.attempt))
        self._charges[order.id] = charge
        fresh = charge.status is ChargeStatus.COMPLETED
        return PaymentAnswer(self._orders[order.id], charge, secret, fresh=fresh)

    async def _project(self, ticket_id: str) -> None:
        """Write documents as the projections do: what nobody waits for lags, here as long as it can."""
        ticket = self._tickets.get(ticket_id)
        if ticket is None:
            return
        for recorded in self._recorded[f"ticket:{ticket_id}"]:
            order = getattr(recorded.event, "order", None)
            if order is not None:
                document = order_document(self._orders[order.id])
                await self._database["orders"].replace_one({"_id": order.id}, document, upsert=True)
        document = ticket_document(replace(ticket, order=None))
        await self._database["tickets"].replace_one({"_id": ticket_id}, document, upsert=True)
