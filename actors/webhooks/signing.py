"""Secrets and signatures (Standard Webhooks 1.0.0, "Signature scheme")."""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from actors.domain.instants import Instant

_SECRET_BYTES = 32


def new_secret() -> str:
    """Return a secret that nobody can guess: `whsec_` and 256 random bits in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(event_id: str, body: bytes, secrets_of_endpoint: Sequence[str], now: Instant) -> dict[str, str]:
    """Return the headers of one try: the same id in all of them, the time of this one, a signature for each secret."""
    at = datetime.fromtimestamp(now // 1_000, UTC)
    signatures = [Webhook(secret).sign(event_id, at, body.decode()) for secret in secrets_of_endpoint]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(now // 1_000),
        "webhook-signature": " ".join(signatures),
    }
