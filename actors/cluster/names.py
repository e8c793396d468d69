"""What actors are called, as an operator sees them in the Ray dashboard."""

from urllib.parse import urlsplit

from config.settings import Settings

TICKETS = "tickets"
ORDERS = "orders"
PAYMENTS = "payments"
SUPERVISOR = "supervisor"
DEDICATED_PREFIX = "ticket-"
# Where MONGODB_URL names none.
DEFAULT_DATABASE = "holdfast"


def namespace(settings: Settings) -> str:
    """The Ray namespace of the market's actors, named after its database.

    So two markets on one Ray cluster do not talk to each other's actors, as long as their databases have two names.
    """
    return f"holdfast-{urlsplit(settings.mongodb_url or '').path.strip('/') or DEFAULT_DATABASE}"


def dedicated(ticket_id: str) -> str:
    """The name of a ticket's own process."""
    return f"{DEDICATED_PREFIX}{ticket_id}"


def ticket_of(name: str) -> str:
    """The id of the ticket whose own process this is."""
    return name.removeprefix(DEDICATED_PREFIX)


def is_dedicated(name: str) -> bool:
    """Whether this is a ticket's own process."""
    return name.startswith(DEDICATED_PREFIX)


def kind_of(name: str) -> str:
    """Which kind of actor a name belongs to."""
    return TICKETS if is_dedicated(name) else name.partition("-")[0]
