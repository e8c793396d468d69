"""Everything that the journal may hold."""

from typing import TypeAlias

from actors.domain.account_events import SecurityEvent, UserEvent
from actors.domain.charge_events import ChargeEvent
from actors.domain.membership import MembershipChanged
from actors.domain.ticket_events import TicketEvent

Event: TypeAlias = TicketEvent | ChargeEvent | UserEvent | SecurityEvent | MembershipChanged
