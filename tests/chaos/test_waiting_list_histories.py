"""The checker knows the waiting list: what is released goes to the first in line who fits, in the same step."""

import pytest

from cli.history.linearizability import violations
from cli.history.operations import Kind
from cli.history.sequential_model import offer_id
from cli.history.texts import HELD_BY_YOU, LINE_CLOSED, NOT_HELD, PRICE_CHANGED, RESERVED, SOLD
from tests.chaos.writing import TICKET, UNEXPLAINED, Told, rules


def waited_for(*, first_pays: float | None = None, window: float = 900.0) -> Told:
    """Bea holds the ticket at 20 since its version 2; Ann and then Cy wait for it."""
    told = Told(window=window)
    told.held("bea", (2, 3), "order-1")
    told.joined("ann", (4, 5), 1, most=first_pays)
    told.joined("cy", (6, 7), 2)
    return told


# Bea lets go in version 5, and the offer is made in the next.
OFFER = offer_id(TICKET, 6)


def released(**options: float | None) -> Told:
    told = waited_for(first_pays=options.get("first_pays"))
    told.cancelled("bea", (8, 9), "order-1")
    return told


def offered_to(
    told: Told, buyer: str, during: tuple[float, float] = (10, 11), ends: float = 610, offer: str = OFFER
) -> Told:
    """The buyer finds the offer among their orders."""
    told.listed(buyer, during, told.order(offer, ends=ends, created=during[0] - 1.5, offer=True))
    return told


def test_release_of_a_ticket_offers_it_to_the_first_in_line() -> None:
    told = offered_to(released(), "ann")
    told.read((12, 13), 20, "reserved", OFFER, 6)
    told.accepted("ann", (14, 15), OFFER)
    told.paid("ann", (16, 17), OFFER)
    told.read((18, 19), 20, "sold", OFFER, 9)
    assert rules(told.history()) == []


def test_a_ticket_that_is_for_sale_between_its_release_and_its_offer_is_found() -> None:
    told = released()
    told.read((10, 11), 20, "available", None, 5)
    assert rules(told.history()) == UNEXPLAINED


def test_somebody_who_reserves_between_the_release_and_the_offer_is_found() -> None:
    told = released()
    told.held("dan", (8, 11), "order-2")
    assert rules(told.history()) == UNEXPLAINED
    refused = offered_to(released(), "ann")
    refused.refused(Kind.RESERVE, "dan", (8, 11), RESERVED)
    assert rules(refused.history()) == []


def test_an_offer_that_skips_the_first_who_fits_is_found() -> None:
    told = released()
    told.add(Kind.RESERVE, "cy", (10, 11), 200, order=OFFER, answer=told.order(OFFER, version=2, ends=911))
    assert rules(told.history()) == UNEXPLAINED


def test_an_offer_passes_over_somebody_who_does_not_pay_the_price_and_nobody_else() -> None:
    told = released(first_pays=19.99)
    told.accepted("cy", (10, 11), OFFER)
    told.joined("ann", (12, 13), 1, status=200, most=19.99)
    assert rules(told.history()) == []
    fits = released(first_pays=20)
    fits.accepted("cy", (10, 11), OFFER)
    assert rules(fits.history()) == UNEXPLAINED


def test_an_offer_that_is_made_though_the_line_was_closed_is_found() -> None:
    told = waited_for()
    told.closed((8, 9))
    told.refused(Kind.JOIN, "dan", (10, 11), LINE_CLOSED)
    told.cancelled("bea", (12, 13), "order-1")
    told.read((14, 15), 20, "available", None, 6)
    assert rules(told.history()) == []
    told.listed("ann", (16, 17), told.order(offer_id(TICKET, 7), ends=612, offer=True))
    assert rules(told.history()) == UNEXPLAINED


def test_an_offer_of_a_hold_that_ended_by_itself_is_explained_and_not_earlier() -> None:
    told = waited_for(window=20)
    told.read((24, 25), 20, "reserved", OFFER, 6)
    assert rules(told.history()) == []
    early = waited_for(window=20)
    early.read((20, 21), 20, "reserved", OFFER, 6)
    assert rules(early.history()) == UNEXPLAINED


def test_an_offer_that_is_declined_or_passes_goes_to_the_next() -> None:
    following = offer_id(TICKET, 8)
    declined = offered_to(released(), "ann")
    declined.cancelled("ann", (12, 13), OFFER)
    declined.accepted("cy", (14, 15), following)
    assert rules(declined.history()) == []
    passed = offered_to(released(), "ann", ends=20)
    passed.accepted("cy", (21, 22), following)
    assert rules(passed.history()) == []
    early = offered_to(released(), "ann", ends=20)
    early.accepted("cy", (18, 19), following)
    assert rules(early.history()) == UNEXPLAINED


def test_offers_of_which_nobody_was_told_pass_as_well() -> None:
    told = Told(offer_window=30)
    told.held("bea", (2, 3), "order-1")
    told.joined("ann", (4, 5), 1)
    told.cancelled("bea", (6, 7), "order-1")
    told.read((40, 41), 20, "available", None, 6)
    assert rules(told.history()) == []
    early = Told(offer_window=60)
    early.held("bea", (2, 3), "order-1")
    early.joined("ann", (4, 5), 1)
    early.cancelled("bea", (6, 7), "order-1")
    early.read((40, 41), 20, "available", None, 6)
    assert rules(early.history()) == UNEXPLAINED


def test_an_accepted_offer_lasts_as_long_as_a_hold_and_one_that_is_not_accepted_does_not() -> None:
    accepted = offered_to(released(), "ann", ends=20)
    accepted.accepted("ann", (12, 13), OFFER)
    accepted.read((100, 101), 20, "reserved", OFFER, 7)
    assert rules(accepted.history()) == []
    kept = offered_to(released(), "ann", ends=20)
    kept.read((100, 101), 20, "reserved", OFFER, 6)
    assert rules(kept.history()) == UNEXPLAINED


def test_an_accepted_offer_that_changes_nothing_is_found() -> None:
    told = offered_to(released(), "ann")
    told.add(Kind.RESERVE, "ann", (12, 13), 200, order=OFFER, answer=told.order(OFFER, ends=610, offer=True))
    assert rules(told.history()) == UNEXPLAINED


def test_an_offer_is_accepted_at_its_price_only() -> None:
    told = offered_to(released(), "ann")
    told.refused(Kind.RESERVE, "ann", (12, 13), PRICE_CHANGED.format(20), arguments={"expectedPrice": 19})
    told.read((14, 15), 20, "reserved", OFFER, 6)
    assert rules(told.history()) == []
    told.add(
        Kind.RESERVE, "ann", (16, 17), 200, order=OFFER, answer=told.order(OFFER, version=2),
        arguments={"expectedPrice": 19},
    )  # fmt: skip
    assert rules(told.history()) == UNEXPLAINED


def test_somebody_who_left_gets_no_offer() -> None:
    told = waited_for()
    told.left("ann", (7.1, 7.2))
    told.cancelled("bea", (8, 9), "order-1")
    told.accepted("cy", (10, 11), offer_id(TICKET, 7))
    assert rules(told.history()) == []
    told.listed("ann", (12, 13), told.order(offer_id(TICKET, 7), ends=610, offer=True))
    assert rules(told.history()) == UNEXPLAINED


def test_somebody_in_line_who_buys_what_is_for_sale_waits_no_more() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.joined("ann", (4, 5), 1, most=10)
    told.cancelled("bea", (6, 7), "order-1")
    told.held("ann", (8, 9), "order-2")
    told.cancelled("ann", (10, 11), "order-2")
    told.read((12, 13), 20, "available", None, 7)
    assert rules(told.history()) == []


def test_a_place_that_somebody_else_has_is_found() -> None:
    told = waited_for()
    told.joined("dan", (8, 9), 2)
    assert rules(told.history()) == UNEXPLAINED


@pytest.mark.parametrize(("person", "message"), [("ann", NOT_HELD), ("bea", HELD_BY_YOU), ("dan", LINE_CLOSED)])
def test_a_refusal_to_wait_that_was_true_at_no_moment_is_found(person: str, message: str) -> None:
    told = waited_for()
    told.refused(Kind.JOIN, person, (8, 9), message)
    assert rules(told.history()) == ([] if (person, message) == ("bea", HELD_BY_YOU) else UNEXPLAINED)


def test_a_request_to_wait_without_an_answer_may_have_been_heard() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.add(Kind.JOIN, "ann", (4, 5), None)
    told.cancelled("bea", (6, 7), "order-1")
    told.read((8, 9), 20, "reserved", offer_id(TICKET, 5), 5)
    assert rules(told.history()) == []


def sold_while_ann_joined(during: tuple[float, float]) -> Told:
    """Ann is told that the ticket is sold, yet its version says that somebody joined before."""
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.refused(Kind.JOIN, "ann", during, SOLD)
    told.paid("bea", (4, 4.9), "order-1")
    told.read((9, 10), 20, "sold", "order-1", 5)
    return told


def test_join_that_took_effect_before_its_actor_died_may_be_refused_when_it_is_sent_again() -> None:
    assert rules(sold_while_ann_joined((3.9, 5)).history()) == []


def test_refused_join_that_was_not_sent_again_has_no_effect() -> None:
    assert rules(sold_while_ann_joined((4.7, 5)).history()) == UNEXPLAINED


def accepted_and_over_when_ann_is_refused(during: tuple[float, float]) -> Told:
    """Ann is told that Bea holds the ticket, yet what Ann was offered is seen accepted before."""
    told = Told(window=5)
    told.held("bea", (2, 3), "order-1")
    told.joined("ann", (4, 5), 1)
    told.cancelled("bea", (6, 7), "order-1")
    offer = offer_id(TICKET, 5)
    told.refused(Kind.RESERVE, "ann", during, RESERVED)
    told.listed("ann", (8.3, 8.4), told.order(offer, version=2, ends=13, created=6.5))
    told.held("bea", (15, 15.3), "order-2")
    return told


def test_acceptance_of_an_offer_before_its_actor_died_may_be_refused_when_it_is_sent_again() -> None:
    assert rules(accepted_and_over_when_ann_is_refused((8, 16)).history()) == []


def test_refused_reservation_that_was_not_sent_again_accepts_nothing() -> None:
    assert rules(accepted_and_over_when_ann_is_refused((8, 8.4)).history()) == UNEXPLAINED


def test_people_whose_joining_may_have_taken_effect_at_first_do_not_make_many_situations() -> None:
    told = Told(window=3, offer_window=2)
    told.held("bea", (2, 3), "order-1")
    told.joined("ann", (3, 4), 1)
    told.cancelled("bea", (4, 5), "order-1")
    told.listed("ann", (5, 5.2), told.order(offer_id(TICKET, 5), ends=6.5, created=4.5, offer=True))
    for number in range(8):
        told.refused(Kind.JOIN, f"who-{number}", (5.3, 9 + number / 10), NOT_HELD)
    told.held("dan", (5.5, 10), "order-2")
    for number in range(8):
        told.refused(Kind.RESERVE, f"other-{number}", (5.6, 10 + number / 10), RESERVED)
    told.read((5.7, 11), 20, "reserved", "order-2", 7)
    assert violations(told.history(), most_work=1_000) == []


@pytest.mark.parametrize("answered", [14.0, 4.4])
def test_a_join_is_sent_again_only_after_half_a_second_and_counts_anew_after_an_offer_that_passed(
    answered: float,
) -> None:
    told = Told(window=900.0, offer_window=3.5)
    told.held("bea", (2, 3), "order-1")
    told.joined("ann", (4, answered), 1)
    told.cancelled("bea", (5, 6), "order-1")
    offered_to(told, "ann", (7, 8), ends=9, offer=offer_id(TICKET, 5))
    told.held("dan", (10, 11), "order-2")
    told.read((15, 16), 20, "reserved", "order-2", 8)
    assert rules(told.history()) == ([] if answered == 14.0 else UNEXPLAINED)


def test_many_who_join_at_once_are_put_in_the_order_of_the_places_that_they_were_told() -> None:
    told = Told(window=900.0)
    told.held("bea", (2, 3), "order-1")
    for place in range(12, 0, -1):
        told.joined(f"person {place}", (4, 9), place)
    told.read((10, 11), 20, "reserved", "order-1", 14)
    assert rules(told.history()) == []
    told.joined("ann", (4, 9), 3)
    assert rules(told.history()) == UNEXPLAINED
