"""Events and states survive the way into the database and back."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain import messages
from actors.domain.codec import EVENT_TYPES, decode, decode_event, encode, encode_event
from actors.domain.messages import Charge, ChargeStatus, ChargeStep, Details, Event, Order, OrderStatus, TicketUpdated
from actors.domain.ticket import Ticket
from tests.support.examples import DETAILS, creation, reservation, ticket_after

# Drawing a whole order costs milliseconds.
FEW = settings(max_examples=20, deadline=None)
EVENTS = st.one_of(*(st.from_type(event) for event in EVENT_TYPES.values()))


def test_every_event_has_a_stored_name() -> None:
    assert set(EVENT_TYPES.values()) == set(get_args(messages.Event))


@pytest.mark.parametrize("name", EVENT_TYPES)
@FEW
@given(data=st.data())
def test_an_event_of_every_type_survives_the_way_to_its_document_and_back(name: str, data: st.DataObject) -> None:
    event: Event = data.draw(st.from_type(EVENT_TYPES[name]))
    assert decode_event(encode_event(event)) == event


@FEW
@given(EVENTS)
def test_a_document_holds_nothing_but_plain_values(event: Event) -> None:
    assert is_plain(encode_event(event))


def is_plain(value: object) -> bool:
    if type(value) is dict:
        return all(type(name) is str and is_plain(inner) for name, inner in value.items())
    if type(value) is list:
        return all(is_plain(inner) for inner in value)
    return type(value) in (str, int, bool)


@FEW
@given(st.from_type(Ticket))
def test_a_ticket_survives_with_its_order(ticket: Ticket) -> None:
    assert decode(Ticket, encode(ticket)) == ticket


@FEW
@given(st.from_type(Charge))
def test_a_charge_survives_with_its_tries(charge: Charge) -> None:
    assert decode(Charge, encode(charge)) == charge


def test_what_is_read_back_has_the_types_of_the_messages() -> None:
    order = ticket_after(creation(), reservation()).order
    assert order is not None
    assert isinstance(decode(Order, encode(order)).status, OrderStatus)
    charge = decode(
        Charge,
        {
            **encode(order),
            "status": "created",
            "tries": ["confirm"],
            "order_id": order.id,
            "amount": 1,
            "payment_method": "pm",
        },
    )
    assert isinstance(charge.status, ChargeStatus)
    assert charge.tries == (ChargeStep.CONFIRM,)


def test_nothing_is_stored_of_a_field_that_is_none() -> None:
    assert encode(TicketUpdated(DETAILS)) == {"details": {"title": "Chamber music", "price": 5_000, "currency": "usd"}}


def test_a_field_that_a_later_version_added_is_passed_over() -> None:
    assert decode(Details, {**encode(DETAILS), "seat": "12A"}) == DETAILS


def test_a_field_that_an_earlier_version_lacked_takes_its_default() -> None:
    assert decode(Details, encode(replace(DETAILS, city=None))).city is None


def test_a_type_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        decode_event({"type": "TicketVanished", "data": {}})
