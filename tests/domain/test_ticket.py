"""What each command does in each state of a ticket."""

from typing import TypeAlias, get_args

import pytest

from actors.domain.refusals import (
    AlreadyReserved,
    AlreadySold,
    AlreadyWithdrawn,
    HeldByYou,
    NotFound,
    NotOwner,
    NotReserved,
    OrderClosed,
    OrderComplete,
    OrderNotPaid,
    Refusal,
    RequestMismatch,
    SellerCannotBuy,
    WrongAmount,
)
from actors.domain.ticket import Ticket, evolve
from actors.domain.ticket_commands import (
    AbandonRefund,
    ActivateTicket,
    CancelOrder,
    CancelSale,
    CloseWaitingList,
    EditTicket,
    Expire,
    JoinWaitingList,
    LeaveWaitingList,
    ReadOrder,
    ReadTicket,
    ReinstateTicket,
    Release,
    Sell,
    StartPayment,
    StartRefund,
    SuspendTicket,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_events import (
    OrderAwaitingPayment,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderRefunding,
    TicketCreated,
    TicketEvent,
    TicketSuspended,
    TicketUpdated,
    TicketWithdrawn,
    WaiterJoined,
    WaitingListClosed,
)
from actors.domain.ticket_rules import decide
from actors.domain.ticket_values import (
    CancelReason,
    Order,
    OrderStatus,
    TicketDetails,
    TicketStatus,
)
from actors.read_model.projections import order_document
from tests.support.examples import (
    ANOTHER,
    ANOTHER_CHARGE,
    ANOTHER_ORDER,
    BUYER,
    CANCELLATION,
    CHARGE,
    DETAILS,
    EXPIRY,
    GRACE,
    NOW,
    ORDER,
    RELEASE,
    SALE,
    SELLER,
    START,
    TICKET,
    WINDOW,
    WITHDRAWAL,
    creation,
    handle,
    reservation,
    ticket_after,
)
from tests.support.folding import fold

Expected: TypeAlias = type[TicketEvent] | type[Refusal] | None

STATES: dict[str, Ticket | None] = {
    "unknown": None,
    "available": ticket_after(creation()),
    "reserved": ticket_after(creation(), reservation()),
    "being paid": ticket_after(creation(), reservation(), START),
    "sold": ticket_after(creation(), reservation(), START, SALE),
    "withdrawn": ticket_after(creation(), WITHDRAWAL),
}
COMMANDS: dict[str, TicketCommand] = {
    "create again": creation(),
    "create for another request": creation(request="another"),
    "edit": EditTicket(TICKET, SELLER, TicketDetails("Chamber music", 6_000, "usd")),
    "edit into the same": EditTicket(TICKET, SELLER, DETAILS),
    "edit by another": EditTicket(TICKET, ANOTHER, DETAILS),
    "withdraw": WITHDRAWAL,
    "withdraw by another": WithdrawTicket(TICKET, ANOTHER),
    "read": ReadTicket(TICKET),
    "wake": ActivateTicket(TICKET),
    "suspend": SuspendTicket(TICKET),
    "reinstate": ReinstateTicket(TICKET),
    "reserve": reservation(),
    "reserve by the holder with another order": reservation(ANOTHER_ORDER),
    "reserve by another": reservation(ANOTHER_ORDER, ANOTHER),
    "reserve by the seller": reservation(ANOTHER_ORDER, SELLER),
    "cancel": CANCELLATION,
    "start payment": START,
    "sell": SALE,
    "sell for another charge": Sell(TICKET, ORDER, ANOTHER_CHARGE, DETAILS.price, 1),
    "sell for another amount": Sell(TICKET, ORDER, ANOTHER_CHARGE, DETAILS.price - 1, 1),
    "release": RELEASE,
    "revoke": CancelSale(TICKET, ORDER, CancelReason.CAPTURE_FAILED),
    "refund": StartRefund(TICKET, ORDER, SELLER),
    "abandon the refund": AbandonRefund(TICKET, ORDER),
    "read the order": ReadOrder(TICKET, ORDER),
    "expire": EXPIRY,
    "join the line": JoinWaitingList(TICKET, ANOTHER),
    "join the line as the holder": JoinWaitingList(TICKET, BUYER),
    "join the line as the seller": JoinWaitingList(TICKET, SELLER),
    "leave the line": LeaveWaitingList(TICKET, ANOTHER),
    "close the line": CloseWaitingList(TICKET, SELLER),
    "close the line of another": CloseWaitingList(TICKET, ANOTHER),
}
# What the ticket is after it was listed, held, being paid and bought.
SOLD = Ticket(
    id=TICKET,
    seller_id=SELLER,
    details=DETAILS,
    version=4,
    created_at=NOW,
    updated_at=NOW,
    order=Order(
        id=ORDER,
        ticket_id=TICKET,
        seller_id=SELLER,
        buyer_id=BUYER,
        title="Chamber music",
        price=5_000,
        currency="usd",
        status=OrderStatus.COMPLETE,
        created_at=NOW,
        expires_at=NOW + WINDOW,
        updated_at=NOW,
        version=3,
        charge_id=CHARGE,
    ),
)
# One column for each state, in their order; None where nothing changes.
TABLE: dict[str, tuple[Expected, ...]] = {
    "create again": (TicketCreated, None, None, None, None, None),
    "create for another request": (TicketCreated, *(RequestMismatch,) * 5),
    "edit": (NotFound, TicketUpdated, AlreadyReserved, AlreadyReserved, AlreadySold, AlreadyWithdrawn),
    "edit into the same": (NotFound, None, AlreadyReserved, AlreadyReserved, AlreadySold, AlreadyWithdrawn),
    "edit by another": (NotFound, *(NotOwner,) * 5),
    "withdraw": (NotFound, TicketWithdrawn, AlreadyReserved, AlreadyReserved, AlreadySold, None),
    "withdraw by another": (NotFound, *(NotOwner,) * 5),
    "read": (NotFound, None, None, None, None, None),
    "wake": (NotFound, None, None, None, None, None),
    "reserve": (NotFound, OrderCreated, None, None, None, AlreadyWithdrawn),
    "reserve by the holder with another order": (NotFound, OrderCreated, None, None, AlreadySold, AlreadyWithdrawn),
    "reserve by another": (NotFound, OrderCreated, AlreadyReserved, AlreadyReserved, AlreadySold, AlreadyWithdrawn),
    "reserve by the seller": (
        NotFound,
        SellerCannotBuy,
        SellerCannotBuy,
        SellerCannotBuy,
        AlreadySold,
        AlreadyWithdrawn,
    ),
    "cancel": (NotFound, OrderClosed, OrderCancelled, OrderCancelled, OrderComplete, OrderClosed),
    "start payment": (NotFound, OrderClosed, OrderAwaitingPayment, None, OrderComplete, OrderClosed),
    "sell": (NotFound, OrderClosed, OrderCompleted, OrderCompleted, None, OrderClosed),
    "sell for another charge": (NotFound, OrderClosed, OrderCompleted, OrderCompleted, OrderClosed, OrderClosed),
    "sell for another amount": (NotFound, OrderClosed, WrongAmount, WrongAmount, OrderClosed, OrderClosed),
    "release": (NotFound, OrderClosed, None, OrderCancelled, OrderComplete, OrderClosed),
    "revoke": (NotFound, OrderClosed, OrderCancelled, OrderCancelled, OrderCancelled, OrderClosed),
    "expire": (NotFound, OrderClosed, None, None, OrderClosed, OrderClosed),
    "suspend": (NotFound, TicketWithdrawn, TicketSuspended, TicketSuspended, TicketSuspended, None),
    "reinstate": (NotFound, *(None,) * 5),
    "refund": (NotFound, OrderClosed, OrderNotPaid, OrderNotPaid, OrderRefunding, OrderClosed),
    "abandon the refund": (NotFound, OrderClosed, OrderClosed, OrderClosed, None, OrderClosed),
    "read the order": (NotFound, OrderClosed, None, None, None, OrderClosed),
    "join the line": (NotFound, NotReserved, WaiterJoined, WaiterJoined, AlreadySold, AlreadyWithdrawn),
    "join the line as the holder": (NotFound, NotReserved, HeldByYou, HeldByYou, AlreadySold, AlreadyWithdrawn),
    "join the line as the seller": (
        NotFound,
        SellerCannotBuy,
        SellerCannotBuy,
        SellerCannotBuy,
        AlreadySold,
        AlreadyWithdrawn,
    ),
    "leave the line": (NotFound, *(None,) * 5),
    "close the line": (NotFound, None, WaitingListClosed, WaitingListClosed, None, None),
    "close the line of another": (NotFound, *(NotOwner,) * 5),
}
EVERY_PAIR = [
    pytest.param(STATES[state], COMMANDS[name], expected, id=f"{name} when {state}")
    for name, row in TABLE.items()
    for state, expected in zip(STATES, row, strict=True)
]
# Those that change something.
EVERY_CHANGE = [
    pytest.param(STATES[state], COMMANDS[name], id=f"{name} when {state}")
    for name, row in TABLE.items()
    for state, expected in zip(STATES, row, strict=True)
    if expected is not None and not issubclass(expected, Refusal)
]


def test_every_ticket_command_is_in_the_table() -> None:
    assert {type(COMMANDS[name]) for name in TABLE} == set(get_args(TicketCommand))


@pytest.mark.parametrize(("ticket", "command", "expected"), EVERY_PAIR)
def test_a_ticket_command_in_each_state_has_the_result_in_the_table(
    ticket: Ticket | None, command: TicketCommand, expected: Expected
) -> None:
    decision = decide(ticket, command, NOW)
    if isinstance(decision, Refusal):
        assert type(decision) is expected
    else:
        assert [type(event) for event in decision] == ([expected] if expected else [])


@pytest.mark.parametrize(
    "command",
    [
        CancelOrder(TICKET, ANOTHER_ORDER),
        StartPayment(TICKET, ANOTHER_ORDER, GRACE),
        Sell(TICKET, ANOTHER_ORDER, CHARGE, DETAILS.price, 1),
        Release(TICKET, ANOTHER_ORDER, 1, 1),
        CancelSale(TICKET, ANOTHER_ORDER, CancelReason.CAPTURE_FAILED),
        Expire(TICKET, ANOTHER_ORDER),
    ],
    ids=lambda command: type(command).__name__,
)
@pytest.mark.parametrize("state", ["available", "reserved", "being paid", "sold", "withdrawn"])
def test_an_order_that_does_not_hold_the_ticket_is_closed(state: str, command: TicketCommand) -> None:
    assert decide(STATES[state], command, NOW) == OrderClosed()


@pytest.mark.parametrize(("ticket", "command"), EVERY_CHANGE)
def test_an_accepted_command_changes_nothing_when_it_is_repeated(ticket: Ticket | None, command: TicketCommand) -> None:
    after, _, _ = handle(ticket, command)
    again, repeated, _ = handle(after, command)
    assert (again, repeated) == (after, ())


@pytest.mark.parametrize(("ticket", "command"), EVERY_CHANGE)
def test_every_ticket_event_raises_the_version_by_one(ticket: Ticket | None, command: TicketCommand) -> None:
    after, events, _ = handle(ticket, command)
    assert after is not None
    assert len(events) == 1
    assert after.version == (ticket.version if ticket else 0) + 1


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("available", TicketStatus.AVAILABLE),
        ("reserved", TicketStatus.RESERVED),
        ("being paid", TicketStatus.RESERVED),
        ("sold", TicketStatus.SOLD),
        ("withdrawn", TicketStatus.WITHDRAWN),
    ],
)
def test_the_status_follows_from_the_order_and_the_withdrawal(state: str, status: TicketStatus) -> None:
    ticket = STATES[state]
    assert ticket is not None
    assert ticket.status is status


def test_folding_the_events_gives_the_ticket() -> None:
    ticket: Ticket | None = None
    events: list[TicketEvent] = []
    for command in (creation(), reservation(), START, SALE):
        ticket, new, _ = handle(ticket, command)
        events.extend(new)
    assert fold(None, [(event, NOW) for event in events], TICKET) == SOLD


def test_nothing_can_happen_to_a_ticket_before_it_was_created() -> None:
    with pytest.raises(ValueError, match="before TicketCreated"):
        evolve(None, TicketUpdated(DETAILS), NOW, TICKET)


def test_an_order_event_carries_all_that_an_order_document_needs() -> None:
    _, (event,), _ = handle(STATES["being paid"], SALE, NOW + 1)
    assert isinstance(event, OrderCompleted)
    document = order_document(event.order)
    stated = {name: value for name, value in document.items() if not name.startswith("by_") and name != "projection"}
    assert stated == {
        "_id": ORDER, "ticket_id": TICKET, "seller_id": SELLER, "buyer_id": BUYER, "charge_id": CHARGE,
        "title": "Chamber music", "price": 5_000, "currency": "usd", "status": "complete", "attempt": 1, "version": 3,
        "created_at": NOW, "expires_at": NOW + WINDOW, "updated_at": NOW + 1,
        "extended": False, "refunding": False, "offer": False, "uncounted": 0, "fee": 0,
    }  # fmt: skip
