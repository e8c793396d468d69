"""What is in the outbox is sent, once or, after a failure, again; what it says opens only what it should."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest

from actors.domain.ticket_values import OrderStatus
from actors.mail.outbox import KEPT_MS, about_order, to_user
from actors.mail.sender import LONGEST_RETRY_MS, MOST_TRIES, PAGE
from actors.mail.templates import MailKind, Message
from actors.read_model.projections import order_document
from actors.runtime.ports import StoreUnavailableError
from actors.supervision.duty import Duties, Duty
from tests.mail.conftest import NOW, PUBLIC_URL, Mailing


async def test_a_mail_goes_to_the_address_that_the_user_has_now(mailing: Mailing) -> None:
    user = await mailing.someone()
    await mailing.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, NOW)])
    await mailing.database["users"].update_one({"_id": user.id}, {"$set": {"email": "countess@example.com"}})
    assert await mailing.sender.sweep() == 1
    assert [address for _, address, _ in mailing.backend.sent] == ["countess@example.com"]
    assert await mailing.sender.sweep() == 0


@pytest.mark.parametrize("kind", [MailKind.VERIFICATION, MailKind.PASSWORD_RESET])
async def test_a_link_has_a_token_that_works_once_for_this_purpose(mailing: Mailing, kind: MailKind) -> None:
    user = await mailing.someone()
    await mailing.outbox.add([to_user(kind, user.id, NOW)])
    await mailing.sender.sweep()
    ((_, _, content),) = mailing.backend.sent
    (token,) = re.findall(rf"{re.escape(PUBLIC_URL)}/[a-z-]+#token=([A-Za-z0-9_-]{{43}})\n", content.text)
    other = MailKind.PASSWORD_RESET if kind is MailKind.VERIFICATION else MailKind.VERIFICATION
    assert await mailing.tokens.find(token, other, NOW) is None
    found = await mailing.tokens.find(token, kind, NOW)
    assert found
    assert found.user_id == user.id
    assert sorted(await asyncio.gather(*(mailing.tokens.use(found) for _ in range(5)))) == [False] * 4 + [True]
    assert await mailing.tokens.find(token, kind, NOW) is None


async def test_a_receipt_says_what_was_bought(mailing: Mailing) -> None:
    buyer = await mailing.someone()
    order = await mailing.bought(buyer.id)
    await mailing.outbox.add([about_order(MailKind.RECEIPT, order.id, buyer.id, NOW)])
    await mailing.sender.sweep()
    ((_, _, content),) = mailing.backend.sent
    assert content.subject == "Your ticket: Chamber music"
    for fact in ("Konzerthaus, Wien", "50.00 USD", order.id, "Saturday, 16 January 2027, 12:00 UTC"):
        assert fact in content.text


@pytest.mark.parametrize(
    ("changes", "is_sent"),
    [
        ({}, True),
        ({"offer": False}, False),
        ({"status": OrderStatus.CANCELLED}, False),
        ({"expires_at": NOW}, False),
    ],
)
async def test_mail_of_an_offer_is_sent_while_it_stands(
    mailing: Mailing, changes: dict[str, Any], *, is_sent: bool
) -> None:
    buyer = await mailing.someone()
    order = await mailing.bought(buyer.id)
    standing = {"status": OrderStatus.CREATED, "offer": True, "expires_at": NOW + 600_000}
    offer = replace(order, **{**standing, **changes})
    await mailing.database["orders"].replace_one({"_id": order.id}, order_document(offer))
    await mailing.outbox.add([about_order(MailKind.OFFER, order.id, buyer.id, NOW)])
    await mailing.sender.sweep()
    assert [content.subject for _, _, content in mailing.backend.sent] == ["Your turn: Chamber music"] * is_sent
    assert all(f"{PUBLIC_URL}/orders/{order.id}\n" in content.text for _, _, content in mailing.backend.sent)


async def test_a_mail_about_an_order_whose_documents_are_written_late_is_sent_once_they_are(mailing: Mailing) -> None:
    buyer = await mailing.someone()
    order = await mailing.bought(buyer.id)
    stored = await mailing.database["orders"].find_one_and_delete({"_id": order.id})
    assert stored is not None
    await mailing.outbox.add([about_order(MailKind.RECEIPT, order.id, buyer.id, NOW)])
    assert await mailing.sender.sweep() == 1
    await mailing.database["orders"].insert_one(stored)
    assert await mailing.sender.sweep() == 0, "not at once"
    mailing.now += 1_000
    assert await mailing.sender.sweep() == 1
    assert [mail_id for mail_id, _, _ in mailing.backend.sent] == [f"receipt:{order.id}"]


async def test_a_mail_about_an_order_is_sent_once_however_often_it_is_asked_for(mailing: Mailing) -> None:
    buyer = await mailing.someone()
    order = await mailing.bought(buyer.id)
    for _ in range(2):
        await mailing.outbox.add(
            [about_order(kind, order.id, buyer.id, NOW) for kind in (MailKind.RECEIPT, MailKind.REFUND)]
        )
        await mailing.sender.sweep()
    assert [mail_id for mail_id, _, _ in mailing.backend.sent] == [f"receipt:{order.id}", f"refund:{order.id}"]


async def test_a_mail_that_could_not_be_sent_is_retried_and_given_up_after_a_day(mailing: Mailing) -> None:
    user = await mailing.someone()
    await mailing.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, NOW)])
    mailing.backend.failures = 1
    assert await mailing.sender.sweep() == 1
    assert await mailing.sender.sweep() == 0, "not at once"
    mailing.now += 30_000
    await mailing.sender.sweep()
    assert len(mailing.backend.sent) == 1
    await mailing.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, NOW)])
    mailing.backend.failures = 1_000
    for _ in range(MOST_TRIES):
        assert await mailing.sender.sweep() == 1
        mailing.now += LONGEST_RETRY_MS
    assert await mailing.sender.sweep() == 0


async def test_a_mail_that_fails_does_not_delay_the_others(mailing: Mailing) -> None:
    users = [await mailing.someone(f"{number}@example.com") for number in range(5)]
    await mailing.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, NOW) for user in users])
    mailing.backend.failures = 2
    await mailing.sender.sweep()
    assert len(mailing.backend.sent) == 3


async def test_a_mail_that_cannot_be_written_does_not_stop_the_sender(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [await mailing.someone(f"{number}@example.com") for number in range(3)]
    send = mailing.backend.send

    async def breaks(mail_id: str, address: str, content: Message) -> None:
        if address == users[1].email:
            raise ValueError(address)
        await send(mail_id, address, content)

    monkeypatch.setattr(mailing.backend, "send", breaks)
    await mailing.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, NOW) for user in users])
    assert await mailing.sender.sweep() == 3
    assert len(mailing.backend.sent) == 2


async def test_mails_to_nobody_and_to_those_who_left_are_dropped(mailing: Mailing) -> None:
    user = await mailing.someone()
    await mailing.outbox.add(
        [to_user(MailKind.PASSWORD_RESET, None, NOW), to_user(MailKind.PASSWORD_RESET, user.id, NOW)]
    )
    await mailing.users.close(user.id, NOW)
    assert await mailing.sender.sweep() == 2
    assert mailing.backend.sent == []
    assert await mailing.sender.sweep() == 0


async def test_no_more_than_a_page_is_sent_at_a_time(mailing: Mailing) -> None:
    user = await mailing.someone()
    await mailing.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, NOW) for _ in range(PAGE + 3)])
    assert [await mailing.sender.sweep() for _ in range(3)] == [PAGE, 3, 0]


async def test_old_mails_and_tokens_are_forgotten(mailing: Mailing) -> None:
    user = await mailing.someone()
    await mailing.outbox.add([to_user(MailKind.VERIFICATION, user.id, NOW)])
    await mailing.sender.sweep()
    mailing.now += KEPT_MS + 1
    await mailing.sender._clean()
    assert await mailing.database["mails"].count_documents({}) == 0
    assert await mailing.database["email_tokens"].count_documents({}) == 0


async def test_the_sender_goes_on_when_the_database_was_away(mailing: Mailing, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await mailing.someone()
    await mailing.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, NOW)])
    due, away = mailing.outbox.due, [True]

    async def sometimes(now: int, most: int) -> object:
        if away:
            away.pop()
            raise StoreUnavailableError("away")
        return await due(now, most)

    monkeypatch.setattr(mailing.outbox, "due", sometimes)
    duties = Duties([Duty("send_mail", 0.01, mailing.sender.send_due)], lambda: NOW)
    running = asyncio.create_task(duties.run())
    async with asyncio.timeout(10):
        await mailing.backend.was_given.wait()
    running.cancel()
    assert not away
    assert duties.status()["send_mail"]["failures"] == 1


async def test_an_order_that_a_newer_release_wrote_does_not_hold_up_the_mails_about_others(mailing: Mailing) -> None:
    buyer = await mailing.someone()
    strange, fine = await mailing.bought(buyer.id), "7" * 24
    orders = mailing.database["orders"]
    stored = await orders.find_one({"_id": strange.id})
    assert stored is not None
    await orders.insert_one({**stored, "_id": fine})
    await orders.update_one({"_id": strange.id}, {"$set": {"status": "insured"}})
    await mailing.outbox.add([about_order(MailKind.RECEIPT, one, buyer.id, NOW) for one in (strange.id, fine)])
    await mailing.sender.sweep()
    assert [mail_id for mail_id, _, _ in mailing.backend.sent] == [f"receipt:{fine}"]
