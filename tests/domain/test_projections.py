"""What documents have beside the state is known by its name, so that no release takes it for state."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.charge_values import Charge
from actors.domain.codec import UnreadableError
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import Order
from actors.read_model.projections import (
    charge_document,
    charge_of,
    order_document,
    order_of,
    readable,
    ticket_document,
    ticket_of,
)
from tests.support.examples import creation, reservation, ticket_after

FEW = settings(max_examples=30, deadline=None)


@FEW
@given(st.from_type(Ticket))
def test_a_ticket_is_read_back_from_its_document_as_it_was(ticket: Ticket) -> None:
    assert ticket_of(ticket_document(ticket)) == ticket


@FEW
@given(st.from_type(Order))
def test_an_order_is_read_back_from_its_document_as_it_was(order: Order) -> None:
    assert order_of(order_document(order)) == order


@FEW
@given(st.from_type(Charge))
def test_a_charge_is_read_back_from_its_document_as_it_was(charge: Charge) -> None:
    assert charge_of(charge_document(charge)) == charge


def test_a_document_is_written_back_with_the_state_that_a_newer_release_added() -> None:
    document = {**ticket_document(ticket_after(creation())), "insured": True}
    assert ticket_document(ticket_of(document)) == document


def test_derived_fields_of_a_newer_release_are_not_written_back_as_they_were() -> None:
    document = ticket_document(ticket_after(creation()))
    assert ticket_document(ticket_of({**document, "by_venue": "hall"})) == document


def test_a_list_leaves_out_unreadable_documents() -> None:
    order = ticket_after(creation(), reservation()).order
    assert order is not None
    document = order_document(order)
    strange = {**document, "status": "insured"}
    assert readable(order_of, [strange, document]) == [order]
    with pytest.raises(UnreadableError):
        order_of(strange)
