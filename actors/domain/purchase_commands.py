"""What a purchase is asked to do: the steps over an order and its charges."""

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Pay:
    """Carries the payment of an order through; `request` names the client's attempt when it sent a key.

    Without a payment method it only goes on with an attempt that the buyer's bank asks about.
    """

    order_id: str
    payment_method: str | None = field(repr=False)
    request: str | None = None


@dataclass(frozen=True, slots=True)
class ResumePurchase:
    """Finishes a purchase that stood still, one way or the other.

    With `reconcile` Stripe is also asked about money that was settled before: it told of a refund or a dispute.
    """

    order_id: str
    reconcile: bool = False


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """The seller gives the buyer the money back, and has the ticket for sale again.

    From an administrator it is for any order, also after the event began, and the ticket ends withdrawn.
    """

    order_id: str
    user_id: str
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class ResolveRefund:
    """The operator paid the buyer back another way, after the refund failed; `by` is who says so."""

    order_id: str
    by: str


PurchaseCommand: TypeAlias = Pay | ResumePurchase | RefundOrder | ResolveRefund
