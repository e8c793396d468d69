"""The ledger check: what the orders say and what Stripe has are the same, to the cent.

Pure: whoever asks brings the orders, the charges, and Stripe's own lists.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.instants import Instant
from actors.domain.ticket_values import Order, OrderStatus
from actors.stripe.resources import Dispute, Intent, Refund

# Money of an order that is over, or of a sale, is taken or given back within seconds; who is still at it after this
# long, in ms, will not get there by itself.
STUCK_AFTER = 120_000
HOLDS_OR_TOOK_MONEY = ("requires_capture", "processing", "succeeded")
NOT_GIVEN_BACK = ("failed", "canceled")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, the id of what breaks it, and the order that is to be looked at again for it."""

    rule: str
    id: str
    order_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Ledgers:
    """All that is compared."""

    orders: Mapping[str, Order]
    charges: Mapping[str, Charge]
    intents: Sequence[Intent]
    refunds: Sequence[Refund]
    disputes: Sequence[Dispute]
    # What the journal says each order's fee was when it came into being, in cents, as far as it was read.
    fees: Mapping[str, int] = field(default_factory=dict)
    # Entities, such as `ticket:5f…`, without a version between two that the journal has.
    with_gaps: Collection[str] = ()


@dataclass(slots=True)
class ReconciliationReport:
    """What was checked. `in_progress` is what may still change by itself; the sums, cents by currency, leave it out."""

    orders: int = 0
    completed: int = 0
    charges: int = 0
    intents: int = 0
    foreign_intents: int = 0
    unconfirmed_intents: int = 0
    in_progress: int = 0
    sold: Counter[str] = field(default_factory=Counter)
    fees: Counter[str] = field(default_factory=Counter)
    captured: Counter[str] = field(default_factory=Counter)
    refunded: Counter[str] = field(default_factory=Counter)
    disputed: Counter[str] = field(default_factory=Counter)
    violations: set[Violation] = field(default_factory=set)

    def add(self, other: "ReconciliationReport") -> None:
        """Add what was found in other orders."""
        for count in ("orders", "completed", "charges", "intents", "unconfirmed_intents", "in_progress"):
            setattr(self, count, getattr(self, count) + getattr(other, count))
        for sums in ("sold", "fees", "captured", "refunded", "disputed"):
            getattr(self, sums).update(getattr(other, sums))
        self.violations |= other.violations


def check(ledgers: Ledgers, now: Instant, *, read_since: Instant | None = None) -> ReconciliationReport:
    """Compares the ledgers. Disputed money is counted apart: the bank has it until the dispute is decided.

    They were not read in one instant: what something happened to since `read_since` counts as in progress.
    """
    return _Check(ledgers, now, read_since).report()


class _Check:
    def __init__(self, ledgers: Ledgers, now: Instant, read_since: Instant | None) -> None:
        self._ledgers = ledgers
        self._now = now
        self._read_since = read_since
        self._left_out: set[str] = set()
        self._report = ReconciliationReport()
        self._given_back: Counter[str] = Counter()
        for refund in ledgers.refunds:
            if refund.intent_id is not None and refund.status not in NOT_GIVEN_BACK:
                self._given_back[refund.intent_id] += refund.amount
        self._disputed = {dispute.intent_id for dispute in ledgers.disputes}
        self._intents: dict[str, list[Intent]] = defaultdict(list)
        self._of_orders: dict[str, list[Charge]] = defaultdict(list)

    def report(self) -> ReconciliationReport:
        report, ledgers = self._report, self._ledgers
        report.orders, report.charges = len(ledgers.orders), len(ledgers.charges)
        for charge in ledgers.charges.values():
            self._of_orders[charge.order_id].append(charge)
            if charge.order_id not in ledgers.orders:
                self._violated("every charge has its order", charge.id, charge.order_id)
        self._sort_intents()
        for order in ledgers.orders.values():
            self._check_order(order)
        for entity in ledgers.with_gaps:
            self._violated("the journal has every version", entity)
        self._check_tickets(ledgers.orders.values())
        self._compare_sums()
        return report

    def _sort_intents(self) -> None:
        for intent in self._ledgers.intents:
            charge_id = intent.metadata.get("chargeId")
            if charge_id is None:
                self._report.foreign_intents += 1
                continue
            self._report.intents += 1
            self._intents[charge_id].append(intent)
            charge = self._ledgers.charges.get(charge_id)
            if intent.status in ("requires_confirmation", "requires_payment_method"):
                self._report.unconfirmed_intents += 1
            if charge is not None and self._is_recent(charge):
                continue
            if intent.status in HOLDS_OR_TOOK_MONEY and (charge is None or charge.stripe_id != intent.id):
                self._violated("every payment at Stripe has its charge", intent.id, intent.metadata.get("orderId"))
            if intent.status == "requires_capture" and charge is not None and not charge.has_pending_money:
                self._violated("no authorisation is left open", intent.id, intent.metadata.get("orderId"))
        for charge_id, intents in self._intents.items():
            if len(intents) > 1:
                self._violated("a charge has one payment at Stripe", charge_id, intents[0].metadata.get("orderId"))

    def _check_order(self, order: Order) -> None:
        self._check_fee(order)
        charges = self._of_orders[order.id]
        is_sold = order.status is OrderStatus.COMPLETE
        unsettled = [charge for charge in charges if charge.has_pending_money]
        if self._is_recent(order) or any(self._is_recent(charge) for charge in charges):
            self._left_out.add(order.id)
            self._report.in_progress += 1
            return
        if order.is_open or order.has_pending_money or unsettled:
            changed = max([order.updated_at, *(charge.updated_at for charge in unsettled)])
            since = max(changed, order.expires_at if order.is_open else 0)
            if self._now - since > STUCK_AFTER:
                self._violated("what is begun is ended", order.id, order.id)
            self._report.in_progress += 1
            self._left_out.add(order.id)
        kept = sum(self._kept(charge) for charge in charges)
        if is_sold:
            self._report.completed += 1
            paid = self._ledgers.charges.get(order.charge_id or "")
            if paid is None or (paid.status is not ChargeStatus.COMPLETED and not paid.is_open and not order.refunding):
                self._violated("a completed order has a completed charge", order.id, order.id)
            elif not (paid.is_open or order.refunding) and kept != self._owed(order, charges):
                self._violated("a completed order is paid its price, once", order.id, order.id)
        elif not order.is_open and kept and not unsettled and not self._is_disputed(charges):
            self._violated("an order that is over keeps no money", order.id, order.id)

    def _check_fee(self, order: Order) -> None:
        if not 0 <= order.fee <= order.price:
            self._violated("a price is what its seller gets and the fee", order.id, order.id)
        if self._ledgers.fees.get(order.id, order.fee) != order.fee:
            self._violated("a fee stays what it was when the ticket was held", order.id, order.id)

    def _is_recent(self, changed: Order | Charge) -> bool:
        """Whether something happened to it while the ledgers were read, so that the two sides are not of one time."""
        return self._read_since is not None and changed.updated_at >= self._read_since

    def _owed(self, order: Order, charges: Sequence[Charge]) -> int:
        return 0 if self._is_disputed(charges) else order.price

    def _is_disputed(self, charges: Sequence[Charge]) -> bool:
        return any(charge.stripe_id in self._disputed for charge in charges)

    def _kept(self, charge: Charge) -> int:
        """Cents that were taken for the charge and are neither given back nor asked for by a bank."""
        return sum(self._kept_of(intent) for intent in self._intents[charge.id])

    def _kept_of(self, intent: Intent) -> int:
        return 0 if intent.id in self._disputed else intent.amount_received - self._given_back[intent.id]

    def _check_tickets(self, orders: Iterable[Order]) -> None:
        sold = Counter(order.ticket_id for order in orders if order.status is OrderStatus.COMPLETE)
        for ticket_id, times in sold.items():
            if times > 1:
                self._violated("a ticket is sold once", ticket_id)

    def _compare_sums(self) -> None:
        """To the cent, over everything that is not in progress."""
        report = self._report
        for intents in self._intents.values():
            for intent in intents:
                if intent.metadata.get("orderId") in self._left_out:
                    continue
                if intent.id in self._disputed:
                    report.disputed[intent.currency] += intent.amount_received
                else:
                    report.captured[intent.currency] += intent.amount_received
                    report.refunded[intent.currency] += self._given_back[intent.id]
        for order in self._ledgers.orders.values():
            is_sold = order.status is OrderStatus.COMPLETE and order.id not in self._left_out
            if is_sold and not self._is_disputed(self._of_orders[order.id]):
                report.sold[order.currency] += order.price
                report.fees[order.currency] += order.fee
        for currency in report.sold | report.captured:
            if report.captured[currency] - report.refunded[currency] != report.sold[currency]:
                self._violated("captured less refunded is what was sold", currency)

    def _violated(self, rule: str, subject: str, order_id: str | None = None) -> None:
        self._report.violations.add(Violation(rule, subject, order_id))
