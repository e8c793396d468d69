"""Pages: where the next one begins travels in an opaque cursor, offered in the `Link` header (RFC 8288)."""

import base64
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from actors.domain.ids import fingerprint

DEFAULT_LIMIT = 20
LARGEST_LIMIT = 100

# The instant or the cents of the last item, and its id: the stored fields `by_newest`, `by_price` and `by_start`.
_POSITION = re.compile(r"[0-9]{10,15}[0-9a-f]{24}")
_LONGEST_CURSOR = 100


def cursor_of(sort: str, position: str) -> str:
    """Return the cursor for the page after the position."""
    text = f"{sort}|{position}|{fingerprint(sort, position)[:8]}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_in(cursor: str, sort: str) -> str:
    """Return the position that the cursor carries. Raises ValueError when it is damaged or of another sort."""
    if len(cursor) > _LONGEST_CURSOR or not cursor.isascii():
        raise ValueError("is damaged")
    # An undecodable cursor raises binascii.Error or UnicodeDecodeError, both of which are ValueErrors.
    _, _, rest = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
    position, _, _ = rest.partition("|")
    if _POSITION.fullmatch(position) is None or cursor_of(sort, position) != cursor:
        raise ValueError("is damaged")
    return position


def link_header(path: str, parameters: Mapping[str, str], cursor: str | None) -> dict[str, str]:
    """Return the header that leads to the next page, if there is one.

    The link is relative: it holds behind any proxy, and the request's own host is not repeated to it.
    """
    if cursor is None:
        return {}
    query = urlencode({**parameters, "cursor": cursor})
    return {"Link": f'<{path}?{query}>; rel="next"'}
