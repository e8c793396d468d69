"""Signed-in people without the price of a password: a cookie signed with the market's own key."""

import secrets
import time

from bson import ObjectId

from serve_app.accounts.tokens import Session, Tokens

DAY_MS = 86_400_000


def cookie_for(key: str, user_id: str | None = None) -> tuple[str, str]:
    """Return a user's id, a new one by default, and the Cookie header of a session for it, which no record stands for.

    Markets at every port read a cookie of this name. Good for half a day: then the database would be asked for the
    session.
    """
    user_id = user_id or str(ObjectId())
    now = time.time_ns() // 1_000_000
    token = Tokens([key], lambda: now).sign(Session(user_id, secrets.token_hex(16), now, now + DAY_MS))
    return user_id, f"session={token}"
