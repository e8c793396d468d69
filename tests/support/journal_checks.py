"""What must never be found in a journal, whatever happened. Each check returns the ids of what broke the rule."""

from collections import defaultdict

from actors.domain.ticket_events import OrderCompleted, OrderCreated
from actors.domain.ticket_values import Order, OrderStatus
from actors.runtime.ports import RecordedEvent
from actors.storage.database import Database
from actors.storage.journal import _commit


async def records(database: Database) -> list[RecordedEvent]:
    """All events of all writers, in the order of their instants."""
    commits = [_commit(document) for document in await database["journal"].find({}).to_list()]
    return sorted((record for commit in commits for record in commit.records), key=lambda record: record.at)


async def orders(database: Database) -> dict[str, Order]:
    """Every order as its newest event tells."""
    newest: dict[str, Order] = {}
    for record in await records(database):
        order: Order | None = getattr(record.event, "order", None)
        if order is not None and (order.id not in newest or newest[order.id].version < order.version):
            newest[order.id] = order
    return newest


async def held_twice(database: Database) -> set[str]:
    """Tickets with two orders that live."""
    holders: dict[str, set[str]] = defaultdict(set)
    for order in (await orders(database)).values():
        if order.status is not OrderStatus.CANCELLED:
            holders[order.ticket_id].add(order.id)
    return {ticket_id for ticket_id, living in holders.items() if len(living) > 1}


async def created_twice(database: Database) -> set[str]:
    """Orders that came into being more than once."""
    created = [record.event.order.id for record in await records(database) if isinstance(record.event, OrderCreated)]
    return {order_id for order_id in created if created.count(order_id) > 1}


async def sold_too_late(database: Database) -> set[str]:
    """Orders that were completed when their time was over."""
    return {
        record.event.order.id
        for record in await records(database)
        if isinstance(record.event, OrderCompleted) and record.at >= record.event.order.expires_at
    }


async def with_gaps(database: Database) -> set[str]:
    """Entities whose versions are not 1, 2, 3 and so on, each once."""
    versions: dict[str, list[int]] = defaultdict(list)
    for record in await records(database):
        versions[record.entity].append(record.version)
    return {entity for entity, found in versions.items() if sorted(found) != list(range(1, len(found) + 1))}
