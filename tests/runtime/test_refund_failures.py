"""Money that came back to us after it was refunded, and refunds that are not the seller's."""

from actors.domain.answers import PaymentAnswer
from actors.domain.charge import refund_status
from actors.domain.charge_events import ChargePaidByHand
from actors.domain.purchase_commands import RefundOrder, ResolveRefund
from actors.domain.refusals import NotFound, NothingToResolve, RefundFailed, RefundRefused
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, SuspendTicket
from actors.domain.ticket_events import OrderCancelled, TicketWithdrawn
from actors.domain.ticket_values import CancelReason, RefundStatus, TicketStatus
from tests.support.buying import an_order, charge_of, money
from tests.support.examples import new_id
from tests.support.journal_checks import records
from tests.support.local_market import LocalMarket
from tests.support.refunding import DISPUTED, a_failed_refund, a_sale, later, refund_of, refunds_at_stripe
from tests.support.trading import as_it_is, expect


async def test_a_refund_that_failed_after_it_succeeded_is_not_answered_as_refunded(
    market: LocalMarket,
) -> None:
    order = await a_failed_refund(market)
    assert await market.refund(refund_of(order)) == RefundFailed()
    assert await market.refund(RefundOrder(order.id, new_id(), is_admin=True)) == RefundFailed()
    assert refund_status(order, [await charge_of(market, order)]) is RefundStatus.FAILED


async def test_a_refund_paid_by_hand_is_recorded_once_with_the_admin_who_says_so(market: LocalMarket) -> None:
    order, admin = await a_failed_refund(market), new_id()
    for by in (admin, admin, new_id()):
        answer = expect(PaymentAnswer, await market.refund(ResolveRefund(order.id, by)))
        assert refund_status(answer.order, [answer.charge]) is RefundStatus.PAID_BY_HAND
    assert (await charge_of(market, order)).paid_by_hand == admin
    history = await records(market.connections.database)
    assert [one.event.charge.paid_by_hand for one in history if isinstance(one.event, ChargePaidByHand)] == [admin]
    assert isinstance(await market.refund(refund_of(order)), PaymentAnswer)
    assert await refunds_at_stripe(market, order) == ["failed"]


async def test_only_a_failed_refund_can_be_resolved(market: LocalMarket) -> None:
    order = await a_sale(market)
    assert await market.refund(ResolveRefund(order.id, new_id())) == NothingToResolve()
    await market.refund(refund_of(order))
    assert await market.refund(ResolveRefund(order.id, new_id())) == NothingToResolve()
    assert await market.refund(ResolveRefund(new_id(), new_id())) == NotFound()


async def test_a_sale_that_stands_after_stripe_refused_its_refund_is_not_resolved(market: LocalMarket) -> None:
    order = await a_sale(market, DISPUTED)
    await later(market)
    assert await market.refund(refund_of(order)) == RefundRefused()
    assert await market.refund(ResolveRefund(order.id, new_id())) == NothingToResolve()


async def test_an_admin_can_refund_any_sale_and_its_ticket_is_then_withdrawn(market: LocalMarket) -> None:
    order, admin = await a_sale(market), new_id()
    answer = expect(PaymentAnswer, await market.refund(RefundOrder(order.id, admin, is_admin=True)))
    assert (answer.order.cancel_reason, answer.order.refund_by) == (CancelReason.REFUNDED, admin)
    assert (await money(market, order))["given back"] == order.price
    assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.WITHDRAWN


async def test_a_suspended_ticket_is_withdrawn_in_the_commit_of_its_refund(market: LocalMarket) -> None:
    sold, unpaid = await a_sale(market), await an_order(market)
    for order in (sold, unpaid):
        expect(TicketAnswer, await market.ask_ticket(SuspendTicket(order.ticket_id)))
    await market.refund(refund_of(sold))
    await market.ask_ticket(CancelOrder(unpaid.ticket_id, unpaid.id))
    for order in (sold, unpaid):
        assert (await as_it_is(market, order.ticket_id)).status is TicketStatus.WITHDRAWN
    history = await records(market.connections.database)
    ended = {one.entity: one.commit for one in history if isinstance(one.event, OrderCancelled)}
    withdrawn = {one.entity: one.commit for one in history if isinstance(one.event, TicketWithdrawn)}
    assert ended == withdrawn
    assert len(ended) == 2
