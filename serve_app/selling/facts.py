"""What buyers may know of a seller."""

import asyncio
from dataclasses import dataclass

import structlog
from pymongo.errors import PyMongoError

from actors.domain.instants import Instant
from actors.storage.tickets import MOST_COUNTED
from serve_app.http.errors import ServiceUnavailableError
from serve_app.services import Services

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SellerFacts:
    """Since when they are there, how many of their newest thousand tickets are sold, and how many sales they undid."""

    since: Instant
    sold: int
    taken_back: int


async def facts_of(services: Services, seller_id: str, client: str) -> SellerFacts | None:
    """Return the facts, read once for all who look at the seller's tickets in a moment.

    None when the account is closed; also while the database is away or busy, because a ticket can be bought without
    them. `client` is the address of who asks.
    """

    async def read() -> SellerFacts | None:
        user = await services.users.by_id(seller_id)
        if user is None:
            return None
        queries = services.queries
        sold, taken_back = await asyncio.gather(
            queries.tickets.sold_by(seller_id), queries.orders.taken_back_by(seller_id, MOST_COUNTED)
        )
        return SellerFacts(user.created_at, sold, taken_back)

    try:
        return await services.lists.get(("seller", seller_id), read, refresh=False, client=client)
    except (PyMongoError, ServiceUnavailableError) as error:
        logger.warning("seller_facts_left_out", error=type(error).__name__)
        return None
