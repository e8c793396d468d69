"""A receipt says what was bought: where, when by the clock of the venue, and which seat."""

from dataclasses import replace

from actors.mail import templates
from tests.support.examples import DETAILS, SALE, START, creation, order_of, reservation, ticket_after

STARTS_AT = 1_809_365_400_000  # 2027-05-03 17:30 UTC


def test_a_receipt_names_the_seat_and_the_time_at_the_venue() -> None:
    details = replace(
        DETAILS, venue="Concert hall", city="Vienna", starts_at=STARTS_AT, timezone="Europe/Vienna", section="Stalls",
        row="4", seat="12A", restrictions="18 or older",
    )  # fmt: skip
    order = order_of(ticket_after(creation(details), reservation(), START, SALE))
    text = templates.receipt(order, details).text
    for fact in (
        "Where: Concert hall, Vienna",
        "When: Monday, 03 May 2027, 19:30 Europe/Vienna",
        "Seat: Stalls, row 4, seat 12A",
        "Restrictions: 18 or older",
    ):
        assert fact in text


def test_a_receipt_of_a_ticket_without_seat_and_zone_leaves_them_out() -> None:
    details = replace(DETAILS, starts_at=STARTS_AT)
    order = order_of(ticket_after(creation(details), reservation(), START, SALE))
    text = templates.receipt(order, details).text
    assert "17:30 UTC" in text
    assert "Seat" not in text
