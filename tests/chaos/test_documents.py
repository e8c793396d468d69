"""What people see in documents may lag, was so once, and has their own acknowledged writes in it."""

from cli.history.operations import Kind
from tests.chaos.writing import SAM, TICKET, UNEXPLAINED, Told, rules

OLD = ["a read is older than what its reader was told"]


def test_an_order_may_be_seen_as_it_was_a_moment_ago_but_not_as_it_never_was() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.paid("bea", (4, 9), "order-1")
    told.read((5, 6), 20, "sold", "order-1", 4)
    told.listed("bea", (7, 8), told.order("order-1"))
    assert rules(told.history()) == []
    told.listed("bea", (7, 8), told.order("order-1", status="cancelled", reason="buyer", version=3))
    assert rules(told.history()) == UNEXPLAINED


def test_ones_own_write_that_is_missing_in_a_list_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.listed("bea", (4, 5))
    assert rules(told.history()) == ["one's own write is missing in a list"]


def test_a_list_that_was_asked_for_before_the_write_was_acknowledged_need_not_show_it() -> None:
    told = Told()
    told.held("bea", (2, 4), "order-1")
    told.listed("bea", (3, 5))
    told.listed("ann", (6, 7))
    assert rules(told.history()) == []


def test_a_full_page_need_not_show_what_is_older_than_its_last_item() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.cancelled("bea", (4, 5), "order-1")
    told.held("bea", (6, 7), "order-2")
    told.listed("bea", (8, 9), told.order("order-2", created=6.5), limit=1)
    assert rules(told.history()) == []


def test_an_order_that_looks_open_after_its_cancellation_was_acknowledged_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.cancelled("bea", (4, 5), "order-1")
    told.listed("bea", (6, 7), told.order("order-1"))
    assert rules(told.history()) == OLD


def test_an_order_that_looks_open_after_it_was_said_to_be_over_is_found_also_if_it_was_over_by_itself() -> None:
    told = Told(window=10)
    told.held("bea", (2, 3), "order-1")
    told.cancelled("bea", (14, 15), "order-1")
    told.listed("bea", (16, 17), told.order("order-1", ends=13))
    assert rules(told.history()) == OLD


def test_an_order_that_is_not_found_by_its_id_is_found() -> None:
    told = Told()
    told.held("bea", (2, 3), "order-1")
    told.add(Kind.READ_ORDER, "bea", (4, 5), 404, order="order-1", answer={"message": "There is no such order."})
    assert rules(told.history()) == ["an order that was told of is not found"]


def test_a_price_that_is_missing_in_the_sellers_list_is_found() -> None:
    told = Told()
    told.edited((2, 3), 30, 2)
    item = {"id": TICKET, "price": 20.0, "status": "available", "orderId": None, "version": 1, "createdAt": ""}
    told.add(Kind.OWN_TICKETS, SAM, (4, 5), 200, answer={"items": [item]}, arguments={"limit": 100}, ticket=None)
    assert rules(told.history()) == OLD
