"""Documents: written whole, by anybody, at any time, and never by something older."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.domain.ticket import Ticket
from actors.read_model.projections import FIRST_PROJECTION
from actors.runtime.ports import DocumentUpdate
from tests.simulation.contracts.examples import (
    a_charge,
    a_ticket,
    an_order,
    being_paid,
    cancelled,
    completed,
    document,
    numbered,
)
from tests.simulation.contracts.parts import Parts

EITHER = pytest.mark.parametrize("is_new", [True, False])


async def ticket_after(parts: Parts, *writes: Sequence[DocumentUpdate]) -> Ticket | None:
    for updates in writes:
        await parts.documents.write(updates)
    return (await parts.queries.tickets([numbered(1)])).get(numbered(1))


@EITHER
async def test_a_missing_document_is_written(parts: Parts, *, is_new: bool) -> None:
    ticket = a_ticket(version=4)
    assert await ticket_after(parts, [document(ticket, is_new=is_new)]) == ticket


@EITHER
async def test_a_newer_version_replaces_the_whole_document(parts: Parts, *, is_new: bool) -> None:
    before = replace(a_ticket(version=2), request="a digest")
    after = a_ticket(version=3, title="Macbeth")
    assert await ticket_after(parts, [document(before)], [document(after, is_new=is_new)]) == after


@EITHER
@pytest.mark.parametrize("version", [1, 2])
async def test_an_older_or_equal_version_changes_nothing(parts: Parts, version: int, *, is_new: bool) -> None:
    there = a_ticket(version=2)
    late = a_ticket(version=version, title="Macbeth")
    assert await ticket_after(parts, [document(there)], [document(late, is_new=is_new)]) == there


@EITHER
async def test_a_document_that_is_written_twice_is_there_once(parts: Parts, *, is_new: bool) -> None:
    wanted = document(a_ticket(), is_new=is_new)
    assert await ticket_after(parts, [wanted], [wanted]) == a_ticket()


@pytest.mark.parametrize("versions", [(1, 2), (2, 1)])
async def test_the_newer_of_two_versions_in_one_call_stays(parts: Parts, versions: tuple[int, int]) -> None:
    wanted = [document(a_ticket(version=version), is_new=version == 1) for version in versions]
    assert await ticket_after(parts, wanted) == a_ticket(version=2)


async def test_one_call_writes_new_newer_older_and_equal_versions(parts: Parts) -> None:
    there = [a_ticket(number, version=5) for number in range(1, 5)]
    await parts.documents.write([document(ticket, is_new=True) for ticket in there])
    told = [
        *(a_ticket(number, version, "Macbeth") for number, version in ((1, 4), (2, 5), (3, 6))),
        *(a_ticket(number, 1, "Macbeth") for number in (4, 5, 6)),
    ]
    await parts.documents.write([document(ticket, is_new=ticket.version == 1) for ticket in told])
    found = await parts.queries.tickets([numbered(number) for number in range(1, 8)])
    titles = {number: found[numbered(number)].details.title for number in range(1, 7)}
    assert titles == {1: "Hamlet", 2: "Hamlet", 3: "Macbeth", 4: "Hamlet", 5: "Macbeth", 6: "Macbeth"}
    assert len(found) == 6


async def test_one_call_writes_to_several_collections(parts: Parts) -> None:
    ticket, order, charge = a_ticket(), an_order(), a_charge()
    await parts.documents.write([document(one, is_new=True) for one in (order, charge, ticket)])
    assert await parts.queries.tickets([ticket.id]) == {ticket.id: ticket}
    assert await parts.queries.orders([order.id]) == {order.id: order}
    assert await parts.queries.charges([charge.id]) == {charge.id: charge}


async def test_a_document_is_no_longer_due_when_its_order_is_over(parts: Parts) -> None:
    order = being_paid(an_order())
    await parts.documents.write([document(order), document(a_charge())])
    await parts.documents.write([document(cancelled(order)), document(completed(a_charge()))])
    assert await parts.queries.orders_due(0, 2**60, 10) == []
    assert await parts.queries.unsettled_orders(2**60, 0, 10) == []
    assert await parts.queries.orders_of_unsettled_charges(2**60, 0, 10) == []


async def test_writing_no_documents_changes_nothing(parts: Parts) -> None:
    ticket = a_ticket()
    assert await ticket_after(parts, [document(ticket)], []) == ticket


def in_projection(ticket: Ticket, number: int) -> DocumentUpdate:
    """The document as a release writes it whose projection has this number."""
    wanted = document(ticket)
    return replace(wanted, document=lambda: {**wanted.document(), "projection": number})


async def test_a_newer_projection_replaces_an_older_one_of_the_same_version(parts: Parts) -> None:
    before, after = a_ticket(version=2), a_ticket(version=2, title="Macbeth")
    assert await ticket_after(parts, [in_projection(before, 7)], [in_projection(after, 8)]) == after


@pytest.mark.parametrize("projection", [7, 8])
async def test_an_older_release_takes_back_no_newer_projection_of_the_same_version(
    parts: Parts, projection: int
) -> None:
    there, late = a_ticket(version=2), a_ticket(version=2, title="Macbeth")
    assert await ticket_after(parts, [in_projection(there, 8)], [in_projection(late, projection)]) == there


async def test_a_newer_version_replaces_an_older_one_in_whatever_projection(parts: Parts) -> None:
    before, after = a_ticket(version=2), a_ticket(version=3, title="Macbeth")
    assert await ticket_after(parts, [in_projection(before, 8)], [in_projection(after, 7)]) == after


@pytest.mark.parametrize(("projection", "is_replaced"), [(FIRST_PROJECTION, False), (FIRST_PROJECTION + 1, True)])
async def test_document_without_a_projection_counts_as_one_of_the_first(
    parts: Parts, projection: int, *, is_replaced: bool
) -> None:
    before, after = a_ticket(version=2), a_ticket(version=2, title="Macbeth")
    old = document(before)
    unnumbered = replace(old, document=lambda: {k: v for k, v in old.document().items() if k != "projection"})
    expected = after if is_replaced else before
    assert await ticket_after(parts, [unnumbered], [in_projection(after, projection)]) == expected
