"""What becomes of the tickets of a seller who may not sell any more, banned or gone."""

from collections.abc import Iterator, Mapping

from tests.simulation.accounts import Accounts
from tests.simulation.invariants import Place


def not_as_their_sellers(places: Mapping[str, Place], accounts: Accounts) -> Iterator[str]:
    """Tickets that are for sale, or will be, and must not be; and those of sellers who may sell again that will not be.

    What is sold stays sold: it is only flagged.
    """
    for ticket_id, place in places.items():
        if not place.is_withdrawn and place.is_suspended is not (place.seller in accounts.unlisted_since):
            yield f"ticket {ticket_id} of {place.seller}"
