"""Mails to be sent, what letters are made of, and the tokens in them: what the Supervisor sends mail by."""

from dataclasses import replace

from actors.mail.outbox import Mail, about_order
from actors.mail.sender import Recipient, Sale
from actors.mail.templates import MailKind
from actors.mail.tokens import LIFETIMES_MS
from tests.simulation.contracts.examples import a_ticket, an_order, document, numbered
from tests.simulation.contracts.parts import Parts
from tests.support.examples import BUYER, TICKET


def receipt(number: int, at: int) -> Mail:
    return about_order(MailKind.RECEIPT, numbered(number), BUYER, at)


async def add(parts: Parts, *numbers: int) -> None:
    await parts.outbox.add([receipt(number, 100 * number) for number in numbers])


async def due(parts: Parts, now: int = 10_000, most: int = 10) -> list[Mail]:
    return await parts.outbox.due(now, most)


# The outbox


async def test_mails_are_due_from_their_time_on_the_oldest_first(parts: Parts) -> None:
    await add(parts, 3, 1, 2)
    assert await due(parts) == [receipt(one, 100 * one) for one in (1, 2, 3)]
    assert await due(parts, 200) == [receipt(one, 100 * one) for one in (1, 2)]
    assert await due(parts, most=1) == [receipt(1, 100)]


async def test_a_mail_that_is_there_stays_as_it_is(parts: Parts) -> None:
    await parts.outbox.add([])
    await add(parts, 1)
    await parts.outbox.add([receipt(1, 500), receipt(2, 200)])
    assert await due(parts) == [receipt(1, 100), receipt(2, 200)]
    await parts.outbox.mark_done([receipt(1, 0).id], 300)
    await add(parts, 1)
    assert await due(parts) == [receipt(2, 200)]


async def test_mails_that_were_sent_or_given_up_are_not_due(parts: Parts) -> None:
    await add(parts, 1, 2, 3)
    for _ in range(2):
        await parts.outbox.mark_done([receipt(1, 0).id, "nothing"], 500)
        await parts.outbox.give_up([receipt(3, 0).id, "nothing"], 500)
    await parts.outbox.mark_done([], 500)
    assert await due(parts) == [receipt(2, 200)]


async def test_a_postponed_mail_is_due_later_with_its_tries_counted(parts: Parts) -> None:
    await add(parts, 1, 2)
    await parts.outbox.postpone({receipt(1, 0).id: 700, "nothing": 800})
    assert await due(parts, 699) == [receipt(2, 200)]
    await parts.outbox.postpone({receipt(1, 0).id: 900})
    assert await due(parts, 900) == [receipt(2, 200), replace(receipt(1, 100), tries=2)]


async def test_mails_before_an_instant_are_deleted_whether_sent_or_not(parts: Parts) -> None:
    await add(parts, 1, 2, 3)
    await parts.outbox.mark_done([receipt(1, 0).id], 500)
    await parts.outbox.forget_before(300)
    assert await due(parts) == [receipt(3, 300)]
    await add(parts, 1)
    assert await due(parts) == [receipt(1, 100), receipt(3, 300)]


# What letters are made of


async def test_a_recipient_is_a_user_whose_account_is_not_closed(parts: Parts) -> None:
    for number in (1, 2, 3):
        await parts.add_user(numbered(number), 100)
    assert await parts.close(numbered(2), 200)
    assert await parts.ban(numbered(3), 200)
    found = await parts.mail_queries.recipients([numbered(one) for one in (1, 2, 3, 4)])
    addresses = {numbered(one): f"{numbered(one)}@example.org" for one in (1, 3)}
    assert found == {one: Recipient(one, address, address) for one, address in addresses.items()}
    assert await parts.mail_queries.recipients([]) == {}


async def test_a_sale_is_an_order_with_the_details_of_its_ticket(parts: Parts) -> None:
    ticket = replace(a_ticket(), id=TICKET)
    order, other = an_order(1), replace(an_order(2), ticket_id=numbered(9))
    await parts.documents.write([document(one, is_new=True) for one in (ticket, order, other)])
    found = await parts.mail_queries.sales([order.id, other.id, numbered(3)])
    assert found == {order.id: Sale(order, ticket.details)}
    assert await parts.mail_queries.sales([]) == {}


# Tokens


async def test_each_token_is_another_and_is_deleted_when_its_time_is_over(parts: Parts) -> None:
    made = [await parts.tokens.make(MailKind.VERIFICATION, BUYER, "ada@example.org", now) for now in (100, 100, 200)]
    assert len(set(made)) == 3
    await parts.tokens.forget_expired(100 + LIFETIMES_MS[MailKind.VERIFICATION] - 1)
    assert await parts.tokens_kept() == 3
    await parts.tokens.forget_expired(100 + LIFETIMES_MS[MailKind.VERIFICATION])
    assert await parts.tokens_kept() == 1
