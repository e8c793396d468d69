"""What happened to a charge. Each event carries the charge as it is then."""

from dataclasses import dataclass

from actors.domain.charge_values import Charge


@dataclass(frozen=True, slots=True)
class ChargeEvent:
    """Something happened to a charge, which is told whole, as it is then."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeCreated(ChargeEvent):
    pass


@dataclass(frozen=True, slots=True)
class ChargeRetryScheduled(ChargeEvent):
    """A step is about to be tried again under a new idempotency key."""


@dataclass(frozen=True, slots=True)
class ChargeIntentCreated(ChargeEvent):
    pass


@dataclass(frozen=True, slots=True)
class ChargeActionRequired(ChargeEvent):
    pass


@dataclass(frozen=True, slots=True)
class ChargeAuthorised(ChargeEvent):
    pass


@dataclass(frozen=True, slots=True)
class ChargeCompleted(ChargeEvent):
    pass


@dataclass(frozen=True, slots=True)
class ChargeFailed(ChargeEvent):
    pass


@dataclass(frozen=True, slots=True)
class ChargeVoided(ChargeEvent):
    pass


@dataclass(frozen=True, slots=True)
class ChargeIntentCancelled(ChargeEvent):
    """Nobody can pay the intent of this failed charge any more."""


@dataclass(frozen=True, slots=True)
class ChargeRefunding(ChargeEvent):
    """Its money is to go back; with `stripe_refund_id` Stripe is on it."""


@dataclass(frozen=True, slots=True)
class ChargeRefunded(ChargeEvent):
    pass


@dataclass(frozen=True, slots=True)
class ChargeRefundFailed(ChargeEvent):
    """The money is with us again, or still; `failure` says why."""


@dataclass(frozen=True, slots=True)
class ChargePaidByHand(ChargeEvent):
    """The refund failed, and the operator paid the buyer back another way."""


@dataclass(frozen=True, slots=True)
class ChargeDisputed(ChargeEvent):
    """The buyer's bank asks for the money, or a dispute went on."""
