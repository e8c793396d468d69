"""The address of a search: it can be kept and sent."""

from collections.abc import Mapping
from urllib.parse import urlencode

# In the order in which the page names what can be left out.
FILTERS = {
    "q": "the words",
    "category": "the category",
    "city": "the city",
    "minPrice": "the lowest price",
    "maxPrice": "the highest price",
}


def shown_in(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what of the parameters the form shows, in other words the search without a position."""
    return {name: value for name, value in parameters.items() if name in FILTERS or name == "sort"}


def address_of(parameters: Mapping[str, str], without: str | None = None) -> str:
    """Return the page's address for a search."""
    query = urlencode({name: value for name, value in parameters.items() if name != without})
    return f"/?{query}" if query else "/"
