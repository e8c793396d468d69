"""Prices and times as the visitor's region writes them, with what machines read beside it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, get_currency_symbol
from markupsafe import Markup

from actors.domain.instants import Instant
from actors.domain.money import DECIMALS
from serve_app.http.timestamps import iso
from serve_app.web.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Formats:
    """What templates know as `fmt`."""

    visitor: Visitor

    def price(self, cents: int, currency: str) -> str:
        """Return an amount of cents, such as $42.50. The sign stands alone only where it is the region's own money."""
        return _price(cents, currency.upper(), self.visitor.locale)

    def plain(self, cents: int) -> str:
        """Return an amount as programs and forms write it: 1250 is 12.50."""
        return f"{cents // 100}.{cents % 100:02d}"

    def number(self, number: int) -> str:
        """1,234 in the visitor's region."""
        return format_decimal(number, locale=self.visitor.locale)

    def event_time(self, starts_at: Instant, timezone: str | None) -> Markup:
        """Return date and time at the venue, whoever looks; in UTC, and said so, when its zone is not known."""
        return self._time(starts_at, ZoneInfo(timezone) if timezone else UTC, names_zone=True)

    def time(self, instant: Instant) -> Markup:
        """Return date and time for the visitor: in their zone, or in UTC while that is not known."""
        return self._time(instant, self._zone, names_zone=self._names_zone(instant), local="time")

    def clock(self, instant: Instant) -> Markup:
        """Return the time of day for the visitor, such as 2:32 PM, for what ends within a day."""
        moment = _moment(instant, self._zone)
        text = _time_of_day(moment.hour, moment.minute, self.visitor.locale)
        return self._element(instant, f"{text} {zone_name(moment)}" if self._names_zone(instant) else text, "clock")

    def date(self, instant: Instant) -> Markup:
        """Return the date for the visitor."""
        moment = _moment(instant, self._zone)
        return self._element(instant, format_date(moment, "long", locale=self.visitor.locale), "date")

    def minutes_left(self, instant: Instant) -> int:
        """Return the minutes from now to the instant, rounded up, at least 0."""
        return max(0, -((self.visitor.now - instant) // 60_000))

    @property
    def _zone(self) -> tzinfo:
        return self.visitor.timezone or UTC

    def _names_zone(self, instant: Instant) -> bool:
        """Whether the time of day alone does not say when it is: in UTC, and where the clocks go back over it."""
        moment = _moment(instant, self._zone)
        return self.visitor.timezone is None or moment.utcoffset() != moment.replace(fold=1 - moment.fold).utcoffset()

    def _time(self, instant: Instant, zone: tzinfo, *, names_zone: bool, local: str = "") -> Markup:
        moment, locale = _moment(instant, zone), self.visitor.locale
        text = f"{_day(moment.date(), locale)}, {_time_of_day(moment.hour, moment.minute, locale)}"
        return self._element(instant, f"{text} {zone_name(moment)}" if names_zone else text, local)

    def _element(self, instant: Instant, text: str, local: str) -> Markup:
        """Return a time for people and machines. Where the zone is not known the script shows the browser's."""
        if local and self.visitor.timezone is None:
            return Markup('<time datetime="{}" data-local="{}">{}</time>').format(iso(instant), local, text)
        return Markup('<time datetime="{}">{}</time>').format(iso(instant), text)


def zone_name(moment: datetime) -> str:
    """Return the short name of its zone: CET, EST, or UTC+07 where the zone has no letters."""
    name = moment.tzname() or "UTC"
    return name if name[:1].isalpha() else f"UTC{name}"


def _moment(instant: Instant, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(instant / 1_000, zone)


# Babel takes some 15 us for a price, and 10 us each for a date and a time of day (measured). A list shows the same
# prices again and again, to everybody who looks and after each change of one ticket; days and times of day are few.
@lru_cache(maxsize=8_192)
def _price(cents: int, code: str, locale: Locale) -> str:
    text = format_currency(Decimal(cents).scaleb(-DECIMALS), code, locale=locale)
    is_bare = get_currency_symbol(code, locale) == "$"
    # Babel leaves the sign alone in countries that have dollars of their own, and where others pay with rupees.
    return text.replace("$", f"{code[:2]}$") if is_bare and code not in _money_of(locale.territory) else text


@lru_cache(maxsize=8_192)
def _day(day: date, locale: Locale) -> str:
    return format_date(day, "full", locale=locale)


@lru_cache(maxsize=8_192)
def _time_of_day(hour: int, minute: int, locale: Locale) -> str:
    return format_time(time(hour, minute), "short", locale=locale)


@lru_cache(maxsize=512)
def _money_of(territory: str | None) -> frozenset[str]:
    """Return the currencies of a country today (those in CLDR that have no end)."""
    known = get_global("territory_currencies").get(territory or "", ())
    return frozenset(entry[0] for entry in known if entry[2] is None)
