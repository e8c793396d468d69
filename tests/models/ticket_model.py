"""A ticket once more, as simply as it can be said: command by command, where the product goes state by state."""

from dataclasses import dataclass, field

from actors.domain.ids import derived_id
from actors.domain.refusals import (
    AlreadyReserved,
    AlreadySold,
    AlreadyWithdrawn,
    AttemptOver,
    EditedSince,
    HeldByYou,
    HeldTooOften,
    NotFound,
    NotOwner,
    NotReserved,
    OrderClosed,
    OrderComplete,
    OrderNotPaid,
    PriceChanged,
    Refusal,
    RequestMismatch,
    SellerCannotBuy,
    ShowStarted,
    TooManyHolds,
    VersionMismatch,
    WaitingListFull,
    WaitingListOver,
    WrongAmount,
)
from actors.domain.ticket_commands import (
    AbandonRefund,
    ActivateTicket,
    CancelOrder,
    CancelSale,
    CloseWaitingList,
    CreateTicket,
    EditTicket,
    Expire,
    JoinWaitingList,
    LeaveWaitingList,
    ReadOrder,
    ReadTicket,
    ReinstateTicket,
    Release,
    Reserve,
    Sell,
    StartPayment,
    StartRefund,
    SuspendTicket,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_values import CancelReason

HOUR = 3_600_000
MOST_IN_LINE = 100
UNPAID = (CancelReason.BUYER, CancelReason.EXPIRED, CancelReason.DECLINED)


@dataclass
class OrderModel:
    """What there is to see of an order."""

    id: str
    buyer: str
    title: str
    price: int
    created: int
    ends: int
    request: str | None
    status: str = "created"
    version: int = 1
    attempt: int = 1
    extended: bool = False
    refunding: bool = False
    refund_by: str | None = None
    paid_by: str | None = None
    reason: CancelReason | None = None
    counted: int = 1
    offer: bool = False
    ended: int = field(default=0, compare=False)
    begins: int | None = field(default=None, compare=False)

    @property
    def is_open(self) -> bool:
        return self.status in ("created", "awaiting:payment")


@dataclass
class TicketModel:
    """`history` names the events; the newest of them is the version. `holder` holds or has bought the ticket."""

    seller: str = ""
    title: str = ""
    price: int = 0
    begins: int | None = None
    request: str | None = None
    edited: int = 1
    withdrawn: bool = False
    suspended: bool = False
    holder: OrderModel | None = None
    orders: dict[str, OrderModel] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    now: int = 0
    line: dict[str, int | None] = field(default_factory=dict)
    is_line_closed: bool = False
    may_buy: frozenset[str] = frozenset()
    offer_window_ms: int = 0
    id: str = ""

    @property
    def version(self) -> int:
        return len(self.history)

    @property
    def status(self) -> str:
        if self.withdrawn:
            return "withdrawn"
        if self.holder is None:
            return "available"
        return "reserved" if self.holder.is_open else "sold"

    def pass_time(self, now: int) -> None:
        """A hold ends at its end, whether or not somebody asks."""
        self.now = now
        if self.holder is not None and self.holder.is_open and now >= self.holder.ends:
            self._end("OrderExpired", CancelReason.EXPIRED)

    def ask(  # noqa: C901, PLR0911, PLR0912 - a row a command
        self, command: TicketCommand, now: int, open_holds: int = 0, *, after_conflict: bool = False
    ) -> Refusal | None:
        """What the command is refused with, if it is. A `careful` host looks first whether the order came before."""
        self.pass_time(now)
        if isinstance(command, CreateTicket):
            return self._create(command)
        if not self.seller:
            return NotFound()
        match command:
            case ReadTicket() | ActivateTicket():
                return None
            case EditTicket():
                return self._edit(command)
            case WithdrawTicket():
                return self._withdraw(command)
            case SuspendTicket():
                self._suspend()
                return None
            case ReinstateTicket():
                self._reinstate()
                return None
            case Reserve():
                return self._reserve(command, now, open_holds, after_conflict=after_conflict)
            case JoinWaitingList():
                return self._join(command, now)
            case LeaveWaitingList():
                self._leave(command.user_id)
                return None
            case CloseWaitingList():
                return self._close_line(command.user_id)
            case StartRefund() if command.user_id != self.seller and not command.is_admin:
                return NotOwner()
        if self.holder is None or command.order_id != self.holder.id:
            return OrderClosed()
        match command:
            case CancelOrder():
                return self._end_unless_sold("OrderCancelled", CancelReason.BUYER)
            case StartPayment():
                return self._start_payment(self.holder, command, now)
            case Sell():
                return self._sell(self.holder, command)
            case Release():
                return self._release(self.holder, command)
            case CancelSale():
                return self._end("OrderCancelled", command.reason)
            case StartRefund():
                return self._start_refund(self.holder, command, now)
            case AbandonRefund():
                return self._abandon_refund(self.holder)
            case ReadOrder():
                return None
            case Expire():
                return None if self.holder.is_open else OrderClosed()

    def _create(self, command: CreateTicket) -> Refusal | None:
        if self.seller:
            return None if (self.seller, self.request) == (command.seller_id, command.request) else RequestMismatch()
        self.seller, self.request = command.seller_id, command.request
        self._describe(command)
        self.history.append("TicketCreated")
        return None

    def _describe(self, command: CreateTicket | EditTicket) -> None:
        self.title, self.price, self.begins = command.details.title, command.details.price, command.details.starts_at

    def _edit(self, command: EditTicket) -> Refusal | None:
        if command.user_id == self.seller and not self._is_expected(command):
            return VersionMismatch()
        if (refusal := self._closed_to(command.user_id)) is not None or self._is_as(command):
            return refusal
        self._describe(command)
        self.history.append("TicketUpdated")
        self.edited = self.version
        return None

    def _is_expected(self, command: EditTicket) -> bool:
        if command.expected_versions is None:
            return True
        return not set(command.expected_versions).isdisjoint(range(self.edited, self.version + 1))

    def _is_as(self, command: EditTicket) -> bool:
        asked = command.details
        return (asked.title, asked.price, asked.starts_at) == (self.title, self.price, self.begins)

    def _withdraw(self, command: WithdrawTicket) -> Refusal | None:
        if self.withdrawn and command.user_id == self.seller:
            return None
        if (refusal := self._closed_to(command.user_id)) is not None:
            return refusal
        self.withdrawn = True
        self.line.clear()
        self.history.append("TicketWithdrawn")
        return None

    def _join(self, command: JoinWaitingList, now: int) -> Refusal | None:
        if (refusal := self._not_to_be_waited_for(command.user_id, now)) is not None:
            return refusal
        if self.line.get(command.user_id, -1) == command.max_price:
            return None
        if command.user_id not in self.line and len(self.line) >= MOST_IN_LINE:
            return WaitingListFull()
        self.line[command.user_id] = command.max_price
        self.history.append("WaiterJoined")
        return None

    def _not_to_be_waited_for(self, user_id: str, now: int) -> Refusal | None:
        match self.status:
            case "sold":
                return AlreadySold()
            case "withdrawn":
                return AlreadyWithdrawn()
        if user_id == self.seller:
            return SellerCannotBuy()
        if self.holder is None:
            return ShowStarted() if self.begins is not None and now >= self.begins else NotReserved()
        if user_id == self.holder.buyer:
            return HeldByYou()
        return WaitingListOver() if self.is_line_closed or self.suspended else None

    def _leave(self, user_id: str) -> None:
        if user_id in self.line:
            del self.line[user_id]
            self.history.append("WaiterLeft")

    def _close_line(self, user_id: str) -> Refusal | None:
        if user_id != self.seller:
            return NotOwner()
        is_open = self.status == "reserved" and not self.is_line_closed
        if self.line or is_open:
            self.line.clear()
            self.is_line_closed = self.status == "reserved"
            self.history.append("WaitingListClosed")
        return None

    def _suspend(self) -> None:
        match self.status:
            case "available":
                self._withdraw(WithdrawTicket("", self.seller))
            case "reserved" | "sold" if not self.suspended:
                self.suspended = True
                self.history.append("TicketSuspended")

    def _reinstate(self) -> None:
        if self.suspended:
            self.suspended = False
            self.history.append("TicketReinstated")

    def _closed_to(self, user_id: str) -> Refusal | None:
        """Why this user cannot change what is offered."""
        if user_id != self.seller:
            return NotOwner()
        return {"reserved": AlreadyReserved(), "sold": AlreadySold(), "withdrawn": AlreadyWithdrawn()}.get(self.status)

    def _reserve(self, command: Reserve, now: int, open_holds: int, *, after_conflict: bool) -> Refusal | None:
        mine = self.orders.get(command.order_id)
        if mine is not None and (after_conflict or mine is self.holder):
            return self._repeated(mine, command)
        if (refusal := self._not_for_sale_to(command, now, open_holds)) is not None:
            return refusal
        if self.holder is not None:
            self._accept(self.holder, command, now)
            return None  # the buyer holds it already
        if mine is not None:
            return self._repeated(mine, command)  # an order comes into being once, ever
        self.holder = OrderModel(
            command.order_id, command.buyer_id, self.title, self.price, now, now + command.window, command.request
        )
        self.holder.begins = self.begins
        if self.begins is not None and self.begins < self.holder.ends:
            self.holder.ends = self.begins
        self.orders[command.order_id] = self.holder
        self._leave(command.buyer_id)
        self.history.append("OrderCreated")
        return None

    def _accept(self, order: OrderModel, command: Reserve, now: int) -> None:
        if order.offer:
            self._turn(order, "OfferAccepted", order.status)
            end = now + command.window if self.begins is None else min(now + command.window, self.begins)
            order.offer, order.ends = False, max(order.ends, end)

    @staticmethod
    def _repeated(order: OrderModel, command: Reserve) -> Refusal | None:
        return None if (order.buyer, order.request) == (command.buyer_id, command.request) else RequestMismatch()

    def _not_for_sale_to(self, command: Reserve, now: int, open_holds: int) -> Refusal | None:  # noqa: PLR0911 - a row a rule
        wants_another_price = command.expected_price is not None and command.expected_price != self.price
        if self.status == "withdrawn":
            return AlreadyWithdrawn()
        if self.status == "sold":
            return AlreadySold()
        if command.buyer_id == self.seller:
            return SellerCannotBuy()
        if self.holder is not None:
            if self.holder.buyer != command.buyer_id:
                return AlreadyReserved()
            return PriceChanged(self.price) if wants_another_price else self._edited_since(command)
        if self.begins is not None and now >= self.begins:
            return ShowStarted()
        if wants_another_price:
            return PriceChanged(self.price)
        return self._edited_since(command) or self._holds_too_much(command, open_holds)

    def _holds_too_much(self, command: Reserve, open_holds: int) -> Refusal | None:
        if command.is_limited and self._unpaid_within_the_hour(command.buyer_id) >= 3:
            return HeldTooOften()
        if command.max_holds is not None and open_holds >= command.max_holds:
            return TooManyHolds(command.max_holds)
        return None

    def _edited_since(self, command: Reserve) -> Refusal | None:
        is_old = command.expected_version is not None and command.expected_version < self.edited
        return EditedSince() if is_old else None

    def _unpaid_within_the_hour(self, buyer: str) -> int:
        of_buyer = [
            order
            for order in self.orders.values()
            if order.buyer == buyer and order.reason in UNPAID and not order.offer
        ]
        return sum(self.now - order.ended < HOUR for order in of_buyer)

    def _start_payment(self, order: OrderModel, command: StartPayment, now: int) -> Refusal | None:
        if not order.is_open:
            return OrderComplete()
        if order.status == "created":
            self._turn(order, "OrderAwaitingPayment", "awaiting:payment")
            order.offer = False
            if not order.extended and order.ends - now < command.grace:
                extended = now + command.grace
                if self.begins is not None and self.begins < extended:
                    extended = max(order.ends, self.begins)
                order.ends, order.extended = extended, True
        return None

    def _sell(self, order: OrderModel, command: Sell) -> Refusal | None:
        if not order.is_open:
            return None if order.paid_by == command.charge_id else OrderClosed()
        if command.attempt != order.attempt:
            return AttemptOver()
        if command.amount != order.price:
            return WrongAmount()
        self._turn(order, "OrderCompleted", "complete")
        order.paid_by = command.charge_id
        self.line.clear()
        return None

    def _release(self, order: OrderModel, command: Release) -> Refusal | None:
        if not order.is_open:
            return OrderComplete()
        if order.status == "created" or command.attempt != order.attempt:
            return None
        if command.counts and order.counted >= command.max_attempts:
            return self._end("OrderCancelled", CancelReason.DECLINED)
        self._turn(order, "OrderReopened", "created")
        order.attempt += 1
        order.counted += command.counts
        return None

    def _start_refund(self, order: OrderModel, command: StartRefund, now: int) -> Refusal | None:
        if order.is_open:
            return OrderNotPaid()
        is_taken_over = command.is_admin and command.user_id != self.seller == order.refund_by
        if order.refunding and not is_taken_over:
            return None
        if self.begins is not None and now >= self.begins and not command.is_admin:
            return ShowStarted()
        self._turn(order, "OrderRefunding", "complete")
        order.refunding, order.refund_by = True, command.user_id
        return None

    def _abandon_refund(self, order: OrderModel) -> Refusal | None:
        if order.is_open:
            return OrderClosed()
        if order.refunding:
            self._turn(order, "OrderRefundFailed", "complete")
            order.refunding, order.refund_by = False, None
        return None

    def _end_unless_sold(self, event: str, reason: CancelReason) -> Refusal | None:
        return OrderComplete() if self.status == "sold" else self._end(event, reason)

    def _end(self, event: str, reason: CancelReason) -> Refusal | None:
        order = self.holder
        assert order is not None
        self._turn(order, event, "cancelled")
        order.reason, order.refunding, order.ended = reason, False, self.now
        self.holder = None
        self.is_line_closed = False
        if self.suspended or order.refund_by not in (None, self.seller):
            self._withdraw(WithdrawTicket("", self.seller))
        elif self.begins is None or self.now < self.begins:
            self._offer()
        return None

    def _offer(self) -> None:
        for user_id, most in self.line.items():
            if user_id in self.may_buy and (most is None or self.price <= most):
                order_id = derived_id("offer", self.id, str(self.version + 1))
                end = self.now + self.offer_window_ms
                ends = end if self.begins is None else min(end, self.begins)
                self.holder = OrderModel(order_id, user_id, self.title, self.price, self.now, ends, None, offer=True)
                self.holder.begins = self.begins
                self.orders[order_id] = self.holder
                del self.line[user_id]
                self.history.append("OrderCreated")
                return

    def _turn(self, order: OrderModel, event: str, status: str) -> None:
        order.status = status
        order.version += 1
        self.history.append(event)
