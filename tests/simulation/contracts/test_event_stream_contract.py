"""The stream of events: what a consumer reads of what was published."""

from dataclasses import replace

from actors.domain.charge_events import (
    ChargeAuthorised,
    ChargeCreated,
    ChargeIntentCreated,
    ChargeRefunding,
    ChargeRetryScheduled,
)
from actors.domain.ticket_events import OrderCreated
from actors.runtime.ports import RecordedEvent
from tests.simulation.contracts.examples import a_charge, an_order, recorded
from tests.simulation.contracts.parts import Parts, Told
from tests.support.examples import NOW, new_id


async def test_events_of_an_entity_are_published_in_their_order_also_across_calls(parts: Parts) -> None:
    one, other = f"ticket:{new_id()}", f"ticket:{new_id()}"
    records = [recorded(version, entity=entity) for version in range(1, 6) for entity in (one, other)]
    await parts.stream.publish(records[:7])
    await parts.stream.publish(records[7:])
    for entity in (one, other):
        assert [told.version for told in await parts.told(entity)] == [1, 2, 3, 4, 5]


async def test_an_event_is_published_with_its_id_type_and_instant(parts: Parts) -> None:
    entity = f"ticket:{new_id()}"
    await parts.stream.publish([recorded(1, entity=entity), recorded(2, OrderCreated(an_order()), entity=entity)])
    assert await parts.told(entity) == [
        Told(f"{entity}:1", "ticket.created", entity, 1, NOW + 1),
        Told(f"{entity}:2", "order.created", entity, 2, NOW + 2),
    ]


async def test_a_repeatedly_published_event_keeps_its_id(parts: Parts) -> None:
    entity = f"ticket:{new_id()}"
    records = [recorded(version, entity=entity) for version in (1, 2, 3)]
    await parts.stream.publish(records[:2])
    await parts.stream.publish(records)
    ids = [told.id for told in await parts.told(entity)]
    assert ids == [f"{entity}:{version}" for version in (1, 2, 1, 2, 3)]
    assert len(set(await parts.told(entity))) == 3


async def test_steps_between_us_and_stripe_are_not_published(parts: Parts) -> None:
    entity, charge = f"charge:{new_id()}", a_charge()
    kinds = (ChargeCreated, ChargeRetryScheduled, ChargeIntentCreated, ChargeAuthorised, ChargeRefunding)
    records = [
        RecordedEvent(entity, version, NOW, kind(replace(charge, version=version)))
        for version, kind in enumerate(kinds, start=1)
    ]
    await parts.stream.publish(records)
    assert [(told.subject, told.version) for told in await parts.told(entity)] == [
        ("charge.created", 1),
        ("charge.authorised", 4),
    ]


async def test_publishing_nothing_adds_nothing(parts: Parts) -> None:
    entity, before = f"charge:{new_id()}", len(await parts.entries())
    await parts.stream.publish([])
    await parts.stream.publish([RecordedEvent(entity, 1, NOW, ChargeRetryScheduled(a_charge()))])
    assert len(await parts.entries()) == before
