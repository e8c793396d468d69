"""The checker accepts what can be explained, and finds every kind of answer that cannot."""

from cli.history.linearizability import Violation, violations
from cli.history.operations import Kind, Window
from cli.history.texts import COMPLETE, DECLINED, ENDINGS, PRICE_CHANGED, RESERVED, SOLD
from tests.chaos.writing import DECLINED_CARD, SAM, TICKET, UNEXPLAINED, VISA, Told, rules


def test_a_purchase_from_listing_to_paid_is_explained() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.read((4, 5), 20, "reserved", "order-1", 2)
    told.paid("bea", (6, 7), "order-1")
    told.read((8, 9), 20, "sold", "order-1", 4)
    assert rules(told.history()) == []


def test_answers_may_come_in_another_order_than_what_was_decided() -> None:
    told = Told()
    told.refused(Kind.RESERVE, "ann", (2, 3), RESERVED)  # answered before the one who got it
    told.held("bea", (2, 9), "order-1")
    told.read((4, 5), 20, "reserved", "order-1", 2)
    assert rules(told.history()) == []


def test_two_holders_at_once_are_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.held("ann", (2, 3), "order-2")
    assert rules(told.history()) == UNEXPLAINED


def test_a_hold_after_another_was_let_go_is_explained() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.cancelled("bea", (3, 6), "order-1")
    told.held("ann", (4, 5), "order-2")
    assert rules(told.history()) == []


def test_a_read_that_is_older_than_an_acknowledged_write_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.read((4, 5), 20, "available", None, 1)
    assert rules(told.history()) == UNEXPLAINED


def test_a_read_may_be_that_old_in_a_window_in_which_a_host_was_replaced_and_only_there() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.read((4, 5), 20, "available", None, 1)
    assert rules(told.history().with_faults(Window(2.5, 4.5))) == []
    assert rules(told.history().with_faults(Window(3.5, 4.5))) == UNEXPLAINED
    assert rules(told.history().with_faults(Window(2.5, 3.5))) == UNEXPLAINED


def test_reads_that_go_back_and_forth_are_found() -> None:
    told = Told()
    told.held("bea", (2, 9), "order-1")
    told.read((3, 4), 20, "reserved", "order-1", 2)
    told.read((5, 6), 20, "available", None, 1)
    assert rules(told.history()) == UNEXPLAINED


def test_a_price_that_changed_under_a_hold_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.edited((4, 5), 30, 3)
    assert rules(told.history()) == UNEXPLAINED


def test_a_price_that_changed_in_the_instant_of_the_reservation_has_exactly_one_winner() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1", price=30)
    told.edited((2, 3), 30, 2)
    assert rules(told.history()) == []
    both = Told()
    both.held("bea", (2, 3), "order-1", price=20)
    both.edited((2, 3), 30, 2)
    assert rules(both.history()) == UNEXPLAINED


def test_a_reservation_at_a_price_that_was_never_current_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1", price=19)
    assert rules(told.history()) == UNEXPLAINED


def test_a_ticket_that_is_sold_twice_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.paid("bea", (4, 5), "order-1")
    told.held("ann", (6, 7), "order-2")
    assert rules(told.history()) == UNEXPLAINED


def test_an_order_that_is_paid_anew_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.paid("bea", (4, 6), "order-1")
    told.paid("bea", (4, 6), "order-1")
    assert rules(told.history()) == UNEXPLAINED


def test_a_second_payment_may_be_told_of_the_first() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.paid("bea", (4, 6), "order-1")
    told.paid("bea", (4, 6), "order-1", 200)
    assert rules(told.history()) == []


def test_a_cancelled_order_that_still_sold_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.cancelled("bea", (4, 5), "order-1")
    told.paid("bea", (6, 7), "order-1")
    assert rules(told.history()) == UNEXPLAINED


def test_cancelling_while_paying_ends_with_one_of_the_two() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.cancelled("bea", (4, 6), "order-1")
    told.refused(
        Kind.PAY, "bea", (4, 6), ENDINGS["buyer"], order="order-1", arguments={"paymentMethod": "pm_card_visa"}
    )
    assert rules(told.history()) == []
    other = Told()
    other.held("bea", (2, 3), "order-1")
    other.refused(Kind.CANCEL, "bea", (4, 6), COMPLETE, order="order-1")
    other.paid("bea", (4, 6), "order-1")
    assert rules(other.history()) == []


def test_a_declined_payment_frees_the_ticket() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.add(Kind.PAY, "bea", (4, 5), 402, order="order-1", answer={"message": DECLINED}, arguments=DECLINED_CARD)
    told.held("ann", (6, 7), "order-2")
    assert rules(told.history()) == []


def test_a_good_card_that_is_said_to_be_declined_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.add(Kind.PAY, "bea", (4, 5), 402, order="order-1", answer={"message": DECLINED}, arguments=VISA)
    assert rules(told.history()) == UNEXPLAINED


def test_a_declined_payment_that_left_the_ticket_held_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.add(Kind.PAY, "bea", (4, 5), 402, order="order-1", answer={"message": DECLINED}, arguments=DECLINED_CARD)
    told.read((6, 7), 20, "reserved", "order-1", 3)
    assert rules(told.history()) == UNEXPLAINED


def test_a_refusal_that_was_true_at_no_moment_is_found() -> None:
    told = Told()
    told.refused(Kind.RESERVE, "bea", (2, 3), SOLD)
    assert rules(told.history()) == UNEXPLAINED


def test_a_changed_price_is_told_only_where_it_was_another() -> None:
    told = Told()
    told.edited((2, 3), 30, 2)
    told.refused(Kind.RESERVE, "bea", (4, 5), PRICE_CHANGED.format(30), arguments={"expectedPrice": 20})
    assert rules(told.history()) == []
    told.refused(Kind.RESERVE, "bea", (6, 7), PRICE_CHANGED.format(35), arguments={"expectedPrice": 20})
    assert rules(told.history()) == UNEXPLAINED


def test_an_edit_that_was_acknowledged_and_lost_is_found() -> None:
    told = Told()
    told.edited((2, 3), 30, 2)
    told.held("bea", (4, 5), "order-1", price=20)
    assert rules(told.history()) == UNEXPLAINED


def test_an_edit_may_be_answered_with_the_ticket_as_it_was_a_moment_later_but_not_earlier() -> None:
    told = Told()
    shown = {"id": TICKET, "price": 30.0, "status": "reserved", "orderId": "order-1", "version": 3}
    told.add(Kind.EDIT, SAM, (2, 9), 200, answer=shown, arguments={"price": 30.0})
    told.held("bea", (3, 8), "order-1", price=30)
    assert rules(told.history()) == []
    early = Told()
    shown = {"id": TICKET, "price": 20.0, "status": "available", "orderId": None, "version": 1}
    early.add(Kind.EDIT, SAM, (2, 9), 200, answer=shown, arguments={"price": 30.0})
    assert rules(early.history()) == UNEXPLAINED


def test_an_edit_that_was_refused_and_took_effect_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.refused(Kind.EDIT, SAM, (3, 9), RESERVED, arguments={"price": 30})
    told.cancelled("bea", (4, 5), "order-1")
    told.read((6, 7), 30, "available", None, 4)
    assert rules(told.history()) == UNEXPLAINED


# Time


def test_a_hold_ends_by_itself_when_its_time_is_over_and_not_earlier() -> None:
    told = Told(window=10)
    told.held("bea", (2, 3), "order-1")
    told.held("ann", (13.5, 14), "order-2")
    assert rules(told.history()) == []
    early = Told(window=10)
    early.held("bea", (2, 3), "order-1")
    early.held("ann", (11, 12), "order-2")
    assert rules(early.history()) == UNEXPLAINED


def test_a_hold_that_goes_on_after_its_time_is_found() -> None:
    told = Told(window=10)
    told.held("bea", (2, 3), "order-1")
    told.read((14, 15), 20, "reserved", "order-1", 2)
    assert rules(told.history()) == UNEXPLAINED


def test_a_late_payment_that_won_is_found() -> None:
    told = Told(window=10)
    told.held("bea", (2, 3), "order-1")
    told.paid("bea", (14, 15), "order-1")
    assert rules(told.history()) == UNEXPLAINED


# Unknown outcomes


def test_a_reservation_without_an_answer_may_have_happened() -> None:
    told = Told()
    told.add(Kind.RESERVE, "bea", (2, 3), None)
    told.read((4, 5), 20, "available", None, 1)
    told.read((6, 7), 20, "reserved", "order-1", 2)
    assert rules(told.history()) == []


def test_an_order_that_nobody_asked_for_is_found() -> None:
    told = Told()
    told.read((4, 5), 20, "reserved", "order-1", 2)
    assert rules(told.history()) == UNEXPLAINED


def test_a_payment_without_an_answer_may_sell_at_any_later_time_but_once() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.paid("bea", (4, 5), "order-1", None)
    told.read((6, 7), 20, "reserved", "order-1", 3)
    told.read((8, 9), 20, "sold", "order-1", 4)
    assert rules(told.history()) == []
    told.read((10, 11), 20, "available", None, 5)
    assert rules(told.history()) == UNEXPLAINED


def test_an_edit_without_an_answer_takes_effect_once() -> None:
    told = Told()
    told.add(Kind.EDIT, SAM, (2, 3), None, arguments={"price": 30})
    told.read((4, 5), 30, "available", None, 2)
    assert rules(told.history()) == []
    told.edited((6, 7), 20, 3)
    told.read((8, 9), 30, "available", None, 4)
    assert rules(told.history()) == UNEXPLAINED


def test_a_request_with_a_key_that_was_sent_again_is_one_operation() -> None:
    told = Told()
    shown = told.order("order-1")
    told.add(Kind.RESERVE, "bea", (2, 9), 200, order="order-1", answer=shown, arguments={"key": "k"})
    told.read((4, 5), 20, "reserved", "order-1", 2)
    assert rules(told.history()) == []


# The report


def test_the_report_ends_with_the_answer_that_cannot_be_explained() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.held("ann", (4, 5), "order-2")
    told.cancelled("bea", (6, 7), "order-1")
    (violation,) = violations(told.history())
    marked = [line for line in violation.lines if line.startswith(">>")]
    assert len(marked) == 1
    assert "ann" in marked[0]
    assert "order-2" in marked[0]
    assert not any("cancel" in line for line in violation.lines), "what came later is no part of it"
    assert f"ticket {TICKET}" in str(violation)


def test_history_that_takes_too_much_work_is_undecided_and_counts_as_a_violation() -> None:
    told = Told()
    for place in range(12):
        told.add(Kind.EDIT, SAM, (2, 3), None, arguments={"price": 21.0 + place})
    told.read((4, 5), 99, "available", None, 13)
    (violation,) = violations(told.history(), most_work=50)
    assert violation.rule == "not decided within 50 situations"
    assert isinstance(violation, Violation)


def test_many_edits_without_an_answer_do_not_make_many_situations() -> None:
    told = Told()
    for number in range(40):
        told.add(Kind.EDIT, SAM, (2 + number / 10, 9), None, arguments={"price": 21.0 + number % 4})
    told.held("bea", (10, 11), "order-1", price=22.0)
    told.read((12, 13), 22, "reserved", "order-1", 6)
    assert violations(told.history(), most_work=1_000) == []
    told.read((14, 15), 23, "reserved", "order-1", 6)
    assert rules(told.history()) == UNEXPLAINED


def test_progress_is_told_by_tickets() -> None:
    heard: list[tuple[int, int]] = []
    violations(Told().history(), lambda done, total: heard.append((done, total)))
    assert heard == [(0, 1), (1, 1)]
