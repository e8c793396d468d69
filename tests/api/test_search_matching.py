"""A new ticket is announced to those whose search finds it: decided without the database, and decided alike."""

import pytest

from serve_app.schemas.searches import TicketSearch
from serve_app.search.matching import Listed, matches
from serve_app.search.tickets import wanted_of
from tests.api.test_ticket_lists import titles
from tests.api.world import JSON, World

TICKETS = (
    {"title": "Die Zauberflöte", "city": "Berlin", "category": "theater", "price": 20},
    {"title": "Zauberei", "city": "New York", "category": "comedy", "price": 30},
    {"title": "Finale", "venue": "Berlin Arena", "category": "sports", "price": 40},
)
SEARCHES: tuple[dict[str, str], ...] = (
    {},
    {"q": "zauberflote"},
    {"q": "ZAUBERFLÖTE die"},
    {"q": "zauber"},
    {"q": "berlin"},
    {"q": "berlin", "city": "berlin"},
    {"city": "NEW YORK"},
    {"city": "York"},
    {"q": "zauberflote", "city": "BÉRLIN", "category": "Theater"},
    {"city": "!!!"},
    {"q": "!!!"},
    {"category": "sports"},
    {"minPrice": "20", "maxPrice": "30.00", "sort": "price"},
    {"minPrice": "20.01", "sort": "-price"},
    {"maxPrice": "19.99"},
)


@pytest.fixture
async def listed(world: World) -> list[JSON]:
    seller = await world.someone()
    return [await seller.lists(**ticket) for ticket in TICKETS]


async def test_search_matches_exactly_the_new_tickets_that_it_finds(world: World, listed: list[JSON]) -> None:
    tickets = await world.services.queries.tickets.by_ids([ticket["id"] for ticket in listed])
    for parameters in SEARCHES:
        wanted = wanted_of(TicketSearch.of(parameters, world.services.rules()))
        matching = {
            one.details.title for one in tickets if matches(wanted, Listed.of(one.id, one.details, one.created_at))
        }
        assert matching == set(await titles(world.anyone(), **parameters)), parameters
