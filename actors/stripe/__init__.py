"""The only part of Holdfast that talks to Stripe, and a sandbox that stands in for it."""

from actors.stripe.client import Stripe, connect
from actors.stripe.resources import Intent, Refund

__all__ = ["Intent", "Refund", "Stripe", "connect"]
