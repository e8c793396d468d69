"""Mail to people: an outbox in the database, and one sender beside the Supervisor.

Read `templates.py` (what is written), `outbox.py` (what is to be sent), `sender.py` (sending it), `receipts.py` (what
sales, refunds and offers put into the outbox), `backends.py` (SMTP, or files without it).
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from actors.domain.instants import Instant
from actors.events.consumer import Subscribe
from actors.mail import receipts
from actors.mail.backends import EmailBackend, FileBackend, SmtpBackend
from actors.mail.outbox import MailStore
from actors.mail.sender import EVERY_SECONDS, MailQueries, Sender, TokenMaker
from actors.supervision.duty import Duty
from config.settings import Settings

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MailResources:
    """What mail is made of and sent with: servers in production, fakes in a simulation."""

    outbox: MailStore
    tokens: TokenMaker
    queries: MailQueries
    backend: EmailBackend
    subscribe: Subscribe


def duties(own: MailResources, now: Callable[[], Instant], *, public_url: str) -> list[Duty]:
    """Sending what is in the outbox, and putting receipts into it."""
    sender = Sender(own.outbox, own.tokens, own.queries, own.backend, public_url=public_url, now=now)
    write_receipts = own.subscribe(receipts.DURABLE, receipts.SUBJECTS, receipts.Receipts(own.outbox, now).handle)
    return [
        Duty("send_mail", EVERY_SECONDS, sender.send_due),
        Duty("write_receipts", 0.0, write_receipts),
    ]


def open_backend(settings: Settings) -> EmailBackend:
    """Return the way to SMTP_URL, or into `DATA_DIR/mail` without it."""
    if settings.smtp_url is None:
        if settings.holdfast_env == "production":
            logger.warning("mail_is_not_sent", hint="set SMTP_URL: until then mails are files that nobody gets")
        return FileBackend(settings.data_dir / "mail", settings.mail_from)
    return SmtpBackend(settings.smtp_url.get_secret_value(), settings.mail_from)
