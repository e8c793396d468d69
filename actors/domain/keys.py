"""The journal's keys: each is in one commit at most, so what has one happens once, ever."""


def order_key(order_id: str) -> str:
    """Return the key with which an order comes into being."""
    return f"order:{order_id}"


def edit_key(edit_id: str) -> str:
    """Return the key with which an edit takes effect."""
    return f"edit:{edit_id}"


def request_key(request: str) -> str:
    """Return the key with which a client's Idempotency-Key names the payment of one order."""
    return f"request:{request}"
