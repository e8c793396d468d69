"""Mail to people: an outbox in the database, and one sender beside the Supervisor.

Read `templates.py` (what is written), `outbox.py` (what is to be sent), `sender.py` (sending it), `receipts.py` (what
sales, refunds and offers put into the outbox), `backends.py` (SMTP, or files without it).
"""

import structlog
from redis.asyncio import Redis

from actors.events.subscription import Subscription
from actors.mail import receipts
from actors.mail.backends import EmailBackend, FileBackend, SmtpBackend
from actors.mail.outbox import Outbox
from actors.mail.queries import StoredMailQueries
from actors.mail.sender import EVERY_SECONDS, Sender
from actors.mail.tokens import EmailTokens
from actors.runtime.clock import wall_clock
from actors.storage.database import Database
from actors.supervision.duty import Duty
from config.settings import Settings

logger = structlog.get_logger(__name__)


def duties(settings: Settings, database: Database, redis: Redis) -> list[Duty]:
    """Sending what is in the outbox, and putting receipts into it."""
    outbox, queries = Outbox(database), StoredMailQueries(database)
    tokens = EmailTokens(database)
    sender = Sender(outbox, tokens, queries, open_backend(settings), public_url=settings.public_url, now=wall_clock)
    subscription = Subscription(
        receipts.NAME, receipts.TYPES, redis, database, receipts.Receipts(outbox, wall_clock).handle
    )
    return [
        Duty("send_mail", EVERY_SECONDS, sender.send_due),
        Duty("write_receipts", 0.0, subscription.wait_and_handle),
    ]


def open_backend(settings: Settings) -> EmailBackend:
    """Return the way to SMTP_URL, or into `DATA_DIR/mail` without it."""
    if settings.smtp_url is None:
        if settings.holdfast_env == "production":
            logger.warning("mail_is_not_sent", hint="set SMTP_URL: until then mails are files that nobody gets")
        return FileBackend(settings.data_dir / "mail", settings.mail_from)
    return SmtpBackend(settings.smtp_url.get_secret_value(), settings.mail_from)
