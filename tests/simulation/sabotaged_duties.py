"""Negative controls of mail and delisting; see sabotage.py."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from itertools import count
from typing import Any
from unittest.mock import patch

from actors.domain import ticket_rules
from actors.domain.ticket_events import TicketSuspended, TicketWithdrawn
from actors.mail import receipts
from actors.mail.outbox import Mail, about_order
from actors.mail.receipts import Receipts
from actors.mail.sender import Sender
from actors.mail.templates import MailKind
from actors.runtime.ports import StoreUnavailableError
from actors.supervision.delisting import Delisting
from holdfast.events import Event
from tests.simulation.mail import FakeOutbox
from tests.simulation.market import SimulatedMarket


def without_one_mail_an_order(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """An event that is handed over again is another mail."""
    numbers = count()

    def another(kind: MailKind, order_id: str, buyer_id: str, at: int) -> Mail:
        mail = about_order(kind, order_id, buyer_id, at)
        return replace(mail, id=f"{mail.id}:{next(numbers)}")

    return patch.object(receipts, "about_order", another)


def without_redelivered_events(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """What could not be put into the outbox counts as handled."""
    handle = Receipts.handle

    async def at_most_once(writer: Receipts, events: Sequence[Event]) -> None:
        with suppress(StoreUnavailableError):
            await handle(writer, events)

    return patch.object(Receipts, "handle", at_most_once)


def without_more_tries_to_send(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A mail that did not leave counts as sent."""
    send = Sender._send

    async def once(sender: Sender, *about: Any) -> None:  # noqa: ANN401 - as _send
        await send(sender, *about)

    return patch.object(Sender, "_send", once)


def without_a_note_that_a_mail_was_sent(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """What was sent is due as before."""

    async def unnoted(_outbox: FakeOutbox, _mail_ids: Collection[str], _now: int) -> None:
        return

    return patch.object(FakeOutbox, "mark_done", unnoted)


def without_the_sweep_of_delisting(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Only who takes the right to sell away sees to the tickets, at once and only then."""

    async def never(_delisting: Delisting) -> None:
        return

    return patch.object(Delisting, "sweep", never)


def without_respect_for_a_sale(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """The tickets of who may not sell any more are withdrawn also under a hold and after a sale."""
    return patch.object(ticket_rules, "_suspend", lambda _ticket: (TicketSuspended(), TicketWithdrawn()))
