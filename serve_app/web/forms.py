"""Forms: read with limits, and shown again with what was typed and what is wrong with it."""

import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request

from serve_app.http.errors import (
    CustomError,
    ErrorEntry,
    PayloadTooLargeError,
    RequestValidationError,
    UnsupportedMediaTypeError,
)
from serve_app.http.idempotency import HEADER
from serve_app.http.request_body import read_raw

KEY = "key"
# Where the label of a field is more than its name written out.
_LABELS = {"token": "the code", "minPrice": "price from", "maxPrice": "price to"}
_MOST_FIELDS = 60
_MINUTE_SECONDS = 60
_UNKNOWN: ErrorEntry = {"message": "We do not know yet whether it was done. Send it again: nothing happens twice."}
# The longest description is 5,000 characters, each at most twelve bytes in a form.
_LARGEST_FORM = 131_072
_CAPITAL = re.compile("[A-Z]")
_MEDIA_TYPE = "application/x-www-form-urlencoded"
# Never shown again, whatever else is. (The code of a mail is: its page is stored nowhere, and the mail may be closed.)
_SECRET_FIELDS = frozenset({"password", "currentPassword", "newPassword"})
# What may stand in an address as it is (RFC 3986, section 2.2), and what is encoded already.
_IN_ADDRESSES = "/?&=#%:+,;@!$'()*~-._"


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form, without those that were left empty. Lines end with a line feed alone.

    Raises UnsupportedMediaTypeError, PayloadTooLargeError, RequestTimeoutError, and RequestValidationError for what no
    browser sends: a field twice, more than 60 of them, or text that is no UTF-8.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise UnsupportedMediaTypeError("Send the form as a browser does.")
    raw = await read_raw(request)
    if len(raw) > _LARGEST_FORM:
        raise PayloadTooLargeError("This form is too long.")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:  # UnicodeError is one
        raise RequestValidationError({"": "The form is not valid."}) from None
    fields = {name: value.replace("\r\n", "\n") for name, value in pairs}
    if len(fields) != len(pairs):
        raise RequestValidationError({"": "The form is not valid."})
    return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Form:
    """What templates show of a form: its values, the message at each field, and messages about the whole.

    `key` becomes the Idempotency-Key of what the form makes: the same for a form that is sent twice or shown again.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @classmethod
    def failed(cls, values: Mapping[str, str], error: CustomError, *, names: Mapping[str, str] | None = None) -> "Form":
        """Return the form with what the service refused. `names` maps fields of the API to those of the form."""
        errors: dict[str, str] = {}
        messages: list[str] = []
        # What the API says then is for programs: it speaks of Idempotency-Key.
        is_unknown = error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        if error.retry_after_seconds is not None and error.retry_after_seconds >= _MINUTE_SECONDS:
            messages.append(f"Try again in {math.ceil(error.retry_after_seconds / _MINUTE_SECONDS)} minutes.")
        for entry in [_UNKNOWN] if is_unknown else error.serialize_errors():
            name = entry.get("field")
            if name is None or name == HEADER:
                messages.append(entry["message"])
            else:
                errors.setdefault((names or {}).get(name, name), _in_words(entry["message"], name))
        shown = {name: value for name, value in values.items() if name not in _SECRET_FIELDS and name != KEY}
        return cls(shown, errors, tuple(messages), values.get(KEY) or secrets.token_urlsafe(16))

    @property
    def has_errors(self) -> bool:
        """Whether something is to be put right."""
        return bool(self.errors or self.messages)

    def value(self, name: str) -> str:
        """Return what was typed into the field, or nothing."""
        return self.values.get(name, "")


def _in_words(message: str, field: str) -> str:
    """Return the message with its field as the form calls it: `faceValue` is "face value"."""
    label = _LABELS.get(field) or _CAPITAL.sub(lambda capital: f" {capital[0].lower()}", field)
    return message.replace(field, label, 1)


def sent(fields: Mapping[str, str], *names: str) -> dict[str, object]:
    """Return the fields that a schema is to check: what else a form has is not its matter."""
    return {name: fields[name] for name in names if name in fields}


def own_path(text: str | None, otherwise: str = "/") -> str:
    """Return the path, with its query, if it is one of this market: never another site's (CWE-601).

    What is no ASCII is encoded, so that it can stand in a header.
    """
    if not text or not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return otherwise
    parts = urlsplit(text)
    return otherwise if parts.scheme or parts.netloc else quote(text, safe=_IN_ADDRESSES)
