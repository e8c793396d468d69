"""Every event of the market is in the catalogue or says why not, and what is published is as the catalogue says."""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from types import NoneType
from typing import Any, get_args, get_type_hints

import orjson
import pytest
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, ValidationError

from actors.domain.account_events import SecurityEvent
from actors.domain.charge_events import (
    ChargeAuthorised,
    ChargeCompleted,
    ChargeCreated,
    ChargeIntentCreated,
    ChargeRetryScheduled,
)
from actors.domain.charge_values import Charge
from actors.domain.stored_events import EVENT_TYPES, NAMES
from actors.domain.ticket_events import OrderCreated, OrderEvent, TicketCreated, TicketWithdrawn
from actors.domain.ticket_values import Order, TicketDetails
from actors.events.published import is_published, published_event
from actors.events.redis_stream import PublishedEvents
from actors.runtime.ports import RecordedEvent
from holdfast.events.catalogue import BY_TYPE, CATALOGUE, OFFERED, UNPUBLISHED, Data
from holdfast.events.event import FIELDS, Event, rfc3339
from tests.simulation.contracts.examples import a_charge
from tests.support.event_streams import SOURCE, NoHistory
from tests.support.examples import CHARGE, DETAILS, NOW, SELLER, TICKET

SECURITY = {NAMES[event] for event in get_args(SecurityEvent)}
WHOLE = frozenset({Order, Charge, TicketDetails})
FEW = settings(max_examples=20, deadline=None)


def drawn(hint: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - a type hint
    """Values of a type, with all of their fields; numbers are those of instants and amounts."""
    if hint is int:
        return st.integers(0, NOW * 2)
    if isinstance(hint, type) and is_dataclass(hint) and (hint in WHOLE or hint in EVENT_TYPES.values()):
        return st.builds(hint, **{name: drawn(inner) for name, inner in get_type_hints(hint).items()})
    if NoneType in get_args(hint):
        return st.one_of(*(drawn(inner) for inner in get_args(hint)))
    return st.from_type(hint)


def published(event: Any, entity: str = f"ticket:{TICKET}") -> Event:  # noqa: ANN401 - any event of the market
    return published_event(RecordedEvent(entity, 2, NOW, event), source=SOURCE, preceded_by=1).in_epoch("1")


def strict(model: type[Data]) -> type[Data]:
    """The model, which refuses fields that it does not know."""
    return type(model.__name__, (model,), {"model_config": ConfigDict(extra="forbid")})


def read(event: Event, data: bytes | None = None) -> Data:
    model = strict(BY_TYPE[event.type].data)
    return model.model_validate_json(event.data if data is None else data, strict=True, by_alias=True, by_name=False)


def test_every_stored_event_is_published_or_named_as_one_that_is_not() -> None:
    assert sorted(EVENT_TYPES) == sorted([*CATALOGUE, *UNPUBLISHED, *SECURITY])


@pytest.mark.parametrize("name", EVENT_TYPES)
@FEW
@given(data=st.data())
def test_only_what_the_catalogue_names_is_published(name: str, data: st.DataObject) -> None:
    event = data.draw(drawn(EVENT_TYPES[name]))
    assert is_published(RecordedEvent(f"ticket:{TICKET}", 1, NOW, event)) == (name in CATALOGUE)


def test_no_two_events_of_the_catalogue_have_the_same_type() -> None:
    assert len(BY_TYPE) == len(CATALOGUE) + 1


@pytest.mark.parametrize("name", CATALOGUE)
@FEW
@given(data=st.data())
def test_published_data_has_the_fields_of_its_model_and_no_others(name: str, data: st.DataObject) -> None:
    event = data.draw(drawn(EVENT_TYPES[name]))
    made = published(event)
    is_offer = isinstance(event, OrderCreated) and event.order.offer
    assert made.type == (OFFERED if is_offer else CATALOGUE[name]).type
    expected: Mapping[str, Any] = orjson.loads(made.data)
    written = read(made).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert set(written) == set(expected)


def test_field_that_the_model_does_not_have_would_be_found() -> None:
    event = published(TicketWithdrawn())
    with pytest.raises(ValidationError, match="paymentMethod"):
        read(event, event.data.replace(b"}", b',"paymentMethod":"pm_1"}'))


@pytest.mark.parametrize("name", CATALOGUE)
@FEW
@given(data=st.data())
def test_published_event_is_a_cloud_event_to_the_cloudevents_package(name: str, data: st.DataObject) -> None:
    event = published(data.draw(drawn(EVENT_TYPES[name])))
    found = JSONFormat().read(None, orjson.dumps(event.structured()))
    assert (found.get_id(), found.get_type(), found.get_source()) == (event.id, event.type, SOURCE)
    assert (found.get_subject(), found.get_specversion()) == (event.entity, "1.0")
    time = found.get_time()
    assert time is not None
    assert rfc3339(round(time.timestamp() * 1000)) == rfc3339(NOW)
    assert found.get_data() == orjson.loads(event.data)
    assert {name: found.get_extension(name) for name in ("entityversion", "precededby", "partitionkey", "epoch")} == {
        "entityversion": "2", "precededby": "1", "partitionkey": event.partition_key, "epoch": "1",
    }  # fmt: skip


def test_all_of_a_ticket_is_in_one_partition_its_charges_as_well() -> None:
    charge = a_charge()
    assert published(ChargeCreated(charge), f"charge:{charge.id}").partition_key == charge.ticket_id
    assert published(TicketCreated(SELLER, DETAILS)).partition_key == TICKET


class Journal(NoHistory):
    """What was published of the records before."""

    def __init__(self, records: Sequence[RecordedEvent]) -> None:
        self._records = records

    async def last_published(self, entity: str, before: int) -> int | None:
        assert entity == f"charge:{CHARGE}"
        return max(
            (each.version for each in self._records if each.version < before and is_published(each)), default=None
        )


STEPS = (
    ChargeCreated,
    ChargeRetryScheduled,
    ChargeIntentCreated,
    ChargeAuthorised,
    ChargeRetryScheduled,
    ChargeCompleted,
)
RECORDS = [
    RecordedEvent(f"charge:{CHARGE}", version, NOW, step(a_charge())) for version, step in enumerate(STEPS, start=1)
]


@pytest.mark.parametrize("begin", range(len(STEPS)))
async def test_precededby_of_a_charge_names_its_last_published_event_wherever_publishing_begins(begin: int) -> None:
    events = await PublishedEvents(Journal(RECORDS), SOURCE).of(RECORDS[begin:])
    expected = [(1, None), (4, 1), (6, 4)]
    assert [(each.version, each.preceded_by) for each in events] == [each for each in expected if each[0] > begin]


async def test_precededby_of_a_ticket_names_the_version_before() -> None:
    records = [
        RecordedEvent(f"ticket:{TICKET}", 1, NOW, TicketCreated(SELLER, DETAILS)),
        RecordedEvent(f"ticket:{TICKET}", 2, NOW, TicketWithdrawn()),
    ]
    events = await PublishedEvents(NoHistory(), SOURCE).of(records)
    assert [each.preceded_by for each in events] == [None, 1]


def test_names_of_attributes_are_those_that_cloudevents_allows() -> None:
    assert [name for name in FIELDS if not (name.isalnum() and name.islower() and len(name) <= 20)] == []


def test_events_with_an_order_have_it_whole() -> None:
    of_orders = {name for name, event in EVENT_TYPES.items() if issubclass(event, OrderEvent)}
    assert {CATALOGUE[name].data.__name__ for name in of_orders} == {"OrderData"}
