"""Who looks at a page, and how they write prices and times."""

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from starlette.requests import Request

from actors.domain.instants import Instant
from serve_app.accounts.tokens import Session
from serve_app.http.errors import DatabaseConnectionError
from serve_app.services import services_of

# Set by holdfast.js: strictly functional, and no other cookie says anything about the browser.
TIMEZONE_COOKIE = "tz"
_DEFAULT_REGION = "US"
_WORLD = "en_001"
_LONGEST_HEADER = 200
_TIME_ZONES = available_timezones()


@dataclass(frozen=True, slots=True)
class Visitor:
    """The person before the page. Words are English; formats are those of their region and time zone.

    `timezone` is None while the browser has not said it: then times are shown in UTC, and say so.
    `session` is None for who is not signed in.
    """

    session: Session | None
    locale: Locale
    timezone: ZoneInfo | None
    now: Instant

    @property
    def user_id(self) -> str | None:
        """The signed-in user's id."""
        return self.session.user_id if self.session else None

    @property
    def formats_key(self) -> tuple[str, str]:
        """What a rendering depends on besides its data: locale and time zone."""
        return str(self.locale), self.timezone.key if self.timezone else ""


def visitor_of(request: Request) -> Visitor:
    """Return who the request comes from. While the database is away, a session that must be renewed counts as none."""
    services = services_of(request)
    try:
        session = services.sessions.current(request)
    except DatabaseConnectionError:
        session = None
    return Visitor(
        session,
        locale_of(request.headers.get("accept-language", "")),
        _zone(request.cookies.get(TIMEZONE_COOKIE, "")),
        services.clock(),
    )


@lru_cache(maxsize=256)
def _locale_in(region: str) -> Locale:
    """Return English as it is written in a region, or in the world where nobody has noted that."""
    try:
        return Locale.parse(f"en_{region}")
    except UnknownLocaleError:
        return Locale.parse(_WORLD)


def locale_of(accept_language: str) -> Locale:
    """Return English with the formats of the first region that the header names; the words of pages are English."""
    for language in accept_language[:_LONGEST_HEADER].split(","):
        parts = language.partition(";")[0].strip().split("-")
        region = next((part.upper() for part in parts[1:] if len(part) == len("US") and part.isalpha()), None)
        if region is None and len(parts) == 1:
            region = _region_of(parts[0].lower())
        if region is not None:
            return _locale_in(region)
    return _locale_in(_DEFAULT_REGION)


@lru_cache(maxsize=256)
def _region_of(language: str) -> str | None:
    """Return where a language without a region is mostly spoken: `de` is Germany (Unicode's likely subtags)."""
    likely = get_global("likely_subtags")
    return str(likely[language]).split("_")[-1] if language in likely else None


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if name in _TIME_ZONES else None
