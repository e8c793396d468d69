"""What cookies are called: browsers send those of one host to every port of it, and so to every market there."""

from urllib.parse import urlsplit

# Cookies of these have no port in their names: an address without one, and the default of HTTP_PORT.
_PLAIN_PORTS = frozenset({None, 80, 443, 8000})


def cookie_name(kind: str, public_url: str) -> str:
    """Return the name of the market's own cookie of this kind.

    With https the prefix makes browsers refuse it from subdomains and plain http.
    """
    address = urlsplit(public_url)
    name = kind if address.port in _PLAIN_PORTS else f"{kind}-{address.port}"
    return earlier_cookie_name(name, public_url)


def earlier_cookie_name(kind: str, public_url: str) -> str:
    """Return what it was called when all markets of a host had the same name. It is still read, never set."""
    return f"__Host-{kind}" if public_url.startswith("https://") else kind
