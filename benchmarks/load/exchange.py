"""What is sent, and what its answer must be. Both generators judge by the same rules, those written here."""

from dataclasses import dataclass

from cli.load.generator.connection import encode

ID_DIGITS = 24
OK = 200
CREATED = 201
NO_CONTENT = 204
CONFLICT = 409
UNAVAILABLE = 503
ERROR_BODY = '{"errors":[{"message":"'


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes over the wire.

    `key` is what a success names, such as the ticket that was asked for, and `parts` are texts that such an answer
    holds, byte for byte.
    """

    raw: bytes
    key: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What may come back.

    A success has this status, begins with `begins`, and holds the key of a request right after `names`: one that was
    asked and not answered before. With `fresh` an id that follows `begins` was never seen before either. A refusal has
    one of the statuses in `refusals` and the one shape of errors. Everything else is wrong.
    """

    status: int
    refusals: frozenset[int] = frozenset()
    begins: str = ""
    names: str = ""
    parts: tuple[str, ...] = ()
    fresh: bool = False


def request(  # noqa: PLR0913 - all that a request can say
    method: str, path: str, *, cookie: str = "", body: bytes = b"", key: str = "", parts: tuple[str, ...] = ()
) -> Request:
    """A request as it goes over the wire."""
    return Request(encode(method, path, "localhost", cookie, body), key, parts)


class Judge:
    """Checks answers one after the other. lua/checked.lua does the same in Lua."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._answered: set[str] = set()
        self._seen: set[str] = set()

    def complaint(self, status: int, body: str, asked: Request) -> str | None:
        """What is wrong with the answer; None for a success and for a refusal."""
        expected = self._expected
        if status in expected.refusals:
            return None if body.startswith(ERROR_BODY) else f"{status} without its reason: {body[:200]}"
        if status != expected.status:
            return f"{status} {body[:200]}"
        return self._complaint_about(body, asked)

    def _complaint_about(self, body: str, asked: Request) -> str | None:
        """What is wrong with what looks like a success."""
        expected = self._expected
        missing = [part for part in (*expected.parts, *asked.parts) if part not in body]
        if not body.startswith(expected.begins):
            return f"not what was asked for: {body[:200]}"
        found = body[len(expected.begins) :][:ID_DIGITS] if expected.fresh else ""
        if found in self._seen:
            return f"{found} came into being twice"
        if expected.names and f'{expected.names}{asked.key}"' not in body:
            return f"is about something else: {body[:200]}"
        if expected.names and asked.key in self._answered:
            return f"{asked.key} was answered twice"
        if expected.fresh:
            self._seen.add(found)
        self._answered.add(asked.key)
        return f"lacks {missing[0]}: {body[:200]}" if missing else None
