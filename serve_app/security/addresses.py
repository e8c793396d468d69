"""Where a request comes from, as far as that can be known."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

_UNKNOWN = "unknown"
# One customer usually has a whole /64 of IPv6 addresses (RFC 6177).
_CUSTOMER_PREFIX = 64


def client_address(request: Request) -> str:
    """Return the client's address: the peer's, or what our own proxy on this machine or network says it is.

    Anybody can send `X-Forwarded-For`; only its last entry, and only from a private peer, was written by our proxy.
    """
    peer = _parsed(request.client.host) if request.client else None
    if peer is not None and peer.is_private:
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2]
        peer = _parsed(forwarded.strip()) or peer
    if isinstance(peer, IPv6Address):
        return str(IPv6Network((peer, _CUSTOMER_PREFIX), strict=False))
    return _UNKNOWN if peer is None else str(peer)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
