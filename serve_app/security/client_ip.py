"""Where a request comes from, as far as that can be known."""

import hmac
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

# HAProxy sets it to the ingress key in every request, whatever the client sent (config/haproxy.sh).
INGRESS_HEADER = "x-holdfast-ingress"

_UNKNOWN = "unknown"
# One customer usually has a whole /64 of IPv6 addresses (RFC 6177).
_CUSTOMER_PREFIX = 64
# To parse an address takes 15 µs, and who asks once asks again. Some 200 bytes each.
_REMEMBERED = 8_192
# No address with its zone and port is longer, so that nothing else is remembered.
_LONGEST = 100


def client_address(request: Request, trusted_proxies: int, ingress_keys: Sequence[str]) -> str:
    """Return the client's address as the outermost of our own proxies saw it; of IPv6 the customer's /64.

    Anybody can send `X-Forwarded-For`. Each proxy adds the address of its peer at the end, so the last
    `trusted_proxies` entries are true, and only when the request came through our HAProxy, which alone knows the
    ingress key. Everybody else is counted by the address of the connection.
    """
    customer = None
    if _came_through_haproxy(request, ingress_keys):
        entries = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        entry = entries[-min(trusted_proxies, len(entries))].strip()
        customer = _customer_of(entry) if len(entry) <= _LONGEST else None
    if customer is None and request.client:
        customer = _customer_of(request.client.host)
    return customer or _UNKNOWN


def _came_through_haproxy(request: Request, ingress_keys: Sequence[str]) -> bool:
    sent = request.headers.get(INGRESS_HEADER, "").encode()
    return any(hmac.compare_digest(sent, key.encode()) for key in ingress_keys)


@lru_cache(_REMEMBERED)
def _customer_of(entry: str) -> str | None:
    address = _parsed(entry)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _CUSTOMER_PREFIX), strict=False))
    return None if address is None else str(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    if text.startswith("["):  # some load balancers add the port: [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone (fe80::1%eth0) is the sender's own word for an interface.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address
