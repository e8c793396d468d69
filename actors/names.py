"""What actors are called, as an operator sees them in the Ray dashboard."""

NAMESPACE = "holdfast"
TICKETS = "tickets"
ORDERS = "orders"
PAYMENTS = "payments"
SUPERVISOR = "supervisor"
DEDICATED_PREFIX = "ticket-"


def dedicated(ticket_id: str) -> str:
    """The name of a ticket's own process."""
    return f"{DEDICATED_PREFIX}{ticket_id}"


def is_dedicated(name: str) -> bool:
    """Whether this is a ticket's own process."""
    return name.startswith(DEDICATED_PREFIX)


def kind_of(name: str) -> str:
    """Which kind of actor a name belongs to."""
    return TICKETS if is_dedicated(name) else name.partition("-")[0]
