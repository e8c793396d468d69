"""Who may not sell, or may again, and the tickets that they have: what the Supervisor delists by."""

from dataclasses import replace

from actors.domain.ticket import Ticket
from tests.simulation.contracts.examples import a_ticket, document, numbered
from tests.simulation.contracts.parts import Parts
from tests.support.examples import SELLER


async def listed(parts: Parts, *tickets: Ticket) -> None:
    await parts.documents.write([document(ticket, is_new=True) for ticket in tickets])


async def test_a_banned_user_is_unlisted_and_relisted_when_the_ban_is_lifted(parts: Parts) -> None:
    await parts.add_user(SELLER, 100)
    assert not await parts.unban(SELLER, 150)
    assert await parts.ban(SELLER, 200)
    assert not await parts.ban(SELLER, 250)
    assert (await parts.delisting.unlisted(10), await parts.delisting.relisted(10)) == ({SELLER: 200}, {})
    assert await parts.unban(SELLER, 300)
    assert (await parts.delisting.unlisted(10), await parts.delisting.relisted(10)) == ({}, {SELLER: 300})
    assert await parts.ban(SELLER, 400)
    assert (await parts.delisting.unlisted(10), await parts.delisting.relisted(10)) == ({SELLER: 400}, {})


async def test_a_closed_account_is_unlisted_for_good(parts: Parts) -> None:
    await parts.add_user(SELLER, 100)
    assert await parts.ban(SELLER, 200)
    assert await parts.unban(SELLER, 300)
    assert await parts.close(SELLER, 400)
    assert not await parts.close(SELLER, 450)
    assert not await parts.ban(SELLER, 500)
    assert not await parts.unban(SELLER, 500)
    assert (await parts.delisting.unlisted(10), await parts.delisting.relisted(10)) == ({SELLER: 400}, {})


async def test_a_change_of_the_right_to_sell_is_an_event_to_publish(parts: Parts) -> None:
    await parts.add_user(SELLER, 100)
    for change, at in ((parts.ban, 200), (parts.unban, 300), (parts.close, 400)):
        assert await change(SELLER, at)
        (user,) = await parts.pending_users.pending(10)
        assert user.updated_at == at
        await parts.pending_users.mark_relayed(user)


async def test_no_more_users_are_found_than_were_asked_for(parts: Parts) -> None:
    for number in (1, 2, 3):
        await parts.add_user(numbered(number), 100)
        assert await parts.ban(numbered(number), 200)
    assert len(await parts.delisting.unlisted(2)) == 2
    for number in (1, 2, 3):
        assert await parts.unban(numbered(number), 300)
    assert len(await parts.delisting.relisted(2)) == 2


async def test_a_flag_is_cleared_unless_it_was_set_anew(parts: Parts) -> None:
    await parts.add_user(SELLER, 100)
    assert await parts.ban(SELLER, 200)
    await parts.delisting.clear_delisted(SELLER, 100)
    await parts.delisting.clear_relisted(SELLER, 200)
    assert await parts.delisting.unlisted(10) == {SELLER: 200}
    await parts.delisting.clear_delisted(SELLER, 200)
    assert await parts.delisting.unlisted(10) == {}
    assert await parts.unban(SELLER, 300)
    await parts.delisting.clear_relisted(SELLER, 200)
    assert await parts.delisting.relisted(10) == {SELLER: 300}
    await parts.delisting.clear_relisted(SELLER, 300)
    assert await parts.delisting.relisted(10) == {}


async def test_a_sellers_tickets_are_found_with_the_flag_or_without_it_unless_withdrawn(parts: Parts) -> None:
    free, flagged = a_ticket(1), replace(a_ticket(2), suspended=True)
    withdrawn = [replace(a_ticket(3), withdrawn=True), replace(flagged, id=numbered(4), withdrawn=True)]
    await listed(parts, free, flagged, *withdrawn, replace(a_ticket(5), seller_id=numbered(9)))
    assert await parts.delisting.tickets(SELLER, 10, suspended=False) == [free.id]
    assert await parts.delisting.tickets(SELLER, 10, suspended=True) == [flagged.id]


async def test_no_more_tickets_are_found_than_were_asked_for(parts: Parts) -> None:
    await listed(parts, *map(a_ticket, (1, 2, 3)))
    assert len(await parts.delisting.tickets(SELLER, 2, suspended=False)) == 2
