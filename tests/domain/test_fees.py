"""The fee is on the seller's side, rounded half up to the cent, and stays what it was when the ticket was held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.codec import decode, encode
from actors.domain.decision import DecisionContext
from actors.domain.fees import fee_of, highest_price, spoken_percent
from actors.domain.money import MAX_CENTS
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import JoinWaitingList, TicketCommand
from actors.domain.ticket_values import Order
from tests.support.examples import (
    ANOTHER,
    CANCELLATION,
    DETAILS,
    NOW,
    SALE,
    START,
    TICKET,
    creation,
    handle,
    order_of,
    reservation,
    ticket_after,
)

EIGHT_AND_A_HALF = 425


@pytest.mark.parametrize(
    ("price", "hundredths", "fee"),
    [(4_250, 800, 340), (4_250, 0, 0), (50, 100, 1), (50, 99, 0), (150, 9_999, 150), (MAX_CENTS, 1, 10_000)],
)
def test_fee_is_rounded_half_up_to_the_cent(price: int, hundredths: int, fee: int) -> None:
    assert fee_of(price, hundredths) == fee


@given(st.integers(50, MAX_CENTS), st.integers(0, 9_999))
def test_fee_is_less_than_half_a_cent_from_exact_and_never_more_than_the_price(price: int, hundredths: int) -> None:
    fee = fee_of(price, hundredths)
    assert 0 <= fee <= price
    assert -5_000 < fee * 10_000 - price * hundredths <= 5_000


@given(st.integers(0, MAX_CENTS), st.integers(100, 1_000_000))
def test_highest_price_is_within_the_cap_and_a_cent_more_is_not(face_value: int, hundredths: int) -> None:
    highest = highest_price(face_value, hundredths)
    assert highest * 10_000 <= face_value * hundredths < (highest + 1) * 10_000


@pytest.mark.parametrize(("hundredths", "text"), [(850, "8.5 %"), (11_000, "110 %"), (1, "0.01 %"), (9_999, "99.99 %")])
def test_percent_is_formatted_without_needless_digits(hundredths: int, text: str) -> None:
    assert spoken_percent(hundredths) == text


def after(ticket: Ticket | None, command: TicketCommand, hundredths: int) -> Ticket | None:
    around = DecisionContext(may_buy=frozenset({ANOTHER}), offer_window_ms=600_000, fee=hundredths)
    return handle(ticket, command, NOW, around)[0]


def test_order_is_created_with_the_fee_of_now_and_buyer_pays_the_price() -> None:
    order = order_of(after(ticket_after(creation()), reservation(), 850))
    assert (order.price, order.fee, order.seller_gets) == (DETAILS.price, EIGHT_AND_A_HALF, 4_575)


def test_fee_of_an_order_stays_when_the_setting_changes_before_the_sale() -> None:
    ticket = after(ticket_after(creation()), reservation(), 850)
    for command in (START, SALE):
        ticket = after(ticket, command, 9_900)
    assert order_of(ticket).fee == EIGHT_AND_A_HALF


def test_offer_to_the_first_in_line_has_the_fee_of_its_own_moment() -> None:
    ticket = after(ticket_after(creation()), reservation(), 850)
    ticket = after(after(ticket, JoinWaitingList(TICKET, ANOTHER, None), 850), CANCELLATION, 1_000)
    order = order_of(ticket)
    assert (order.offer, order.buyer_id, order.fee) == (True, ANOTHER, 500)


def test_order_of_before_there_were_fees_has_none() -> None:
    document = encode(order_of(ticket_after(creation(), reservation())))
    del document["fee"]
    assert decode(Order, document).fee == 0
