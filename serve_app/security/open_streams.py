"""How many streams are open: on this replica, of one owner and from one address."""

from collections import Counter

from serve_app.http.errors import ServiceUnavailableError

_OF_AN_OWNER = 6
_OF_AN_ADDRESS = 30
_ASK_AGAIN_SECONDS = 15


class OpenStreams:
    """Counts the streams of pages and of programs together: each is a request to Serve for as long as it lives.

    `is_limited=False` lifts the limits of owners and addresses, for load tests.
    """

    def __init__(self, most: int, *, is_limited: bool) -> None:
        self._most = most
        self._is_limited = is_limited
        self._open: Counter[tuple[str, str]] = Counter()
        self._count = 0

    def take(self, owner: str | None, address: str) -> None:
        """Count one more. Raises ServiceUnavailableError when that is too many; None owns as many as their address."""
        is_full = self._count >= self._most
        if self._is_limited and not is_full:
            is_full = self._open["address", address] >= _OF_AN_ADDRESS
            is_full = is_full or (owner is not None and self._open["owner", owner] >= _OF_AN_OWNER)
        if is_full:
            raise ServiceUnavailableError(
                "Too many streams are open. Close some, or wait a little.", retry_after_seconds=_ASK_AGAIN_SECONDS
            )
        self._count += 1
        self._open.update(_keys(owner, address))

    def close(self) -> None:
        """Let nobody open another one."""
        self._most = 0

    def give_back(self, owner: str | None, address: str) -> None:
        """Count one less."""
        self._count -= 1
        for key in _keys(owner, address):
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


def _keys(owner: str | None, address: str) -> list[tuple[str, str]]:
    return [("address", address), *([] if owner is None else [("owner", owner)])]
