"""Empties the outbox. One, beside the Supervisor; what it had sent when it died may be sent once more."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from actors.domain.instants import Instant
from actors.domain.ticket_values import Order, TicketDetails
from actors.mail import templates
from actors.mail.backends import EmailBackend, NotSentError
from actors.mail.outbox import KEPT_MS, Mail, MailStore
from actors.mail.templates import MailKind, Message
from config import logs

PAGE = 50
EVERY_SECONDS = 1.0
FIRST_RETRY_MS = 30_000
FIRST_LOOK_AGAIN_MS = 1_000
LONGEST_RETRY_MS = 3_600_000
# A day of tries; a link in it would be over, and a receipt of last week helps nobody.
MOST_TRIES = 30
CLEANING_MS = 3_600_000

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who can be written to. `email_key` is what makes their address the same one in any case."""

    id: str
    email: str
    email_key: str


@dataclass(frozen=True, slots=True)
class Sale:
    """What a receipt is about."""

    order: Order
    details: TicketDetails


class MailQueries(Protocol):
    """What letters are made of. All methods raise StoreUnavailableError."""

    async def recipients(self, user_ids: Sequence[str]) -> Mapping[str, Recipient]:
        """Return those who have an account, by id."""

    async def sales(self, order_ids: Sequence[str]) -> Mapping[str, Sale]:
        """Return orders with the details of their tickets, by order."""


class TokenMaker(Protocol):
    """Makes what links in mails open with. All methods raise StoreUnavailableError."""

    async def make(self, purpose: MailKind, user_id: str, email_key: str, now: Instant) -> str:
        """Return a new token, to be put into a link and forgotten."""

    async def forget_expired(self, now: Instant) -> None:
        """Delete those whose time is over."""


class Sender:
    """Looks into the outbox every second."""

    def __init__(  # noqa: PLR0913 - the seams
        self,
        outbox: MailStore,
        tokens: TokenMaker,
        queries: MailQueries,
        post: EmailBackend,
        *,
        public_url: str,
        now: Callable[[], Instant],
    ) -> None:
        self._outbox = outbox
        self._tokens = tokens
        self._queries = queries
        self._post = post
        self._public_url = public_url
        self._now = now
        self._cleaned: Instant = 0

    async def send_due(self) -> None:
        """Send everything that is due, and forget what was sent long ago. Raises StoreUnavailableError."""
        while await self.sweep() == PAGE:
            pass
        await self._clean()

    async def sweep(self) -> int:
        """Send what is due, and return how much that was. Raises StoreUnavailableError."""
        now = self._now()
        mails = await self._outbox.due(now, PAGE)
        if not mails:
            return 0
        recipients = await self._queries.recipients([mail.user_id for mail in mails if mail.user_id])
        sales = await self._queries.sales([mail.order_id for mail in mails if mail.order_id])
        first_retries = await asyncio.gather(*(self._send(mail, recipients, sales, now) for mail in mails))
        failed = [(mail, first) for mail, first in zip(mails, first_retries, strict=True) if first is not None]
        hopeless = [mail.id for mail, _ in failed if mail.tries + 1 >= MOST_TRIES]
        await self._outbox.mark_done(
            [mail.id for mail, first in zip(mails, first_retries, strict=True) if first is None], now
        )
        await self._outbox.postpone(
            {mail.id: now + _delay(mail, first) for mail, first in failed if mail.id not in hopeless}
        )
        if hopeless:
            logger.error("mail_given_up", mails=hopeless)
            await self._outbox.give_up(hopeless, now)
        return len(mails)

    async def _send(
        self, mail: Mail, recipients: Mapping[str, Recipient], sales: Mapping[str, Sale], now: Instant
    ) -> int | None:
        """Return None when nothing remains to be done, as of a mail to nobody, or about an offer that is over.

        Return after how many ms the first retry is for a mail that did not leave.
        """
        recipient = recipients.get(mail.user_id or "")
        if recipient is None:
            return None
        sale = sales.get(mail.order_id or "")
        if mail.order_id is not None and sale is None:
            # An event may be published before its documents are written: by seconds, if their host died in between.
            return FIRST_LOOK_AGAIN_MS
        letter = await self._letter(mail, recipient, sale, now)
        if letter is None:
            return None
        about = {} if mail.order_id is None else {"order": mail.order_id}
        with logs.bound(mail=mail.id, **about):
            return await self._hand_over(mail, recipient, letter)

    async def _hand_over(self, mail: Mail, recipient: Recipient, letter: Message) -> int | None:
        try:
            await self._post.send(mail.id, recipient.email, letter)
        except NotSentError as error:
            logger.warning("mail_not_sent", error=str(error), tries=mail.tries + 1)
            return FIRST_RETRY_MS
        except Exception as error:  # noqa: BLE001 - one that cannot be written must not take the Supervisor down
            # Its text may be the address.
            logger.error("mail_not_sent", error=type(error).__name__, tries=mail.tries + 1)
            return FIRST_RETRY_MS
        logger.info("mail_sent", kind=mail.kind)
        return None

    async def _letter(  # noqa: PLR0911 - one for each kind
        self, mail: Mail, recipient: Recipient, sale: Sale | None, now: Instant
    ) -> Message | None:
        match mail.kind:
            case MailKind.VERIFICATION:
                return templates.verification(await self._link("verify", mail.kind, recipient, now))
            case MailKind.PASSWORD_RESET:
                return templates.password_reset(await self._link("reset-password", mail.kind, recipient, now))
            case MailKind.PASSWORD_CHANGED:
                return templates.password_changed()
            case MailKind.WEBHOOK_DISABLED:
                return templates.webhook_disabled(f"{self._public_url}/account/webhooks")
            case MailKind.RECEIPT:
                return templates.receipt(sale.order, sale.details) if sale else None
            case MailKind.REFUND:
                return templates.refund(sale.order, sale.details) if sale else None
            case MailKind.OFFER:
                return self._offer(sale, now) if sale else None

    def _offer(self, sale: Sale, now: Instant) -> Message | None:
        """Return nothing about an offer that is over or taken: its mail waited too long."""
        order = sale.order
        if not order.is_open or not order.offer or order.expires_at <= now:
            return None
        return templates.offer(order, sale.details, f"{self._public_url}/orders/{order.id}")

    async def _link(self, page: str, purpose: MailKind, recipient: Recipient, now: Instant) -> str:
        # Made only now: the outbox holds nothing that opens anything.
        token = await self._tokens.make(purpose, recipient.id, recipient.email_key, now)
        # Behind the #, which browsers send to no server and put into no Referer.
        return f"{self._public_url}/{page}#token={token}"

    async def _clean(self) -> None:
        now = self._now()
        if now - self._cleaned >= CLEANING_MS:
            await self._outbox.forget_before(now - KEPT_MS)
            await self._tokens.forget_expired(now)
            self._cleaned = now


def _delay(mail: Mail, first: int) -> int:
    return min(first << min(mail.tries, 10), LONGEST_RETRY_MS)
