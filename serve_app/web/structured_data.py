"""A ticket as search engines read it (https://developers.google.com/search/docs/appearance/structured-data/event)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from actors.domain.money import format_amount
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import TicketStatus
from serve_app.http.timestamps import iso

_TYPES = {
    "concert": "MusicEvent",
    "sports": "SportsEvent",
    "theater": "TheaterEvent",
    "comedy": "ComedyEvent",
    "festival": "Festival",
}
_AVAILABILITY = {TicketStatus.AVAILABLE: "InStock", TicketStatus.RESERVED: "Reserved", TicketStatus.SOLD: "SoldOut"}


def event_of(ticket: Ticket, public_url: str) -> dict[str, object] | None:
    """Return the event in JSON-LD, None without when or where: name, startDate and location.address are required."""
    details = ticket.details
    availability = _AVAILABILITY.get(ticket.status)
    if details.starts_at is None or not (details.venue or details.city) or availability is None:
        return None
    zone = ZoneInfo(details.timezone) if details.timezone else UTC
    place = details.venue or details.city
    return {
        "@context": "https://schema.org",
        "@type": _TYPES.get(details.category or "", "Event"),
        "name": details.title,
        "startDate": datetime.fromtimestamp(details.starts_at / 1_000, zone).isoformat(timespec="minutes"),
        "eventStatus": "https://schema.org/EventScheduled",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": {
            "@type": "Place",
            "name": place,
            "address": {"@type": "PostalAddress", "addressLocality": details.city or place},
        },
        "offers": {
            "@type": "Offer",
            "url": f"{public_url}/tickets/{ticket.id}",
            "price": format_amount(details.price).replace(",", ""),
            "priceCurrency": details.currency.upper(),
            "availability": f"https://schema.org/{availability}",
            "validFrom": iso(ticket.created_at),
            "category": "secondary",
        },
    }
