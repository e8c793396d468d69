"""What must hold whenever something changes at Stripe."""

from dataclasses import dataclass, field

from actors.domain.charge_values import ChargeStatus
from actors.domain.ticket_values import OrderStatus
from actors.stripe.sandbox.payment_intent import PaymentIntent
from tests.simulation.history import History
from tests.simulation.world import World


@dataclass
class Money:
    """Watches the intents. `prices` has the price of every order in the journal, `bought` those that were sold."""

    world: World
    history: History
    prices: dict[str, int]
    bought: set[str]
    intents: dict[str, PaymentIntent] = field(default_factory=dict)
    lapsed: set[str] = field(default_factory=set)
    checks: int = 0

    def paid(self, before: PaymentIntent | None, after: PaymentIntent) -> None:
        """Called in the instant in which Stripe changed an intent."""
        self.checks += 1
        self.intents[after.id] = after
        order_id = after.metadata["orderId"]
        charge_id = after.metadata["chargeId"]
        of_charge = [one for one in self.intents.values() if one.metadata["chargeId"] == charge_id]
        if len([one for one in of_charge if one.status in ("requires_capture", "succeeded")]) > 1:
            self.world.breaks(f"charge {charge_id} holds money twice")
        if after.amount != self.prices.get(order_id):
            self.world.breaks(f"order {order_id} is to be paid another price than it was held at")
        status = before.status if before else None
        if after.status == "succeeded" != status and order_id not in self.bought:
            self.world.breaks(f"money of order {order_id} was taken before it was sold")
        if after.status == "canceled" != status and status != "requires_confirmation" and after.id not in self.lapsed:
            self._check_end(order_id, charge_id)
        kept = sum(
            one.amount_received - sum(refund.amount for refund in one.refunds if refund.status != "failed")
            for one in self.intents.values()
            if one.metadata["orderId"] == order_id
        )
        if not 0 <= kept <= self.prices[order_id]:
            self.world.breaks(f"order {order_id} was paid {kept} of {self.prices[order_id]}")

    def _check_end(self, order_id: str, charge_id: str) -> None:
        order, charge = self.history.orders[order_id][-1], self.history.charges[charge_id][-1]
        is_over = charge.status is ChargeStatus.FAILED or charge.attempt < order.attempt
        if not is_over and order.status is not OrderStatus.CANCELLED and not order.refunding:
            self.world.breaks(f"money of order {order_id} was let go while it holds its ticket")
