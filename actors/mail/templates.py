"""What is written to people. Plain text: it is read everywhere, and nothing in it is loaded from anywhere."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from actors.domain.instants import Instant
from actors.domain.ticket_values import Order, TicketDetails


class MailKind(StrEnum):
    """Why somebody is written to."""

    VERIFICATION = "verification"
    PASSWORD_RESET = "password-reset"  # noqa: S105 - no password
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - no password
    RECEIPT = "receipt"
    REFUND = "refund"
    OFFER = "offer"
    WEBHOOK_DISABLED = "webhook-disabled"


@dataclass(frozen=True, slots=True)
class Message:
    """What one mail says."""

    subject: str
    text: str


def verification(link: str) -> Message:
    """Return the request to show that the address is one's own."""
    return Message(
        "Confirm your email address",
        f"Welcome to Holdfast.\n\nOpen this within a day to confirm that this is your email address:\n\n{link}\n\n"
        "If you did not sign up, ignore this mail.\n",
    )


def password_reset(link: str) -> Message:
    """Return the way to another password."""
    return Message(
        "Choose another password",
        f"Somebody, we hope you, asked for another password at Holdfast.\n\nOpen this address within an hour to choose "
        f"one:\n\n{link}\n\nIf it was not you, ignore this mail: your password stays as it is.\n",
    )


def password_changed() -> Message:
    """Return the news that whoever did not do it has to hear of."""
    return Message(
        "Your password was changed",
        "The password of your Holdfast account was changed a moment ago, and you were signed out everywhere else.\n\n"
        "If it was not you, ask for another password on the sign-in page at once.\n",
    )


def webhook_disabled(link: str) -> Message:
    """Return the news that a program of the owner hears nothing any more."""
    return Message(
        "A webhook endpoint was disabled",
        "One of your webhook endpoints at Holdfast was disabled: it answered that it is gone, every delivery failed "
        "for five days, or too many deliveries waited for it.\n\n"
        f"What it answered, and how to enable it again:\n\n{link}\n",
    )


def receipt(order: Order, details: TicketDetails) -> Message:
    """Return what a buyer gets for their money."""
    return Message(
        f"Your ticket: {order.title}",
        f"Thank you. You bought this ticket:\n\n{_facts(order, details)}\nThe ticket is yours. "
        "Should the seller take it back before the event begins, you get all of your money back and a mail about it.\n",
    )


def refund(order: Order, details: TicketDetails) -> Message:
    """Return what a buyer is told whose money is on its way back."""
    return Message(
        f"Your money back: {order.title}",
        f"This purchase was cancelled and your payment refunded:\n\n{_facts(order, details)}\n"
        "Your bank shows the money within 5 to 10 days.\n",
    )


def offer(order: Order, details: TicketDetails, link: str) -> Message:
    """Return what somebody is told who waited for a ticket that is theirs now if they want it."""
    return Message(
        f"Your turn: {order.title}",
        f"You wait for this ticket, and it is yours now if you want it:\n\n{_facts(order, details)}\n"
        f"Decide until {_time(order.expires_at, details.timezone)}. Take it or let it go here:\n\n{link}\n\n"
        "If you do nothing it goes to whoever is next, and you are no longer in line.\n",
    )


def _facts(order: Order, details: TicketDetails) -> str:
    facts = {
        "Ticket": order.title,
        "Where": _listed(details.venue, details.city),
        "When": "" if details.starts_at is None else _time(details.starts_at, details.timezone),
        "Seat": _listed(details.section, details.row and f"row {details.row}", details.seat and f"seat {details.seat}"),
        "Restrictions": " ".join((details.restrictions or "").split()),
        "Price": f"{order.price // 100}.{order.price % 100:02d} {order.currency.upper()}",
        "Order": order.id,
    }
    return "".join(f"  {name}: {value}\n" for name, value in facts.items() if value)


def _listed(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _time(instant: Instant, zone: str | None) -> str:
    """Return the time at the venue, if its zone is known."""
    local = datetime.fromtimestamp(instant / 1_000, ZoneInfo(zone) if zone else UTC)
    return f"{local:%A, %d %B %Y, %H:%M} {zone or 'UTC'}"
