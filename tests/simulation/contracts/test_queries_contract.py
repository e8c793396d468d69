"""What the actors read from the database."""

from collections.abc import Collection
from dataclasses import replace

from actors.domain.charge_events import ChargeCreated
from actors.domain.charge_values import ChargeStatus
from actors.domain.ticket_events import OrderCancelled, OrderCompleted, OrderCreated, TicketUpdated
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from actors.domain.unpaid_holds import HOUR_MS
from tests.simulation.contracts.examples import (
    a_charge,
    a_ticket,
    an_order,
    being_paid,
    cancelled,
    commit,
    completed,
    document,
    numbered,
    ordering,
    recorded,
)
from tests.simulation.contracts.parts import Parts
from tests.support.examples import ANOTHER, BUYER, DETAILS, NOW, TICKET


async def test_documents_are_read_by_id_and_unknown_ids_are_left_out(parts: Parts) -> None:
    tickets, orders, charges = ([make(number) for number in (1, 2, 3)] for make in (a_ticket, an_order, a_charge))
    await parts.documents.write([document(one) for one in (*tickets, *orders, *charges)])
    ids = [numbered(number) for number in (1, 3, 9)]
    assert await parts.queries.tickets(ids) == {one.id: one for one in (tickets[0], tickets[2])}
    assert await parts.queries.orders(set(ids)) == {one.id: one for one in (orders[0], orders[2])}
    assert await parts.queries.charges(ids) == {one.id: one for one in (charges[0], charges[2])}
    assert await parts.queries.tickets([]) == {}


async def test_holds_of_buyers_that_stand_or_ended_unpaid_within_the_hour_are_found(parts: Parts) -> None:
    others = "5" * 24
    held, paid = an_order(1), being_paid(an_order(2, buyer_id=ANOTHER))
    expired = unpaid(an_order(3), CancelReason.EXPIRED)
    earlier = unpaid(an_order(4), CancelReason.BUYER, NOW - 2 * HOUR_MS)
    refunded = unpaid(an_order(5), CancelReason.REFUNDED)
    bought = replace(an_order(6), status=OrderStatus.COMPLETE)
    orders = (held, paid, expired, earlier, refunded, bought, an_order(7, buyer_id=others))
    await parts.documents.write([document(order) for order in orders])

    async def found(buyers: Collection[str], now: int = NOW) -> list[Order]:
        return sorted(await parts.queries.unpaid_holds_of(buyers, now), key=lambda order: order.id)

    assert await found([BUYER]) == [held, expired]
    assert await found({BUYER, ANOTHER, "6" * 24}) == [held, paid, expired]
    assert await found([BUYER], NOW + HOUR_MS - 1) == [held, expired]
    assert await found([BUYER], NOW + 2 * HOUR_MS) == [held]
    assert await found([]) == []


def unpaid(order: Order, reason: CancelReason, at: int = NOW) -> Order:
    return replace(cancelled(order), cancel_reason=reason, updated_at=at)


async def test_users_who_may_buy_are_found(parts: Parts) -> None:
    welcome, barred = BUYER, ANOTHER
    for user_id in (welcome, barred):
        await parts.add_user(user_id, NOW)
    assert await parts.ban(barred)
    assert await parts.queries.may_buy({welcome, barred}, verified=False) == {welcome}
    assert await parts.queries.may_buy([], verified=False) == frozenset()


async def test_orders_are_due_from_an_instant_until_before_another_the_earliest_first(parts: Parts) -> None:
    orders = [an_order(number, ends=ends) for number, ends in enumerate((400, 100, 300, 200), start=1)]
    await parts.documents.write([document(order) for order in (*orders, cancelled(an_order(9, ends=250)))])

    async def ends(after: int, before: int, most: int = 10) -> list[int]:
        return [order.expires_at for order in await parts.queries.orders_due(after, before, most)]

    assert await ends(0, 1_000) == [100, 200, 300, 400]
    assert await ends(200, 400) == [200, 300]
    assert await ends(0, 1_000, 3) == [100, 200, 300]
    assert await ends(401, 1_000) == []


# Orders as the journal has them


async def test_an_order_is_in_the_journal_before_its_document_is_there(parts: Parts) -> None:
    first, second = an_order(1), an_order(2)
    await parts.journal.append(ordering("a", 1, 2, first))
    await parts.journal.append(ordering("b", 1, 5, second))
    found = await parts.queries.orders_in_journal([first.id, second.id, numbered(9)])
    assert found == {first.id: first, second.id: second}
    assert await parts.queries.orders_in_journal({second.id}) == {second.id: second}
    assert await parts.queries.orders_in_journal([]) == {}


async def test_an_order_is_as_its_newer_document_says(parts: Parts) -> None:
    order = an_order()
    await parts.journal.append(ordering("a", 1, 2, order))
    await parts.documents.write([document(cancelled(order))])
    assert await parts.queries.orders_in_journal([order.id]) == {order.id: cancelled(order)}


async def test_an_order_that_ended_in_its_first_commit_is_as_that_commit_says(parts: Parts) -> None:
    order, another = an_order(1), an_order(2)
    records = (
        recorded(1),
        recorded(2, OrderCreated(order)),
        recorded(3, OrderCancelled(cancelled(order))),
        recorded(4, OrderCreated(another)),
    )
    await parts.journal.append(commit("a", 1, *records, claims=(f"order:{order.id}", f"order:{another.id}")))
    await parts.documents.write([document(order)])
    assert await parts.queries.orders_in_journal([order.id]) == {order.id: cancelled(order)}


async def test_an_order_that_ended_in_a_later_commit_is_as_that_commit_says_before_its_document_does(
    parts: Parts,
) -> None:
    order, held = an_order(1), an_order(2)
    await parts.journal.append(ordering("a", 1, 2, order))
    await parts.journal.append(commit("b", 1, recorded(3, OrderCancelled(cancelled(order)))))
    await parts.journal.append(ordering("b", 2, 4, held))
    assert await parts.queries.orders_in_journal([order.id, held.id]) == {order.id: cancelled(order), held.id: held}
    await parts.documents.write([document(order)])
    assert await parts.queries.orders_in_journal([order.id]) == {order.id: cancelled(order)}


async def test_an_order_without_an_event_is_not_in_the_journal(parts: Parts) -> None:
    await parts.documents.write([document(an_order())])
    assert await parts.queries.orders_in_journal([an_order().id]) == {}


async def test_orders_that_were_cancelled_and_still_read_as_open_are_found_as_they_were_cancelled(parts: Parts) -> None:
    lagging, written, held, refunded = (an_order(number) for number in range(1, 5))
    for number, order in enumerate((lagging, written, held, refunded), start=1):
        await parts.journal.append(ordering("a", number, number, order))
    await parts.journal.append(commit("b", 1, recorded(5), recorded(6, OrderCancelled(cancelled(lagging)))))
    await parts.journal.append(commit("b", 2, recorded(7, OrderCancelled(cancelled(written)))))
    bought = replace(refunded, status=OrderStatus.COMPLETE, version=2)
    taken_back = replace(cancelled(bought), version=3)
    await parts.journal.append(commit("b", 3, recorded(8, OrderCompleted(bought))))
    await parts.journal.append(commit("b", 4, recorded(9, OrderCancelled(taken_back))))
    documents = [lagging, cancelled(written), held, refunded]
    await parts.documents.write([document(order) for order in documents])
    found = await parts.queries.orders_read_as_open({order.id for order in documents} | {numbered(9)})
    assert {order.id: order for order in found} == {lagging.id: cancelled(lagging), refunded.id: taken_back}
    assert await parts.queries.orders_read_as_open(set()) == []


async def test_an_edit_is_in_the_journal_with_the_ticket_that_it_changed(parts: Parts) -> None:
    edits = [TicketUpdated(DETAILS, edit_id) for edit_id in ("one", "other")]
    records = [recorded(2, edits[0]), recorded(3, edits[1], entity="ticket:another"), recorded(3)]
    await parts.journal.append(commit("a", 1, *records, claims=("edit:one", "edit:other")))
    assert await parts.queries.edits_in_journal(["one", "none"]) == {"one": TICKET}
    assert await parts.queries.edits_in_journal({"other", "one"}) == {"one": TICKET, "other": "another"}
    assert await parts.queries.edits_in_journal([]) == {}


async def test_a_clients_key_is_in_the_journal_with_the_order_that_it_paid(parts: Parts) -> None:
    created = [replace(a_charge(number, order_id=numbered(number)), request=f"key {number}") for number in (1, 2)]
    records = [recorded(1, ChargeCreated(charge), entity=f"charge:{charge.id}") for charge in created]
    await parts.journal.append(commit("a", 1, *records, claims=("request:key 1", "request:key 2")))
    assert await parts.queries.orders_of_requests({"key 1", "key 3"}) == {"key 1": numbered(1)}
    assert await parts.queries.orders_of_requests([]) == {}


# Charges


async def test_charges_of_an_order_are_in_the_order_of_its_attempts(parts: Parts) -> None:
    attempts = [a_charge(10 - attempt, attempt=attempt) for attempt in (1, 2, 3)]
    elsewhere = a_charge(20, order_id=numbered(2))
    await parts.documents.write([document(charge) for charge in (attempts[1], attempts[2], elsewhere, attempts[0])])
    assert await parts.queries.charges_of(numbered(1)) == attempts
    assert await parts.queries.charges_of(numbered(3)) == []
    by_order = await parts.queries.charges_by_order([numbered(2), numbered(1), numbered(3)])
    assert by_order == {numbered(1): attempts, numbered(2): [elsewhere], numbered(3): []}
    assert await parts.queries.charges_by_order([]) == {}


async def test_orders_are_found_by_the_intents_that_are_known(parts: Parts) -> None:
    with_intents = [
        replace(a_charge(number, order_id=numbered(number)), stripe_id=f"pi_{number}") for number in (1, 2, 3)
    ]
    await parts.documents.write([document(charge) for charge in (*with_intents, a_charge(4, order_id=numbered(4)))])
    found = await parts.queries.orders_of_intents(["pi_1", "pi_3", "pi_9"])
    assert found == {"pi_1": numbered(1), "pi_3": numbered(3)}
    assert await parts.queries.orders_of_intents([]) == {}


# Money on the way


async def test_orders_with_pending_money_are_found_page_by_page_the_longest_untouched_first(parts: Parts) -> None:
    since = {1: 300, 2: 100, 3: 400, 4: 200}
    orders = [being_paid(an_order(number), since=at) for number, at in since.items()]
    refunding = replace(an_order(5), refunding=True, updated_at=150)
    quiet = replace(an_order(6), updated_at=50)
    await parts.documents.write([document(order) for order in (*orders, refunding, quiet)])
    assert await parts.queries.unsettled_orders(400, 0, 10) == [numbered(number) for number in (2, 5, 4, 1)]
    assert await parts.queries.unsettled_orders(401, 1, 2) == [numbered(number) for number in (5, 4)]
    assert await parts.queries.unsettled_orders(401, 4, 10) == [numbered(3)]
    assert await parts.queries.unsettled_orders(100, 0, 10) == []


async def test_orders_of_charges_with_pending_money_are_found_the_same_way(parts: Parts) -> None:
    since = {1: 300, 2: 100, 3: 400, 4: 200}
    charges = [a_charge(number, order_id=numbered(10 * number), updated_at=at) for number, at in since.items()]
    settled = completed(a_charge(5, updated_at=50))
    refunding = replace(completed(a_charge(6, order_id=numbered(60), updated_at=150)), refunding=True)
    await parts.documents.write([document(charge) for charge in (*charges, settled, refunding)])
    assert await parts.queries.orders_of_unsettled_charges(400, 0, 10) == [numbered(one) for one in (20, 60, 40, 10)]
    assert await parts.queries.orders_of_unsettled_charges(401, 1, 2) == [numbered(one) for one in (60, 40)]
    assert await parts.queries.orders_of_unsettled_charges(100, 0, 10) == []


async def test_orders_of_failed_charges_that_may_still_be_paid_are_found_apart_from_the_others(parts: Parts) -> None:
    failed = [
        replace(a_charge(number, order_id=numbered(10 * number), updated_at=at), status=ChargeStatus.FAILED,
                stripe_id=f"pi_{number}", intent_cancelled=number == 4)
        for number, at in {1: 300, 2: 100, 3: 400, 4: 200}.items()
    ]  # fmt: skip
    await parts.documents.write([document(charge) for charge in (*failed, a_charge(5, updated_at=250))])
    assert await parts.queries.orders_of_payable_charges(100, 400, 0, 10) == [numbered(20), numbered(10)]
    assert await parts.queries.orders_of_payable_charges(101, 401, 0, 10) == [numbered(10), numbered(30)]
    assert await parts.queries.orders_of_payable_charges(0, 401, 1, 1) == [numbered(10)]
    assert await parts.queries.orders_of_unsettled_charges(401, 0, 10) == [numbered(1)]


async def test_each_of_several_pending_charges_of_one_order_is_found(parts: Parts) -> None:
    await parts.documents.write([document(a_charge(number, updated_at=NOW + number)) for number in (1, 2)])
    assert await parts.queries.orders_of_unsettled_charges(NOW + 9, 0, 10) == [numbered(1), numbered(1)]
