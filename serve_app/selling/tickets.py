"""Listing, editing and withdrawing tickets, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from bson import ObjectId
from starlette.requests import Request

from actors.domain.account_events import TicketTakenDown
from actors.domain.answers import PaymentAnswer
from actors.domain.codec import archive_of, event_name
from actors.domain.purchase_commands import RefundOrder
from actors.domain.refusals import NotOwner, Refusal
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import CreateTicket, EditTicket, ReadTicket, WithdrawTicket
from actors.domain.ticket_events import TicketEvent, order_in
from actors.domain.ticket_values import Order
from actors.runtime.ports import RecordedEvent
from serve_app.buying.permissions import sold_order
from serve_app.http.errors import ForbiddenError
from serve_app.http.idempotency import Identity
from serve_app.http.refusal_errors import error_of
from serve_app.schemas.admin import TakedownReason
from serve_app.schemas.tickets import TicketBody
from serve_app.search.tickets import ask, existing
from serve_app.services import Services, services_of

# As many as a page shows; the API has all.
_NEWEST_EVENTS = 200


async def admit_seller(request: Request) -> str:
    """Return the id of a user who may list tickets, and count it. Raises what `trader` raises, TooManyRequestsError."""
    services = services_of(request)
    seller_id = (await services.trader(request)).user_id
    services.limits.change(seller_id, services.address_of(request))
    return seller_id


def admit_change(request: Request) -> str:
    """Return the id of the user who changes a ticket, and count it. Raises NotAuthorizedError, TooManyRequestsError."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    services.limits.change(user_id, services.address_of(request))
    return user_id


@dataclass(frozen=True, slots=True)
class Listed:
    """A ticket that is for sale. `is_new` is False when the same request listed it before."""

    ticket: Ticket
    is_new: bool


async def list_ticket(services: Services, seller_id: str, body: TicketBody, identity: Identity) -> Listed:
    """Put a ticket up for sale. Raises ConflictError when the key listed another one."""
    answer = await ask(services, CreateTicket(identity.id, seller_id, body.details(), identity.request))
    return Listed(answer.ticket, answer.fresh or not identity.is_keyed)


async def edit_ticket(
    services: Services, user_id: str, ticket_id: str, body: TicketBody, expected_versions: tuple[int, ...] | None
) -> Ticket:
    """Replace all that a seller can say of the ticket, if it was not edited since one of the versions.

    Raises NotFoundError, ForbiddenError, PreconditionFailedError, and ConflictError unless it is for sale.
    """
    edit = EditTicket(existing(ticket_id), user_id, body.details(), str(ObjectId()), expected_versions)
    return (await ask(services, edit)).ticket


async def withdraw_ticket(
    services: Services, user_id: str, ticket_id: str, reason: TakedownReason | None = None
) -> None:
    """Take the ticket off the market, as its seller or an administrator, who may say why; a repeat changes nothing.

    Raises NotFoundError, ForbiddenError, and ConflictError while it is held or sold.
    """
    answer = await services.market.ask_ticket(WithdrawTicket(existing(ticket_id), user_id))
    if isinstance(answer, NotOwner) and await services.is_admin(user_id):
        ticket = (await ask(services, ReadTicket(ticket_id))).ticket
        answer = await services.market.ask_ticket(WithdrawTicket(ticket_id, ticket.seller_id))
        if not isinstance(answer, Refusal):
            services.security_events.record(TicketTakenDown(ticket_id, user_id, reason))
    if isinstance(answer, Refusal):
        raise error_of(answer)


async def own_ticket(services: Services, user_id: str, ticket_id: str) -> Ticket:
    """Return the ticket to its seller, and to administrators. Raises NotFoundError and ForbiddenError."""
    ticket = (await ask(services, ReadTicket(existing(ticket_id)))).ticket
    if ticket.seller_id != user_id and not await services.is_admin(user_id):
        raise ForbiddenError("Only the seller sees the history of a ticket.")
    return ticket


async def read_history(services: Services, ticket_id: str, after: int, limit: int) -> Sequence[RecordedEvent]:
    """Return events of the ticket in order, at most so many after that version. Raises StoreUnavailableError."""
    return await services.queries.history.history(f"ticket:{ticket_id}", after, limit)


async def newest_history(services: Services, ticket: Ticket) -> tuple[Sequence[RecordedEvent], bool]:
    """Return the ticket's last 200 events in order, and whether there are older ones. Raises StoreUnavailableError."""
    first = max(0, ticket.version - _NEWEST_EVENTS)
    return await read_history(services, ticket.id, first, _NEWEST_EVENTS), first > 0


def past_name(recorded: RecordedEvent) -> str:
    """Return the name of an event of a ticket's past: `Archived` where its data was put away, and "" where unknown."""
    if archive_of(recorded.event):
        return "Archived"
    return event_name(recorded.event) if isinstance(recorded.event, TicketEvent) else ""


def past_order(recorded: RecordedEvent) -> Order | None:
    """Return the order that an event of a ticket's past is about, None for one of the ticket or a newer release."""
    return order_in(recorded.event) if isinstance(recorded.event, TicketEvent) else None


async def refund_order(services: Services, user_id: str, order_id: str) -> PaymentAnswer:
    """Give the buyer the money back, before the event begins; an administrator also afterwards.

    The order is cancelled when that is done, and complete while Stripe is on it. Raises NotFoundError, ForbiddenError,
    and ConflictError.
    """
    order = await sold_order(services, order_id, user_id)
    answer = await services.market.refund(RefundOrder(order.id, user_id, is_admin=order.seller_id != user_id))
    if isinstance(answer, Refusal):
        raise error_of(answer)
    return answer
