"""What actors answer besides a ticket's own answer, and besides refusals."""

from dataclasses import dataclass, field

from actors.domain.charge_values import Charge
from actors.domain.ticket_values import Order


@dataclass(frozen=True, slots=True)
class Moved:
    """The ticket is not served here, so its other host is to be asked. It goes no further than `routing`."""


@dataclass(frozen=True, slots=True)
class ChargeAnswer:
    """A charge, and what a browser needs when the card wants 3-D Secure."""

    charge: Charge
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PaymentAnswer:
    """How a payment stands: the order, its charge, and what a browser needs when the card wants 3-D Secure."""

    order: Order
    charge: Charge
    client_secret: str | None = field(default=None, repr=False)
    fresh: bool = False
