"""Where a request comes from, as far as that can be known."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

_UNKNOWN = "unknown"
# One customer usually has a whole /64 of IPv6 addresses (RFC 6177).
_CUSTOMER_PREFIX = 64


def client_address(request: Request, trusted_proxies: int) -> str:
    """Return the client's address as the outermost of our own proxies saw it, and the peer's where there is none.

    Anybody can send `X-Forwarded-For`: each proxy adds the address of its peer at the end, so that only as many entries
    as there are proxies of ours are true, and they are only when the peer is on this machine or network.
    """
    peer = _parsed(request.client.host) if request.client else None
    if peer is not None and peer.is_private and trusted_proxies:
        entries = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        peer = _parsed(entries[-min(trusted_proxies, len(entries))].strip()) or peer
    if isinstance(peer, IPv6Address):
        return str(IPv6Network((peer, _CUSTOMER_PREFIX), strict=False))
    return _UNKNOWN if peer is None else str(peer)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
