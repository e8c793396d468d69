"""Where a request may go that somebody else wrote the address of (OWASP, Server Side Request Forgery Prevention)."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from actors.webhooks.endpoint import LONGEST_URL

_NAT64 = IPv6Network("64:ff9b::/96")
# Below this are mail servers, databases of names and the like, which were never meant to get a POST.
_FIRST_FREE_PORT = 1_024
_WEB_PORTS = frozenset({80, 443})
_EXAMPLE = "must be an address such as https://example.com/webhooks"


def is_public(address: str) -> bool:
    """Whether the whole internet has this one address: no network of ours, of a provider or of a machine.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64) is as public as that one. Text that is no address
    is not public.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    embedded = _embedded(parsed) if isinstance(parsed, IPv6Address) else None
    if embedded is not None:
        return is_public(str(embedded))
    if isinstance(parsed, IPv6Address) and (parsed.is_site_local or parsed.teredo is not None):
        return False
    # IPv6's reserved part has the IPv4-compatible addresses (::127.0.0.1), which Python takes for global ones.
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def are_public(addresses: Collection[str]) -> bool:
    """Whether a name may be connected to: it has addresses, and every one is public.

    One that answers with a public and a private address tries its luck.
    """
    return bool(addresses) and all(is_public(address) for address in addresses)


def fault_of(url: str, *, local: bool) -> str | None:
    """Return what is wrong with the address of an endpoint, in words that begin with a verb; None if nothing is.

    With `local` receivers http and private addresses are fine. What a name resolves to is looked at when it is sent to.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return _EXAMPLE
    is_clean = len(url) <= LONGEST_URL and url.isascii() and url.isprintable() and " " not in url
    rules = (
        (is_clean, f"must have at most {LONGEST_URL:,} printable ASCII characters"),
        (parts.scheme == "https" or (local and parts.scheme == "http"), "must begin with https://"),
        (host, _EXAMPLE),
        ("@" not in parts.netloc, "must not have a user name or password: they would stand in logs"),
        (not parts.fragment, "must not have a # in it"),
        (_may_be_asked(port), "must have no port, 443, or one from 1024 on"),
        (local or _may_be_public(host), "must not be of a private network"),
    )
    return next((fault for is_kept, fault in rules if not is_kept), None)


def _may_be_asked(port: int | None) -> bool:
    return port is None or port >= _FIRST_FREE_PORT or port in _WEB_PORTS


def _may_be_public(host: str) -> bool:
    """Whether the host is no literal address of a private network, and no name of one."""
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal"))
    return is_public(host)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
