"""The sandbox's cards as its payment page offers them: by what they do."""

from typing import NamedTuple


class SandboxCard(NamedTuple):
    """A payment method of the sandbox (`actors/stripe/sandbox/cards.py`), and the name of what it does."""

    payment_method: str
    does: str


# What each does stands in the template.
SANDBOX_CARDS = (
    SandboxCard("pm_card_visa", "pays"),
    SandboxCard("pm_card_authenticationRequired", "asks"),
    SandboxCard("pm_card_chargeDeclined", "declines"),
    SandboxCard("pm_card_chargeDeclinedInsufficientFunds", "lacks_funds"),
    SandboxCard("pm_card_chargeDeclinedExpiredCard", "expired"),
    SandboxCard("pm_card_refundFail", "refund_fails"),
)
