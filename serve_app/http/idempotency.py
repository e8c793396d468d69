"""`Idempotency-Key`: the id of what a request makes follows from its key, so a repeat names the same thing."""

from dataclasses import dataclass

from bson import ObjectId
from starlette.requests import Request

from actors.domain.ids import derived_id, fingerprint
from serve_app.http.errors import RequestValidationError
from serve_app.schemas.body import Body

HEADER = "Idempotency-Key"
_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Identity:
    """The id of what a request makes, and a digest of what it asks for when it came with a key."""

    id: str
    request: str | None = None

    @property
    def is_keyed(self) -> bool:
        """Whether a repeat of the request has the same id."""
        return self.request is not None


def key_of(request: Request) -> str | None:
    """Return the key that a program sent with the request. A page has its own in a hidden field."""
    return request.headers.get(HEADER)


def identify(key: str | None, route: str, scope: str, body: Body) -> Identity:
    """Return the request's identity: derived from scope (the user), route and key, or random without a key.

    Raises RequestValidationError for a key that is empty, too long or not printable ASCII.
    """
    if key is None:
        return Identity(str(ObjectId()))
    if not 1 <= len(key) <= _LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise RequestValidationError({HEADER: f"must have 1 to {_LONGEST_KEY} printable ASCII characters"})
    return Identity(derived_id(scope, route, key), digest_of(body))


def digest_of(body: Body) -> str:
    """Return a digest of what the body asks for, the same in every release that takes it.

    A field at its default says no more than one that an older release does not know, so it is left out. Those of the
    first release stay in, as nulls, because that is what their digests were made of.
    """
    silent = {
        name
        for name, field in type(body).model_fields.items()
        if not field.is_required() and name not in body.of_first_release and getattr(body, name) == field.default
    }
    return fingerprint(body.model_dump_json(exclude=silent))
