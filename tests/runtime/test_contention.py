"""Whoever writes documents writes again what the database ended for another writer's sake, and nothing else."""

from collections.abc import Awaitable, Callable

import pytest

from actors.domain.codec import Document
from actors.mail.outbox import Outbox, to_user
from actors.mail.templates import MailKind
from actors.mail.tokens import EmailToken, EmailTokens
from actors.storage import database as databases
from actors.storage.database import Database
from actors.storage.revocations import RevocationRecords
from actors.storage.security_events import SecurityEventRecords
from actors.storage.sessions import SessionRecord, SessionRecords
from actors.storage.upgrades import convert_email_keys, watch_who_may_not_sell
from actors.storage.user_flags import DelistedSellers, MongoPendingUserEvents
from actors.storage.users import User, Users
from actors.storage.webhook_inbox import WebhookInbox
from actors.stripe.webhooks import WebhookEvent
from actors.supervision.user_events import PendingUser
from tests.support.fake_mongod import FakeMongod, speaking_to

USER = User("ann", "ann@example.org", "hash", 1)
ANNOUNCED = WebhookEvent("e", "charge.refunded", 1, "charge", "ch_1", None, None, None)
ENDED: Document = {"ok": 0.0, "errmsg": "no", "code": 112}
WRITTEN: Document = {"n": 1, "nModified": 1, "ok": 1.0}
WRITERS: dict[str, Callable[[Database], Awaitable[object]]] = {
    "a user signs up": lambda database: Users(database).add(USER),
    "a password hash": lambda database: Users(database).upgrade_password_hash(USER, "better"),
    "a ban": lambda database: Users(database).ban("ann", 1),
    "a user is announced": lambda database: MongoPendingUserEvents(database).mark_relayed(
        PendingUser("ann", 1, 1, 1, 0)
    ),
    "a seller is unlisted": lambda database: DelistedSellers(database).clear_delisted("ann", 1),
    "a seller is relisted": lambda database: DelistedSellers(database).clear_relisted("ann", 1),
    "a session begins": lambda database: SessionRecords(database).add(SessionRecord("s", "ann", 1, 1, 2)),
    "a session is seen": lambda database: SessionRecords(database).touch("s", 1, 2),
    "sessions end": lambda database: SessionRecords(database).remove(["s"]),
    "ended sessions": lambda database: SessionRecords(database).drop_ended(1),
    "a revocation": lambda database: RevocationRecords(database).add("s", 1, 2),
    "old revocations": lambda database: RevocationRecords(database).drop_before(1),
    "a mail": lambda database: Outbox(database).add([to_user(MailKind.VERIFICATION, "ann", 1)]),
    "a mail is sent": lambda database: Outbox(database).mark_done(["m"], 1),
    "a mail is postponed": lambda database: Outbox(database).postpone({"m": 2}),
    "old mails": lambda database: Outbox(database).forget_before(1),
    "an email token": lambda database: EmailTokens(database).make(MailKind.VERIFICATION, "ann", "ann@example.org", 1),
    "a token is used": lambda database: EmailTokens(database).use(
        EmailToken("t", MailKind.VERIFICATION, "ann", "a", 1)
    ),
    "tokens are forgotten": lambda database: EmailTokens(database).forget("ann"),
    "expired tokens": lambda database: EmailTokens(database).forget_expired(1),
    "security events": lambda database: SecurityEventRecords(database).add([{"_id": "e"}]),
    "old security events": lambda database: SecurityEventRecords(database).drop_old(1),
    "an announcement": lambda database: WebhookInbox(database).add(ANNOUNCED, 1),
    "an announcement is handled": lambda database: WebhookInbox(database).mark_handled(["e"]),
    "old announcements": lambda database: WebhookInbox(database).forget_before(1),
    "sellers are watched": watch_who_may_not_sell,
    "email keys": convert_email_keys,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
async def test_every_writer_retries_a_transaction_that_was_aborted_by_a_write_conflict(
    write: Callable[[Database], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "CONTENTION_SECONDS", 0.0)
    failures = [ENDED, ENDED]

    def contended(_command: Document) -> Document:
        return failures.pop() if failures else WRITTEN

    server = FakeMongod(insert=contended, update=contended, delete=contended)
    async with speaking_to(server) as database:
        await write(database)
    first, *again = [asked for asked in server.asked if "find" not in asked][:3]
    statements = [{part: asked.get(part) for part in ("documents", "updates", "deletes")} for asked in (first, *again)]
    assert statements == [statements[0]] * 3
