"""The judge of the chaos runs finds what is wrong, and computes recovery as one would by hand."""

from typing import Any

import pytest

from tests.chaos.judgement import (
    broken_promise,
    longest_gap,
    median,
    served_again_after,
    slowest,
    wrong_answers,
)
from tests.chaos.outcome import Hit, Outcome, hit
from tests.chaos.records import Answer, Purchase, Reservation, Verb, Wish

FAULT = 100.0


def reserved(
    sent: float, heard: float | None = None, status: int | None = 201, retry_after: str | None = None
) -> Answer:
    return Answer(Verb.RESERVE, sent, sent + 0.01 if heard is None else heard, status, retry_after)


def refused(sent: float, heard: float | None = None) -> Answer:
    return reserved(sent, heard, 503, "1")


def test_service_that_refused_is_back_with_the_first_success() -> None:
    answers = [reserved(99.9), refused(100.1), refused(101.0), reserved(101.5, 101.6), reserved(102.0)]
    assert served_again_after(answers, Verb.RESERVE, FAULT) == pytest.approx(1.6)


def test_a_success_before_a_further_refusal_does_not_count() -> None:
    answers = [reserved(100.5), refused(101.0), reserved(103.0, 103.2)]
    assert served_again_after(answers, Verb.RESERVE, FAULT) == pytest.approx(3.2)


def test_service_that_kept_callers_waiting_is_back_with_their_answers() -> None:
    answers = [reserved(100.1, 102.0), reserved(101.9, 102.05), reserved(102.5)]
    assert served_again_after(answers, Verb.RESERVE, FAULT) == pytest.approx(2.0)


def test_a_late_refusal_of_what_was_asked_before_the_return_does_not_prolong_it() -> None:
    answers = [refused(100.1, 105.1), reserved(101.0, 101.1), reserved(102.0)]
    assert served_again_after(answers, Verb.RESERVE, FAULT) == pytest.approx(1.1)


def test_fault_without_a_failed_answer_interrupts_service_for_no_time() -> None:
    assert served_again_after([reserved(99.0), reserved(100.1)], Verb.RESERVE, FAULT) == 0.0


def test_service_that_never_returns_has_no_time_of_return() -> None:
    assert served_again_after([reserved(99.0), refused(101.0)], Verb.RESERVE, FAULT) is None
    with pytest.raises(TimeoutError):
        hit([reserved(99.0), refused(101.0)], Verb.RESERVE, FAULT, 110.0)


def test_answers_to_other_questions_do_not_count() -> None:
    answers = [refused(100.1), Answer(Verb.PAY, 100.2, 100.3, 201), reserved(104.0, 104.1)]
    assert served_again_after(answers, Verb.RESERVE, FAULT) == pytest.approx(4.1)


def test_the_longest_gap_includes_the_time_before_the_first_and_after_the_last_success() -> None:
    answers = [reserved(100.9, 101.0), refused(102.0), reserved(102.9, 103.0)]
    assert longest_gap(answers, Verb.RESERVE, FAULT, 103.5) == pytest.approx(2.0)
    assert longest_gap(answers, Verb.RESERVE, FAULT, 109.0) == pytest.approx(6.0)
    assert longest_gap([], Verb.RESERVE, FAULT, 104.0) == pytest.approx(4.0)


def test_the_slowest_answer_may_be_a_refusal() -> None:
    assert slowest([refused(100.0, 105.0), reserved(100.5)], Verb.RESERVE, FAULT) == pytest.approx(5.0)


@pytest.mark.parametrize(
    "answer",
    [
        reserved(1.0, status=500),
        reserved(1.0, status=502),
        reserved(1.0, status=503),
        reserved(1.0, status=503, retry_after="0"),
        reserved(1.0, status=503, retry_after="soon"),
        reserved(1.0, status=404),
        reserved(1.0, status=409),
        reserved(1.0, status=None),
        Answer(Verb.PAY, 1.0, 1.1, 402),
        Answer(Verb.RESERVE, 1.0, 1.1, 202),
    ],
)
def test_an_answer_that_nobody_may_get_is_found(answer: Answer) -> None:
    assert len(wrong_answers([reserved(0.5), answer], may_break=False)) == 1


@pytest.mark.parametrize("answer", [refused(1.0), reserved(1.0, status=200), Answer(Verb.PAY, 1.0, 1.1, 202)])
def test_a_clear_refusal_a_repeat_and_a_payment_in_progress_are_right(answer: Answer) -> None:
    assert wrong_answers([answer], may_break=False) == []


def test_a_broken_connection_is_right_only_where_it_is_expected() -> None:
    assert wrong_answers([reserved(1.0, status=None)], may_break=True) == []
    assert wrong_answers([reserved(1.0, status=500)], may_break=True) != []


def purchase(wish: Wish = Wish.HELD, *, price: float = 20.01) -> Purchase:
    return Purchase(Reservation("ticket", "buyer", "cookie", 20.01), "order", price, wish)


def order(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"status": "created", "price": 20.01, "userId": "buyer", "ticket": {"id": "ticket"}, **changed}


def ticket(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"status": "reserved", "orderId": "order", **changed}


def test_an_order_that_is_as_it_was_acknowledged_breaks_no_promise() -> None:
    assert broken_promise(purchase(), order(), ticket()) is None
    assert broken_promise(purchase(Wish.PAID), order(status="complete"), ticket(status="sold")) is None
    over = order(status="cancelled", cancelReason="buyer")
    assert broken_promise(purchase(Wish.CANCELLED), over, ticket(status="available", orderId=None)) is None


@pytest.mark.parametrize(
    ("bought", "order_now", "ticket_now"),
    [
        pytest.param(purchase(), None, ticket(), id="lost"),
        pytest.param(purchase(), order(), None, id="its ticket is lost"),
        pytest.param(purchase(price=20.02), order(price=20.02), ticket(), id="acknowledged at another price"),
        pytest.param(purchase(), order(price=20.02), ticket(), id="costs something else now"),
        pytest.param(purchase(), order(userId="somebody"), ticket(), id="somebody else's"),
        pytest.param(purchase(), order(ticket={"id": "other"}), ticket(), id="for another ticket"),
        pytest.param(purchase(), order(status="cancelled", cancelReason="buyer"), ticket(), id="cancelled by nobody"),
        pytest.param(
            purchase(Wish.CANCELLING), order(status="cancelled", cancelReason="expired"), ticket(), id="ended otherwise"
        ),
        pytest.param(purchase(Wish.CANCELLED), order(), ticket(), id="a cancellation is lost"),
        pytest.param(purchase(Wish.PAID), order(), ticket(), id="a payment is lost"),
        pytest.param(purchase(), order(), ticket(orderId="other"), id="the ticket is another's"),
        pytest.param(purchase(), order(), ticket(status="available", orderId=None), id="the ticket is for sale"),
        pytest.param(purchase(Wish.PAID), order(status="complete"), ticket(), id="the ticket is not sold"),
    ],
)
def test_an_acknowledged_order_that_is_not_as_told_is_found(
    bought: Purchase, order_now: dict[str, Any] | None, ticket_now: dict[str, Any] | None
) -> None:
    assert broken_promise(bought, order_now, ticket_now) is not None


def test_an_outcome_is_as_promised_only_when_nothing_is_wrong_and_each_strike_was_over_in_time() -> None:
    fast, late = Hit(1.0, None, 1.0, 1.0), Hit(3.1, None, 1.0, 1.0)
    assert Outcome("killed", 3.0, hits=[fast]).is_as_promised
    assert not Outcome("killed", 3.0, hits=[fast, late]).is_as_promised
    assert not Outcome("killed", 3.0, hits=[fast], wrong=["500"]).is_as_promised
    assert not Outcome("killed", 3.0, hits=[fast], lost=["order"]).is_as_promised
    assert not Outcome("killed", 3.0, hits=[fast], violations=["sold twice"]).is_as_promised
    assert not Outcome("killed", 3.0, hits=[fast], in_progress=1).is_as_promised


def test_where_nobody_is_to_notice_anything_the_longest_gap_counts() -> None:
    late_hiccup, outage = Hit(6.7, None, 0.6, 0.6), Hit(0.0, None, 1.5, 0.4)
    assert Outcome("killed", 1.0, unnoticed=True, hits=[late_hiccup]).is_as_promised
    assert not Outcome("killed", 1.0, unnoticed=True, hits=[outage]).is_as_promised


def test_the_median_of_two_is_the_upper_one() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([1.0, 2.0]) == 2.0
