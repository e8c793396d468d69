"""Who is written to, as anybody would say it who reads the journal and every letter."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from actors.domain.ticket_events import OrderCancelled, OrderCompleted, OrderCreated
from actors.domain.ticket_values import CancelReason, Order
from actors.mail.outbox import Mail
from actors.mail.templates import MailKind, Message
from actors.runtime.ports import RecordedEvent
from tests.simulation.history import History
from tests.simulation.mail import Mails, address_of
from tests.simulation.world import World

# Seconds after the last fault in which mails are sent once more that were sent before, and not noted.
REPEATS_SECONDS = 60.0

Reason = tuple[MailKind, str]


@dataclass
class MailRules:
    """Watches what arrives. A mail may arrive twice after a fault, as the same one: it has the same id."""

    world: World
    mails: Mails
    history: History
    # In ms, by which clocks may differ from the true time.
    tolerance: int
    # Those who left, whom nobody can write to.
    closed: set[str]
    # Why somebody is to be written to, and who: a kind and an order, or a user for what is about an account.
    due: dict[Reason, str] = field(default_factory=dict)
    arrived: dict[Reason, str] = field(default_factory=dict)
    sent: set[tuple[str, int]] = field(default_factory=set)
    checks: int = 0

    def signed_up(self, user_id: str) -> Mail:
        """The mail that somebody gets who signs up."""
        self.due[MailKind.VERIFICATION, user_id] = user_id
        return Mail(f"{MailKind.VERIFICATION}:{user_id}", MailKind.VERIFICATION, user_id, int(self.world.now * 1000))

    def recorded(self, record: RecordedEvent) -> None:
        """Called in the instant in which an event is in the journal."""
        match record.event:
            case OrderCompleted(order=order):
                self._is_due(MailKind.RECEIPT, order)
            case OrderCancelled(order=order) if order.cancel_reason is CancelReason.REFUNDED:
                self._is_due(MailKind.REFUND, order)
            case OrderCreated(order=order) if order.offer:
                self._is_due(MailKind.OFFER, order)

    def arrives(self, mail_id: str, address: str, letter: Message) -> None:
        """Called in the instant in which somebody gets a mail."""
        self.checks += 1
        mail = self.mails.stored[mail_id].mail
        reason = _reason(mail)
        if reason not in self.due:
            self.world.breaks(f"{mail_id} was sent for no reason")
        elif address != address_of(self.due[reason]):
            self.world.breaks(f"{mail_id} was sent to {address}")
        elif mail.order_id is not None and f"Order: {mail.order_id}\n" not in letter.text:
            self.world.breaks(f"{mail_id} does not name its order")
        elif (before := self.arrived.setdefault(reason, mail_id)) != mail_id:
            self.world.breaks(f"{before} and {mail_id} were sent about the same")
        elif (mail_id, mail.tries) in self.sent and self._is_quiet():
            self.world.breaks(f"{mail_id} was sent again although nothing went wrong")
        self.sent.add((mail_id, mail.tries))

    def dropped(self, mail: Mail) -> None:
        """Called in the instant in which nothing remains to be done about a mail."""
        reason = _reason(mail)
        if reason in self.arrived or mail.user_id in self.closed:
            return
        if mail.kind is not MailKind.OFFER or self._stands(self.history.orders[reason[1]][-1]):
            self.world.breaks(f"{mail.id} was never sent")

    def pending(self) -> Iterator[str]:
        """What somebody waits for."""
        for kind, about in self.due.keys() - self.arrived.keys():
            if kind is not MailKind.OFFER and self.due[kind, about] not in self.closed:
                yield f"mail {kind}:{about}"
        for one in self.mails.stored.values():
            if one.due_at is not None:
                yield f"mail {one.mail.id}"

    def _is_quiet(self) -> bool:
        return self.world.is_calm and self.world.loop.time() > self.world.calm_since + REPEATS_SECONDS

    def _is_due(self, kind: MailKind, order: Order) -> None:
        self.due[kind, order.id] = order.buyer_id

    def _stands(self, order: Order) -> bool:
        return order.is_open and order.offer and order.expires_at > self.world.now * 1000 + self.tolerance


def _reason(mail: Mail) -> Reason:
    return mail.kind, mail.order_id or mail.user_id or ""
