"""Mail in a simulation: the collections that it is made of, and whoever takes it to people."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from actors.domain.instants import Instant
from actors.mail.outbox import Mail
from actors.mail.sender import Recipient, Sale
from actors.mail.templates import MailKind, Message
from actors.mail.tokens import LIFETIMES_MS
from tests.simulation.database import Tables
from tests.simulation.stores import Caller


@dataclass(slots=True)
class StoredMail:
    """A mail that is due, unless it was sent or given up."""

    mail: Mail
    due_at: Instant | None


@dataclass
class Mails:
    """The collections `mails` and `email_tokens`. Each method is one command of a client, and atomic."""

    stored: dict[str, StoredMail] = field(default_factory=dict)
    tokens: dict[str, tuple[MailKind, str, Instant]] = field(default_factory=dict)
    # Told of mails that nothing remains to be done about.
    when_done: Callable[[Mail], None] = lambda _: None

    def add(self, mails: Sequence[Mail]) -> None:
        for mail in mails:
            self.stored.setdefault(mail.id, StoredMail(mail, mail.at))

    def due(self, now: Instant, most: int) -> list[Mail]:
        due = [(one.due_at, one.mail) for one in self.stored.values() if one.due_at is not None and one.due_at <= now]
        return [mail for _, mail in sorted(due, key=lambda each: each[0])[:most]]

    def mark_done(self, mail_ids: Collection[str]) -> None:
        for one in self._known(mail_ids):
            one.due_at = None
            self.when_done(one.mail)

    def postpone(self, mail_id: str, at: Instant) -> None:
        for one in self._known([mail_id]):
            one.due_at, one.mail = at, replace(one.mail, tries=one.mail.tries + 1)

    def give_up(self, mail_ids: Collection[str]) -> None:
        for one in self._known(mail_ids):
            one.due_at = None

    def forget_before(self, at: Instant) -> None:
        self.stored = {mail_id: one for mail_id, one in self.stored.items() if one.mail.at >= at}

    def make_token(self, purpose: MailKind, user_id: str, now: Instant) -> str:
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = purpose, user_id, now + LIFETIMES_MS[purpose]
        return token

    def forget_expired(self, now: Instant) -> None:
        self.tokens = {token: stored for token, stored in self.tokens.items() if stored[2] > now}

    def _known(self, mail_ids: Collection[str]) -> list[StoredMail]:
        return [self.stored[one] for one in mail_ids if one in self.stored]


class FakeOutbox:
    """See mail.outbox.MailStore. Of several mails some may be kept and some lost on the way."""

    def __init__(self, server: Caller, mails: Mails) -> None:
        self._server = server
        self._mails = mails

    async def add(self, mails: Sequence[Mail]) -> None:
        half = len(mails) // 2
        for part in (mails[:half], mails[half:]):
            if part:
                await self._server.call("mails.add", partial(self._mails.add, part))

    async def due(self, now: Instant, most: int) -> list[Mail]:
        return await self._server.call("mails.due", lambda: self._mails.due(now, most))

    async def mark_done(self, mail_ids: Collection[str], _now: Instant) -> None:
        await self._server.call("mails.mark_done", lambda: self._mails.mark_done(mail_ids))

    async def postpone(self, due: Mapping[str, Instant]) -> None:
        for mail_id, at in due.items():
            await self._server.call("mails.postpone", partial(self._mails.postpone, mail_id, at))

    async def give_up(self, mail_ids: Collection[str], _now: Instant) -> None:
        await self._server.call("mails.give_up", lambda: self._mails.give_up(mail_ids))

    async def forget_before(self, at: Instant) -> None:
        await self._server.call("mails.forget_before", lambda: self._mails.forget_before(at))


class FakeEmailTokens:
    """See mail.sender.TokenMaker."""

    def __init__(self, server: Caller, mails: Mails) -> None:
        self._server = server
        self._mails = mails

    async def make(self, purpose: MailKind, user_id: str, _email_key: str, now: Instant) -> str:
        return await self._server.call("tokens.make", lambda: self._mails.make_token(purpose, user_id, now))

    async def forget_expired(self, now: Instant) -> None:
        await self._server.call("tokens.forget_expired", lambda: self._mails.forget_expired(now))


class FakeMailQueries:
    """See mail.sender.MailQueries."""

    def __init__(self, server: Caller, tables: Tables) -> None:
        self._server = server
        self._tables = tables

    async def recipients(self, user_ids: Sequence[str]) -> Mapping[str, Recipient]:
        if not user_ids:
            return {}
        accounts = self._tables.accounts
        known = await self._server.call("users", lambda: (accounts.users.keys() & set(user_ids)) - accounts.closed)
        return {one: Recipient(one, address_of(one), address_of(one)) for one in user_ids if one in known}

    async def sales(self, order_ids: Sequence[str]) -> Mapping[str, Sale]:
        if not order_ids:
            return {}
        orders = await self._server.call("orders", lambda: self._tables.orders(order_ids))
        wanted = [order.ticket_id for order in orders.values()]
        tickets = await self._server.call("tickets", lambda: self._tables.tickets(wanted))
        return {
            order.id: Sale(order, tickets[order.ticket_id].details)
            for order in orders.values()
            if order.ticket_id in tickets
        }


class FakeEmailBackend:
    """See mail.backends.EmailBackend. What is lost on the way back has arrived all the same."""

    def __init__(self, server: Caller, arrived: Callable[[str, str, Message], None]) -> None:
        self._server = server
        self._arrived = arrived

    async def send(self, mail_id: str, address: str, letter: Message) -> None:
        await self._server.call("smtp.send", lambda: self._arrived(mail_id, address, letter))


def address_of(user_id: str) -> str:
    """Where somebody is written to."""
    return f"{user_id}@example.org"
