"""Tickets that could be real: invented artists and teams, plays nobody owns, and places with their time zones."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from actors.domain.fees import highest_price
from actors.domain.instants import Instant
from actors.domain.money import MAX_CENTS, least_price
from actors.domain.ticket_values import TicketDetails

# City, time zone, venues.
_PLACES = (
    ("Vienna", "Europe/Vienna", ("Danube Hall", "Ring Theater", "Prater Arena")),
    ("Berlin", "Europe/Berlin", ("Spree Hall", "Court Theater", "Tempelhof Field")),
    ("Hamburg", "Europe/Berlin", ("Harbor Arena", "Pier Playhouse", "Elbe Meadow")),
    ("London", "Europe/London", ("Roundhouse North", "Southbank Stage", "Thames Arena")),
    ("Dublin", "Europe/Dublin", ("Liffey Hall", "Abbey Yard", "Docklands Arena")),
    ("Lisbon", "Europe/Lisbon", ("Tagus Pavilion", "Alfama Stage", "Riverside Park")),
    ("New York", "America/New_York", ("Hudson Hall", "Eastside Cellar", "Borough Arena")),
    ("Toronto", "America/Toronto", ("Lakeside Dome", "Queen Street Stage", "Ice Palace")),
    ("Chicago", "America/Chicago", ("Lake Hall", "Loop Theater", "Prairie Field")),
    ("Austin", "America/Chicago", ("Congress Stage", "North Meadow", "Hill Country Arena")),
    ("Los Angeles", "America/Los_Angeles", ("Canyon Bowl", "Sunset Stage", "Pacific Arena")),
    ("Mexico City", "America/Mexico_City", ("Foro Norte", "Teatro Jardin", "Arena del Valle")),
    ("Tokyo", "Asia/Tokyo", ("Sumida Hall", "Kanda Stage", "Bay Dome")),
    ("Sydney", "Australia/Sydney", ("Harbour Stage", "Cove Theatre", "Eastern Oval")),
)
_ADJECTIVES = (
    "Paper",
    "Silent",
    "Northern",
    "Velvet",
    "Electric",
    "Amber",
    "Midnight",
    "Hollow",
    "Golden",
    "Wandering",
)
_NOUNS = (
    "Lanterns",
    "Harbors",
    "Sparrows",
    "Machines",
    "Rivers",
    "Orchards",
    "Foxes",
    "Satellites",
    "Letters",
    "Tides",
)
_TOURS = (
    "Night Garden Tour",
    "Low Tide Tour",
    "Songs from the Attic",
    "The Long Way Home",
    "Open Windows",
    "Unplugged",
)
_TOWNS = ("Harbor", "Lighthouse", "Meadow", "Foundry", "Riverside", "Northgate", "Old Mill", "Summit", "Ironbridge")
_CLUBS = ("United", "City", "Rovers", "Athletic", "Wanderers")
_PLAYS = ("Hamlet", "Faust", "The Cherry Orchard", "Antigone", "The Seagull", "Twelfth Night", "Peer Gynt", "Medea")
_OPERAS = ("The Magic Flute", "Carmen", "La Traviata", "The Barber of Seville", "Rusalka")
_COMICS = ("Jo Ortiz", "Sam Whitlock", "Priya Nandan", "Bea Lund", "Tom Okafor", "Mina Castell")
_SHOWS = ("Still Talking", "Sorry, Who Are You?", "Work in Progress", "One Chair, No Plan", "It Was Funnier at Home")
_PASSES = ("day ticket", "weekend", "three days with camping")
_FESTIVALS = ("Midsummer Fields", "Lantern Weekend", "Harvest Sounds", "Coastline", "Open Sky")
_FAMILY = ("The Snow Queen on Ice", "A Day with the Dinosaurs", "Peter and the Wolf", "The Puppet Circus")
_OTHER = ("Wine and Words", "Observatory Night", "Old Town Ghost Walk", "Chess Grandmasters Live")
_RESTRICTIONS = ("View partly blocked", "Student card needed", "Standing only", "Not for children under 12")
_DESCRIPTIONS = (
    "I cannot go after all. Mobile ticket, handed over at once.",
    "Two seats side by side are for sale; this is one of them.",
    "Bought at the first sale. Good view, close to the aisle.",
    "A present that came twice.",
)
# What a ticket of the kind costs at first, in cents.
_FACE_VALUES = {
    "concert": (3_500, 15_000),
    "sports": (2_000, 12_000),
    "theater": (2_500, 11_000),
    "comedy": (1_500, 4_500),
    "festival": (9_000, 29_000),
    "family": (1_500, 6_000),
    "other": (1_000, 5_000),
}
_KINDS = (
    "concert",
    "concert",
    "concert",
    "sports",
    "sports",
    "theater",
    "theater",
    "comedy",
    "festival",
    "family",
    "other",
)
_BEGINNINGS = ((19, 30), (20, 0), (15, 0), (18, 0), (11, 0))
_DAYS = 365


def plausible_ticket(chance: random.Random, now: Instant, currency: str, cap: int | None = None) -> TicketDetails:
    """Return a ticket for an event of the next year, which costs at most a tenth more than at first.

    With a cap, in hundredths of a percent, it says what it cost at first, and keeps to the cap.
    """
    kind = chance.choice(_KINDS)
    city, zone, venues = chance.choice(_PLACES)
    lowest, highest = _FACE_VALUES[kind]
    face_value = chance.randrange(lowest, highest + 1, 50)
    price = min(max(round(face_value * chance.uniform(0.6, 1.1)) // 50 * 50, least_price(currency)), MAX_CENTS)
    if cap is not None:
        price = min(price, highest_price(face_value, cap))
    is_seated = kind in ("theater", "sports", "family")
    return TicketDetails(
        _title(chance, kind),
        price,
        currency,
        description=chance.choice(_DESCRIPTIONS) if chance.random() < 0.6 else None,  # noqa: PLR2004 - as people do
        category=kind,
        venue=chance.choice(venues),
        city=city,
        starts_at=_beginning(chance, now, zone),
        timezone=zone,
        section=chance.choice("ABCDEF") if is_seated else None,
        row=str(chance.randint(1, 40)) if is_seated else None,
        seat=str(chance.randint(1, 60)) if is_seated else None,
        restrictions=chance.choice(_RESTRICTIONS) if chance.random() < 0.1 else None,  # noqa: PLR2004 - as people do
        face_value=face_value if chance.random() < 0.7 or cap is not None else None,  # noqa: PLR2004 - as people do
    )


def _title(chance: random.Random, kind: str) -> str:
    return _TITLES[kind](chance)


def _concert(chance: random.Random) -> str:
    if chance.random() < 0.2:  # noqa: PLR2004 - as many are operas
        return chance.choice(_OPERAS)
    return f"The {chance.choice(_ADJECTIVES)} {chance.choice(_NOUNS)}: {chance.choice(_TOURS)}"


def _match(chance: random.Random) -> str:
    home, guests = chance.sample(_TOWNS, 2)
    return f"{home} {chance.choice(_CLUBS)} – {guests} {chance.choice(_CLUBS)}"  # noqa: RUF001 - as fixtures are written


_TITLES: dict[str, Callable[[random.Random], str]] = {
    "concert": _concert,
    "sports": _match,
    "theater": lambda chance: chance.choice(_PLAYS),
    "comedy": lambda chance: f"{chance.choice(_COMICS)}: {chance.choice(_SHOWS)}",
    "festival": lambda chance: f"{chance.choice(_FESTIVALS)}, {chance.choice(_PASSES)}",
    "family": lambda chance: chance.choice(_FAMILY),
    "other": lambda chance: chance.choice(_OTHER),
}


def _beginning(chance: random.Random, now: Instant, zone: str) -> Instant:
    hour, minute = chance.choice(_BEGINNINGS)
    day = datetime.fromtimestamp(now / 1_000, ZoneInfo(zone)) + timedelta(days=chance.randint(2, _DAYS))
    return int(day.replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp() * 1_000)
