"""A decision about a ticket, and its context."""

from dataclasses import dataclass

from actors.domain.instants import Instant
from actors.domain.refusals import Refusal, RequestMismatch
from actors.domain.ticket_events import TicketEvent
from actors.domain.ticket_values import Order


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """What a decision depends on besides the ticket: the buyer's other holds and what the command did before.

    The first of the open holds ends at `first_end`; no more may end unpaid until `unpaid_until`. `edited_before` is the
    id of the ticket that this very edit changed. `may_buy` are the people in line who may, of a ticket that may be
    released; an offer stands for `offer_window_ms`. `fee` is what an order that comes into being costs its seller, in
    hundredths of a percent of the price.
    """

    open_holds: int = 0
    earlier_order: Order | None = None
    edited_before: str | None = None
    first_end: Instant = 0
    unpaid_until: Instant = 0
    may_buy: frozenset[str] = frozenset()
    offer_window_ms: int = 0
    fee: int = 0


Decision = tuple[TicketEvent, ...] | Refusal


UNCHANGED: tuple[TicketEvent, ...] = ()


NO_CONTEXT = DecisionContext()


def unchanged_if(same: bool) -> Decision:  # noqa: FBT001 - reads as a sentence
    """Nothing changes where the command repeats what was done; else its id was used for something else."""
    return UNCHANGED if same else RequestMismatch()
