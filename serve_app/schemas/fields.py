"""The kinds of fields: each checks its text and says in words what is wrong with it."""

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from actors.domain import fees, money
from actors.domain.ids import is_id
from actors.domain.instants import Instant
from actors.storage.access_tokens import SCOPES, AccessScope
from serve_app.http.timestamps import instant_of
from serve_app.schemas.body import Rules

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 5_000
PLACE_LENGTH = 200
SEAT_LENGTH = 50
RESTRICTIONS_LENGTH = 1_000
TOKEN_NAME_LENGTH = 100
LONGEST_EXPIRY_DAYS = 365
# RFC 5321 section 4.5.3.1: 256 octets for a path, of which two are its angle brackets.
EMAIL_LENGTH = 254
PASSWORD_LENGTH = 128
# Far more than anything happens to a ticket, and exact in every client's JSON.
LAST_VERSION = 2**53 - 1
# Reading their names takes 60 ms, so it is done before anybody waits.
_TIME_ZONES = available_timezones()
# The largest instant that still has a year of four digits.
_LAST_INSTANT = 253_402_300_799_999

_UNCLEAN = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Embeddings, overrides and isolates reach beyond the text that they stand in (UAX 9; "Trojan Source", CVE-2021-42574).
# The marks for one place, which Hebrew and Arabic need now and then, do not.
_TURNS_ROUND = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and signs without a picture: Hangul fillers, the Braille blank, a null note, hieroglyphic blanks.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00013441\U00013442")

# Tibetan stacks have up to eight, the most of any script; normalising takes time with the square of their number.
_MOST_MARKS = 10

# 256 random bits in base64url.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

Category: TypeAlias = Literal["sports", "concert", "theater", "comedy", "festival", "family", "other"]


def rules_of(info: ValidationInfo) -> Rules:
    """Return what the route gave to the validation."""
    if not isinstance(info.context, Rules):
        raise TypeError("validate with Body.of or Query.of")
    return info.context


def is_clean(text: str, *, allowed: str = "") -> bool:
    """Whether the text has no control characters, line separators, or halves of surrogate pairs.

    The last cannot be encoded.
    """
    return not any(unicodedata.category(character) in _UNCLEAN and character not in allowed for character in text)


def shows_something(text: str) -> bool:
    """Whether readers see anything of the text: a letter, number or sign that is not blank."""
    return any(unicodedata.category(character)[0] in "LNPS" and character not in _BLANK for character in text)


def has_many_marks(text: str) -> bool:
    """Whether more than ten marks stand on one letter, those that cannot be seen left out of account."""
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "M":
            marks += 1
            if marks > _MOST_MARKS:
                return True
        elif category != "Cf":
            marks = 0
    return False


def _text(longest: int, *, required: bool = False, allowed: str = "") -> Callable[[str | None], str | None]:
    def check(text: str | None) -> str | None:
        text = (text or "").strip()
        if len(text) > longest or (required and not text):
            raise ValueError(f"must have {'1 to' if required else 'at most'} {longest:,} characters")
        if not is_clean(text, allowed=allowed):
            raise ValueError("must not have control characters")
        if not _TURNS_ROUND.isdisjoint(text):
            raise ValueError("must not have characters that change the direction of the text around them")
        if not text.isascii() and has_many_marks(text):
            raise ValueError(f"must have at most {_MOST_MARKS} accents or other marks on one letter")
        if text and not shows_something(text):
            raise ValueError("must have characters that can be seen")
        return text or None

    return check


def _cents(amount: object, least: int = money.MIN_CENTS) -> int:
    if not isinstance(amount, int | float | str):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic collects ValueError
    try:
        return money.parse_amount(amount, least=least)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("price ")) from None


def _price(amount: object, info: ValidationInfo) -> int:
    """What is listed can be paid: Stripe takes no less."""
    return _cents(amount, money.least_price(rules_of(info).currency))


def _optional_cents(amount: object) -> int | None:
    return None if amount is None else _cents(amount)


def _face_value(amount: object, info: ValidationInfo) -> int | None:
    """Where prices are capped it is required, and the price is checked against it as far as both are right."""
    face_value = None if amount is None else _cents(amount, least=0)
    cap, price = rules_of(info).resale_cap, info.data.get("price")
    if cap is None:
        return face_value
    if face_value is None:
        # pydantic calls a field by its name in Python where its default is what is wrong.
        raise _refusal("faceValue", "is required: this market limits prices by it")
    highest = fees.highest_price(face_value, cap)
    if price is not None and price > highest:
        most = f"must be at most {money.format_amount(highest)}, {fees.spoken_percent(cap)} of the face value"
        raise _refusal("price", most)
    return face_value


def _refusal(field: str, rule: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{error}", {"field": field, "error": rule})


def _time_zone(name: str | None) -> str | None:
    if name is not None and name not in _TIME_ZONES:
        raise ValueError("must be the IANA name of a time zone, such as Europe/Vienna")
    return name


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError("must be an id of 24 hexadecimal digits")
    return text


def _future(value: object, info: ValidationInfo) -> Instant | None:
    if value is None:
        return None
    try:
        instant = instant_of(value) if isinstance(value, str) else -1
    except ValueError:
        instant = -1
    if not 0 <= instant <= _LAST_INSTANT:
        raise ValueError("must be a date and time with a zone, such as 2030-05-01T19:30:00Z")
    if instant <= rules_of(info).now:
        raise ValueError("must be in the future")
    return instant


def _market_currency(code: str | None, info: ValidationInfo) -> str:
    currency = rules_of(info).currency
    if code is not None and code.lower() != currency:
        raise ValueError(f"must be {currency}, the currency of this market")
    return currency


def _email(text: str) -> str:
    try:
        return validate_email(_known_email(text), check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        # What the library says of it repeats the input.
        raise ValueError("must be an email address") from None


def _known_email(text: str) -> str:
    """Refuse only what nobody can have: users from the time of an older rule still sign in."""
    text = text.strip() if is_clean(text) else ""
    local_part, _, domain = text.rpartition("@")
    if len(text) > EMAIL_LENGTH or not local_part or not domain:
        raise ValueError("must be an email address")
    return text


def _new_password(text: str, info: ValidationInfo) -> str:
    shortest = rules_of(info).password_min_length
    if not shortest <= len(text) <= PASSWORD_LENGTH:
        raise ValueError(f"must have {shortest} to {PASSWORD_LENGTH} characters")
    return _password(text)


def _password(text: str) -> str:
    if not 1 <= len(text) <= PASSWORD_LENGTH:
        raise ValueError(f"must have 1 to {PASSWORD_LENGTH} characters")
    if not is_clean(text):
        raise ValueError("must not have control characters")
    return text


def _token(text: str) -> str:
    if _TOKEN.fullmatch(text) is None:
        raise ValueError("must be as it stands in the mail")
    return text


def _scopes(scopes: list[AccessScope]) -> list[AccessScope]:
    if not scopes:
        raise ValueError(f"must have at least one of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in scopes]


def _expiry_days(days: int) -> int:
    if not 1 <= days <= LONGEST_EXPIRY_DAYS:
        raise ValueError(f"must be 1 to {LONGEST_EXPIRY_DAYS}")
    return days


def _schema(**schema: Any) -> WithJsonSchema:  # noqa: ANN401 - JSON Schema
    return WithJsonSchema(schema)


def _described(kind: str, **more: Any) -> WithJsonSchema:  # noqa: ANN401 - JSON Schema
    return _schema(type=kind, **more)


def _amount(least: float, more: str = "") -> WithJsonSchema:
    return _schema(
        description=f"Major units with at most two decimals; a numeric string is accepted.{more}",
        anyOf=[{"type": "number", "minimum": least, "maximum": 999_999.99}, {"type": "string"}],
        examples=[12.5],
    )


_PRICE = _amount(0.5, " At least what Stripe takes in the currency of the market.")

Title = Annotated[
    str, AfterValidator(_text(TITLE_LENGTH, required=True)), _described("string", minLength=1, maxLength=TITLE_LENGTH)
]
Description = Annotated[
    str | None,
    AfterValidator(_text(DESCRIPTION_LENGTH, allowed="\r\n\t")),
    _described("string", maxLength=DESCRIPTION_LENGTH),
]
Place = Annotated[str | None, AfterValidator(_text(PLACE_LENGTH)), _described("string", maxLength=PLACE_LENGTH)]
Seat = Annotated[str | None, AfterValidator(_text(SEAT_LENGTH)), _described("string", maxLength=SEAT_LENGTH)]
Restrictions = Annotated[
    str | None,
    AfterValidator(_text(RESTRICTIONS_LENGTH, allowed="\r\n\t")),
    _described("string", maxLength=RESTRICTIONS_LENGTH),
]
TimeZone = Annotated[str | None, AfterValidator(_time_zone), _described("string", examples=["Europe/Vienna"])]
Price = Annotated[int, BeforeValidator(_price), _PRICE]
OptionalPrice = Annotated[int | None, BeforeValidator(_optional_cents), _amount(0.5)]
FaceValue = Annotated[
    int | None,
    BeforeValidator(_face_value),
    _amount(0, " Required where RESALE_CAP_PERCENT limits prices by it."),
]
Version = Annotated[int | None, Field(ge=1, le=LAST_VERSION)]
StartsAt = Annotated[Instant | None, BeforeValidator(_future), _described("string", format="date-time")]
Currency = Annotated[str | None, AfterValidator(_market_currency), _described("string", examples=["usd"])]
Id = Annotated[str, AfterValidator(_id), _described("string", pattern="^[0-9a-f]{24}$")]
Email = Annotated[str, AfterValidator(_email), _described("string", format="email", maxLength=EMAIL_LENGTH)]
KnownEmail = Annotated[str, AfterValidator(_known_email), _described("string", format="email", maxLength=EMAIL_LENGTH)]
NewPassword = Annotated[
    str, AfterValidator(_new_password), _described("string", format="password", maxLength=PASSWORD_LENGTH)
]
Password = Annotated[
    str, AfterValidator(_password), _described("string", format="password", minLength=1, maxLength=PASSWORD_LENGTH)
]
Token = Annotated[str, AfterValidator(_token), _described("string", pattern="^[A-Za-z0-9_-]{43}$")]
TokenName = Annotated[
    str,
    AfterValidator(_text(TOKEN_NAME_LENGTH, required=True)),
    _described("string", minLength=1, maxLength=TOKEN_NAME_LENGTH),
]
Scopes = Annotated[
    list[AccessScope],
    AfterValidator(_scopes),
    _described("array", items={"type": "string", "enum": [*SCOPES]}, minItems=1),
]
ExpiryDays = Annotated[
    int, AfterValidator(_expiry_days), _described("integer", minimum=1, maximum=LONGEST_EXPIRY_DAYS, default=90)
]
