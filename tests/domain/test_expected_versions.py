"""Nobody buys or edits what they did not see: an edit counts, that others held the ticket meanwhile does not."""

from dataclasses import replace

import pytest

from actors.domain.decision import DecisionContext
from actors.domain.refusals import AlreadyReserved, EditedSince, NotOwner, PriceChanged, VersionMismatch
from actors.domain.ticket_commands import EditTicket
from actors.domain.ticket_events import OrderCreated, TicketUpdated
from actors.domain.ticket_rules import decide
from actors.read_model.projections import order_of, ticket_document, ticket_of
from tests.support.examples import (
    ANOTHER,
    ANOTHER_ORDER,
    BUYER,
    CANCELLATION,
    DETAILS,
    NOW,
    ORDER,
    SELLER,
    TICKET,
    creation,
    handle,
    reservation,
    ticket_after,
)
from tests.support.examples import order_of as order_on

RENAMED = replace(DETAILS, title="Chamber music, second evening")
EDIT = EditTicket(TICKET, SELLER, RENAMED)
# Versions: 1 listed, 2 held, 3 let go, 4 edited, 5 held, 6 let go.
OFTEN_HELD = ticket_after(
    creation(),
    reservation(),
    CANCELLATION,
    EDIT,
    reservation(ANOTHER_ORDER),
    replace(CANCELLATION, order_id=ANOTHER_ORDER),
)


@pytest.mark.parametrize("seen", [4, 5, 6, None])
def test_holds_and_releases_since_the_version_that_a_buyer_saw_do_not_count(seen: int | None) -> None:
    command = replace(reservation("f" * 24), expected_version=seen)
    assert [type(event) for event in handle(OFTEN_HELD, command)[1]] == [OrderCreated]


@pytest.mark.parametrize("seen", [0, 1, 3])
def test_a_ticket_that_was_edited_since_a_buyer_saw_it_is_not_held(seen: int) -> None:
    assert handle(OFTEN_HELD, replace(reservation("f" * 24), expected_version=seen))[2] == EditedSince()


def test_another_price_is_the_reason_that_a_buyer_hears_first() -> None:
    command = replace(reservation("f" * 24, expected_price=1), expected_version=1)
    assert handle(OFTEN_HELD, command)[2] == PriceChanged(DETAILS.price)


def test_a_holder_who_asks_again_with_an_older_version_is_told_of_the_edit() -> None:
    held = ticket_after(creation(), EDIT, reservation())
    assert handle(held, replace(reservation(ANOTHER_ORDER), expected_version=1))[2] == EditedSince()
    assert handle(held, replace(reservation(ANOTHER_ORDER), expected_version=2))[1:] == ((), None)


def test_an_order_that_came_into_being_is_answered_the_same_whatever_was_edited_since() -> None:
    order = order_on(ticket_after(creation(), reservation()))
    command = replace(reservation(), expected_version=1)
    assert decide(OFTEN_HELD, command, NOW, DecisionContext(earlier_order=order)) == ()


@pytest.mark.parametrize("versions", [(4,), (5,), (6,), (1, 6)])
def test_an_edit_of_what_its_seller_saw_is_accepted(versions: tuple[int, ...]) -> None:
    edit = EditTicket(TICKET, SELLER, DETAILS, expected_versions=versions)
    assert [type(event) for event in handle(OFTEN_HELD, edit)[1]] == [TicketUpdated]


@pytest.mark.parametrize("versions", [(), (0,), (3,), (7,), (1, 3)])
def test_an_edit_of_what_was_edited_since_or_never_was_is_refused(versions: tuple[int, ...]) -> None:
    edit = EditTicket(TICKET, SELLER, DETAILS, expected_versions=versions)
    assert handle(OFTEN_HELD, edit)[2] == VersionMismatch()


def test_an_edit_is_refused_for_its_owner_first_then_its_version_then_the_state() -> None:
    held = ticket_after(creation(), EDIT, reservation())
    assert handle(held, EditTicket(TICKET, ANOTHER, DETAILS, expected_versions=(1,)))[2] == NotOwner()
    assert handle(held, EditTicket(TICKET, SELLER, DETAILS, expected_versions=(1,)))[2] == VersionMismatch()
    assert handle(held, EditTicket(TICKET, SELLER, DETAILS, expected_versions=(2,)))[2] == AlreadyReserved()


def test_an_edit_that_took_effect_before_is_not_refused_for_its_version() -> None:
    edit = EditTicket(TICKET, SELLER, RENAMED, "an edit", expected_versions=(1,))
    assert decide(OFTEN_HELD, edit, NOW, DecisionContext(edited_before=TICKET)) == ()


def test_a_ticket_stored_by_the_first_release_counts_as_edited_at_the_version_it_was_stored_at() -> None:
    document = ticket_document(OFTEN_HELD)
    for name in ("edited", "suspended"):
        del document[name]
    assert ticket_of(document) == replace(OFTEN_HELD, edited=OFTEN_HELD.version)


def test_an_order_says_what_was_bought_as_it_was_when_it_was_held() -> None:
    details = replace(
        DETAILS, venue="Concert hall", city="Vienna", starts_at=NOW + 1, timezone="Europe/Vienna",
        section="B", row="4", seat="12A", restrictions="18 or older", face_value=3_000,
    )  # fmt: skip
    order = order_on(ticket_after(creation(details), reservation()))
    for name in ("venue", "city", "starts_at", "timezone", "section", "row", "seat", "restrictions", "face_value"):
        assert getattr(order, name) == getattr(details, name), name


def test_an_order_stored_by_the_first_release_is_read_without_what_it_does_not_say() -> None:
    first_release = {
        "_id": ORDER, "ticket_id": TICKET, "seller_id": SELLER, "buyer_id": BUYER, "title": "Hamlet", "price": 5_000,
        "currency": "usd", "status": "created", "created_at": NOW, "expires_at": NOW + 1, "updated_at": NOW,
        "version": 1, "attempt": 1, "extended": False, "refunding": False,
    }  # fmt: skip
    order = order_of(first_release)
    assert (order.title, order.venue, order.refund_by) == ("Hamlet", None, None)
