"""The only part of Holdfast that talks to Stripe, and a sandbox that stands in for it."""

from actors.stripe.client import Stripe, connect
from actors.stripe.resources import Dispute, Intent, Refund

__all__ = ["Dispute", "Intent", "Refund", "Stripe", "connect"]
