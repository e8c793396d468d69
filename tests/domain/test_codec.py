"""Events and states survive the way into the database and back."""

import sys
from dataclasses import dataclass, replace
from typing import get_args

import pytest
from bson import Int64
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain import charge, charge_events, events, stored_events
from actors.domain.charge_commands import RecordIntent
from actors.domain.charge_events import ChargeEvent
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.codec import (
    UnreadableError,
    UnreadableEvent,
    check_shared,
    decode,
    decode_event,
    decode_event_if_possible,
    encode,
    encode_event,
)
from actors.domain.events import Event
from actors.domain.refusals import Refusal
from actors.domain.stored_events import EVENT_TYPES
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import Sell, StartPayment
from actors.domain.ticket_events import TicketUpdated, TicketWithdrawn
from actors.domain.ticket_values import Order, OrderStatus, TicketDetails
from tests.support.examples import DETAILS, NOW, creation, handle, reservation, ticket_after

# Drawing a whole order costs milliseconds.
FEW = settings(max_examples=20, deadline=None)
A_CHARGE = Charge(
    "9" * 24, "e" * 24, "1" * 24, "b" * 24, 1, 5_000, "usd", "pm_card_visa", ChargeStatus.CREATED, NOW, NOW
)
# Written by the releases until now.
IN_JOURNALS = """
    TicketCreated TicketUpdated TicketWithdrawn OrderCreated OrderAwaitingPayment OrderReopened OrderCompleted
    OrderRefunding OrderRefundFailed OrderCancelled OrderExpired ChargeCreated ChargeTried ChargeIntentCreated
    ChargeActionRequired ChargeAuthorised ChargeCompleted ChargeFailed ChargeVoided ChargeRefunding
    ChargeRefunded ChargeRefundFailed ChargeDisputed UserCreated UserUpdated SignedIn SignInFailed SignedOut
    PasswordChanged PasswordReset EmailVerified UserBanned UserUnbanned TicketTakenDown RoleChanged
    AccountClosed
"""
EVENTS = st.one_of(*(st.from_type(event) for event in EVENT_TYPES.values()))


def test_every_event_has_a_stored_name() -> None:
    of_charges = {cls for cls in vars(charge_events).values() if isinstance(cls, type) and issubclass(cls, ChargeEvent)}
    others = set(get_args(events.Event)) - {ChargeEvent}
    assert set(EVENT_TYPES.values()) == others | of_charges - {ChargeEvent}


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


def test_decoded_values_have_the_types_of_the_messages() -> None:
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


def test_a_number_is_read_back_as_a_number_whatever_the_database_makes_of_it() -> None:
    assert type(decode(TicketDetails, {**encode(DETAILS), "price": Int64(5_000)}).price) is int


def test_nothing_is_stored_of_a_field_that_is_none() -> None:
    assert encode(TicketUpdated(DETAILS)) == {"details": {"title": "Chamber music", "price": 5_000, "currency": "usd"}}


def test_a_state_keeps_the_field_that_a_newer_release_added() -> None:
    stored = {**encode(DETAILS), "gate": {"row": 12, "place": "A"}}
    details = decode(TicketDetails, stored)
    assert isinstance(details, TicketDetails)
    assert encode(replace(details, price=4_000)) == {**stored, "price": 4_000}


def test_an_order_is_written_back_with_what_a_newer_release_added_after_every_step() -> None:
    order = ticket_after(creation(), reservation()).order
    assert order is not None
    ticket = replace(ticket_after(creation(), reservation()), order=decode(Order, {**encode(order), "gift_for": "x"}))
    for command in (StartPayment(ticket.id, order.id, 0), Sell(ticket.id, order.id, "9" * 24, order.price, 1)):
        changed, (event,), _ = handle(ticket, command)
        assert changed is not None
        assert encode_event(event)["data"]["order"]["gift_for"] == "x"
        ticket = changed
    assert encode(ticket)["order"]["gift_for"] == "x"


def test_a_charge_is_written_back_with_what_a_newer_release_added() -> None:
    stored = {**encode(A_CHARGE), "wallet": "apple_pay"}
    decision = charge.decide(decode(Charge, stored), RecordIntent(A_CHARGE.id, "pi_1"), NOW)
    assert not isinstance(decision, Refusal)
    (event,) = decision
    assert encode_event(event)["data"]["charge"]["wallet"] == "apple_pay"


def test_a_state_of_our_own_release_has_no_room_for_unknown_fields() -> None:
    assert type(decode(TicketDetails, encode(DETAILS))) is TicketDetails
    assert not hasattr(decode(TicketDetails, encode(DETAILS)), "unknown")


def test_a_reason_that_a_newer_release_added_is_passed_on() -> None:
    order = ticket_after(creation(), reservation()).order
    stored = {**encode(order), "status": "cancelled", "cancel_reason": "flooded"}
    assert encode(decode(Order, stored)) == stored


def test_a_status_that_a_newer_release_added_makes_its_order_unreadable() -> None:
    order = ticket_after(creation(), reservation()).order
    with pytest.raises(UnreadableError):
        decode(Order, {**encode(order), "status": "insured"})


def test_a_state_without_what_it_needs_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        decode(TicketDetails, {"title": "Chamber music"})


def test_a_field_of_an_event_that_a_newer_release_added_is_passed_over() -> None:
    stored = encode_event(TicketUpdated(DETAILS))
    assert decode_event({**stored, "data": {**stored["data"], "why": "x"}}) == TicketUpdated(DETAILS)


def test_a_field_that_an_earlier_version_lacked_takes_its_default() -> None:
    assert decode(TicketDetails, encode(replace(DETAILS, city=None))).city is None


def test_an_event_that_does_not_exist_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        decode_event({"type": "TicketVanished", "data": {}})


def test_an_event_without_a_version_is_of_the_first() -> None:
    assert "schema" not in encode_event(TicketUpdated(DETAILS))
    assert decode_event({"type": "TicketWithdrawn", "data": {}}) == TicketWithdrawn()


def test_an_event_of_a_later_version_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        decode_event({**encode_event(TicketUpdated(DETAILS)), "schema": 2})


def test_an_event_of_an_old_version_is_brought_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    upcasters = (
        lambda data: {"details": {"title": data["name"], "price": data["euros"]}},
        lambda data: {"details": {**data["details"], "currency": "eur"}},
    )
    monkeypatch.setitem(stored_events.UPCASTERS, "TicketUpdated", upcasters)
    now = TicketUpdated(TicketDetails("Chamber music", 5_000, "eur"))
    assert encode_event(now)["schema"] == 3
    assert decode_event(encode_event(now)) == now
    assert decode_event({"type": "TicketUpdated", "data": {"name": "Chamber music", "euros": 5_000}}) == now
    second = {"details": {"title": "Chamber music", "price": 5_000}}
    assert decode_event({"type": "TicketUpdated", "schema": 2, "data": second}) == now


def test_an_event_that_is_not_understood_is_passed_on_as_it_is_stored() -> None:
    stored = {"type": "TicketGifted", "schema": 4, "data": {"to": "x"}}
    event = decode_event_if_possible(stored)
    assert isinstance(event, UnreadableEvent)
    assert encode_event(event) == stored


def test_a_name_that_journals_have_stays_known() -> None:
    assert set(EVENT_TYPES) >= set(IN_JOURNALS.split())


@dataclass(frozen=True, slots=True)
class Theatre:
    """A class of somebody else, with a field of a name that is shared in tickets."""

    city: str


def parsed(text: str) -> str:
    """The text as a database's driver makes it: a new object each time."""
    return "".join(list(text))


@pytest.mark.parametrize("name", ["currency", "category", "venue", "city"])
def test_texts_that_many_tickets_have_in_common_are_kept_once(name: str) -> None:
    details = encode(replace(DETAILS, category="concert", venue="Great Hall", city="Vienna"))
    one, other = (decode(TicketDetails, details | {name: parsed(details[name])}) for _ in range(2))
    assert getattr(one, name) is getattr(other, name)


def test_a_field_of_the_same_name_in_another_class_is_read_as_it_is() -> None:
    city = parsed("Vienna")
    assert decode(TicketDetails, encode(DETAILS) | {"city": city}).city is sys.intern("Vienna")
    assert decode(Theatre, {"city": city}).city is city


@pytest.mark.parametrize("name", ["towns", "price"])
def test_an_entry_that_names_no_text_of_its_class_fails_at_start(name: str) -> None:
    check_shared({TicketDetails: {"city"}})
    with pytest.raises(TypeError, match=f"TicketDetails.{name}"):
        check_shared({TicketDetails: {"city", name}})
