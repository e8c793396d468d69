"""Whether a ticket that was just listed is one that a search finds, without asking the database."""

from dataclasses import dataclass

from actors.domain.instants import Instant
from actors.domain.ticket_values import TicketDetails
from actors.read_model.search_terms import search_terms
from actors.storage.catalogue import TicketFilter, is_in_city


@dataclass(frozen=True, slots=True)
class Listed:
    """A new ticket, and the words that it is found by."""

    ticket_id: str
    details: TicketDetails
    at: Instant
    words: frozenset[str]

    @classmethod
    def of(cls, ticket_id: str, details: TicketDetails, at: Instant) -> "Listed":
        """Return what searches compare."""
        words = search_terms(details.title, details.venue, details.city, details.description)
        return cls(ticket_id, details, at, frozenset(words))


def matches(wanted: TicketFilter, listed: Listed) -> bool:
    """Whether the search finds the ticket while it is for sale; the same as `Catalogue.page` finds."""
    details = listed.details
    terms = search_terms(wanted.q, wanted.city)
    return (
        wanted.category in (None, details.category)
        and (wanted.min_price is None or details.price >= wanted.min_price)
        and (wanted.max_price is None or details.price <= wanted.max_price)
        and is_in_city(wanted.city, details.city)
        # A question of nothing but stop characters finds nothing.
        and (wanted.q is None or bool(terms))
        and listed.words.issuperset(terms)
    )
