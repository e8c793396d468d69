"""What a request for a list asks for."""

from dataclasses import dataclass

from actors.stripe.sandbox.failures import RequestRefused, invalid
from actors.stripe.sandbox.form import INTEGER, Form
from actors.stripe.sandbox.ledger_entry import CreatedObject
from actors.stripe.sandbox.payment_intent import Dispute, Refund

DEFAULT_LIMIT = 10  # https://docs.stripe.com/api/pagination
MOST = 100


@dataclass(frozen=True, slots=True)
class ListQuery:
    """At most `limit` objects created at or after `created_since`, those that follow `starting_after` in the list."""

    limit: int
    created_since: int
    starting_after: str | None
    intent_id: str | None


def read_list(form: Form, *, filters_by_intent: bool) -> ListQuery:
    """Refuses limits outside 1 to 100, and filters that the sandbox does not know."""
    limit = form.integer("limit")
    limit = DEFAULT_LIMIT if limit is None else limit
    if not 1 <= limit <= MOST:
        raise RequestRefused(
            invalid(f"Limit is from 1 to {MOST}", code="parameter_invalid_integer", param="limit"),
        )
    created = form.group("created")
    since = created.pop("gte", "0")
    if created or not INTEGER.fullmatch(since):
        raise RequestRefused(invalid("The sandbox takes created[gte], in seconds since 1970", param="created"))
    query = ListQuery(
        limit=limit,
        created_since=int(since),
        starting_after=form.text("starting_after"),
        intent_id=form.text("payment_intent") if filters_by_intent else None,
    )
    form.refuse_the_rest()
    return query


def place_of(listed: CreatedObject | Refund | Dispute | None) -> tuple[int, str]:
    """Where an object stands in the list of its kind; refused when it is none that the caller may start after."""
    if listed is None:
        raise RequestRefused(invalid("No such object", code="resource_missing", param="starting_after"))
    return listed.created, listed.id
