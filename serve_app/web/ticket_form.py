"""What the form of a ticket says, in the words of the API: one schema checks both."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel import Locale
from babel.numbers import NumberFormatError, parse_decimal

from actors.domain.money import format_amount, least_price, parse_amount
from actors.domain.ticket_values import TicketDetails
from serve_app.http.errors import RequestValidationError
from serve_app.schemas.tickets import TicketBody
from serve_app.services import Services
from serve_app.web.formats import zone_name

_TEXTS = ("title", "description", "category", "venue", "city", "timezone", "section", "row", "seat", "restrictions")
_AMOUNTS = ("price", "faceValue")
# Fields of the API that stand in the form under another name.
NAMES = {"startsAt": "date"}
_PLAIN = re.compile(r"[0-9]+(?:[.,][0-9]{1,2})?")
_AMBIGUOUS = re.compile(r"[0-9]{1,3}[.,][0-9]{3}")
_LONGEST_AMOUNT = 32
_NONE = timedelta()


def ticket_body(fields: Mapping[str, str], locale: Locale, services: Services) -> TicketBody:
    """Return what the form says of a ticket. Raises RequestValidationError with all wrong fields at once."""
    value: dict[str, object] = {name: fields[name] for name in _TEXTS if name in fields}
    wrong: dict[str, str] = {}
    for name in _AMOUNTS:
        try:
            if name in fields:
                value[name] = amount_of(fields[name], locale)
        except ValueError as error:
            wrong[name] = str(error)
    try:
        if "date" in fields or "time" in fields:
            value["startsAt"] = _instant(fields)
    except ValueError as error:
        wrong["date"] = str(error)
    try:
        body = TicketBody.of(value, services.rules())
    except RequestValidationError as error:
        raise RequestValidationError({**error.fields, **wrong}) from None
    if wrong:
        raise RequestValidationError(wrong)
    return body


def amount_of(text: str, locale: Locale) -> str:
    """Return an amount as the API reads it: "42,5" is 42.5, and "1.234,50" is 1234.50 where that is how it is written.

    Raises ValueError for what can be read in two ways. What is no amount at all is left to the schema to refuse.
    """
    text = text.strip()
    if len(text) > _LONGEST_AMOUNT or _PLAIN.fullmatch(text):
        return text.replace(",", ".")
    if _AMBIGUOUS.fullmatch(text):
        raise ValueError("can be read in two ways: leave out the separator of the thousands")
    try:
        return str(parse_decimal(text, locale, strict=True))
    except NumberFormatError:
        return text


def price_of(fields: Mapping[str, str], locale: Locale, currency: str) -> int | None:
    """Return the price in cents, or None while there is none that a ticket could be listed at."""
    try:
        return parse_amount(amount_of(fields.get("price", ""), locale), least=least_price(currency))
    except ValueError:
        return None


def values_of(details: TicketDetails) -> dict[str, str]:
    """Return the form's values for a ticket that is there."""
    values = {name: getattr(details, name) or "" for name in _TEXTS}
    values["price"] = format_amount(details.price).replace(",", "")
    if details.face_value is not None:
        values["faceValue"] = format_amount(details.face_value).replace(",", "")
    if details.starts_at is not None:
        zone = ZoneInfo(details.timezone) if details.timezone else UTC
        moment = datetime.fromtimestamp(details.starts_at / 1_000, zone)
        values |= {"date": f"{moment:%Y-%m-%d}", "time": f"{moment:%H:%M}", "turn": str(moment.fold)}
    return {name: value for name, value in values.items() if value}


def turns_of(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the two moments that date and time can mean where the clocks go back, by their value in the form.

    Everywhere else there is nothing to choose.
    """
    try:
        first, second = _moments(fields)
    except ValueError:
        return []
    if first.utcoffset() == second.utcoffset() or _is_skipped(first, second):
        return []
    return [(str(each.fold), f"{each:%H:%M} {zone_name(each)}") for each in (first, second)]


def _instant(fields: Mapping[str, str]) -> str:
    """Return the beginning in ISO 8601, at the venue's clock; in UTC without a zone. Raises ValueError."""
    first, second = _moments(fields)
    if first.utcoffset() == second.utcoffset():
        return first.isoformat()
    if _is_skipped(first, second):
        raise ValueError("and time do not exist at the place: the clocks go forward then")
    chosen = {str(each.fold): each for each in (first, second)}.get(fields.get("turn", ""))
    if chosen is None:
        raise ValueError("and time come twice at the place, as the clocks go back then: choose which one it is")
    return chosen.isoformat()


def _moments(fields: Mapping[str, str]) -> tuple[datetime, datetime]:
    """Return what the clock at the venue can mean: before a change of it, and after. Raises ValueError."""
    if "date" not in fields or "time" not in fields:
        raise ValueError("needs both the date and the time")
    try:
        day, clock = date.fromisoformat(fields["date"]), time.fromisoformat(fields["time"])
        zone = ZoneInfo(fields["timezone"]) if "timezone" in fields else UTC
    except (ValueError, LookupError, OSError):
        raise ValueError("must be a date such as 2027-01-31 and a time such as 19:30") from None
    moment = datetime.combine(day, clock.replace(tzinfo=None), zone)
    return moment.replace(fold=0), moment.replace(fold=1)


def _is_skipped(before: datetime, after: datetime) -> bool:
    """Whether the clocks go forward over it (PEP 495: a later offset is the larger one then)."""
    return (before.utcoffset() or _NONE) < (after.utcoffset() or _NONE)
