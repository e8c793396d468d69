"""A bought ticket as an event for calendars (RFC 5545)."""

from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event

from actors.domain.ticket_values import Order

# Nobody says when an event ends; calendars want to know how long to keep free.
_HOURS = 3


def calendar_file(order: Order, public_url: str) -> bytes:
    """Return the event of an order, which must have a date. Its time is in UTC, so that no zone is misread."""
    if order.starts_at is None:
        raise ValueError("an order without a date has no place in a calendar")
    starts = datetime.fromtimestamp(order.starts_at / 1_000, UTC)
    event = Event()
    event.add("uid", f"{order.id}@holdfast")
    event.add("dtstamp", datetime.fromtimestamp(order.updated_at / 1_000, UTC))
    event.add("dtstart", starts)
    event.add("dtend", starts + timedelta(hours=_HOURS))
    event.add("summary", order.title)
    if place := ", ".join(part for part in (order.venue, order.city) if part):
        event.add("location", place)
    event.add("url", f"{public_url}/orders/{order.id}")
    calendar = Calendar()
    calendar.add("prodid", "-//Holdfast//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
