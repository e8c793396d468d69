"""The page of an order in each of its states: paying, the bank's question, the receipt, and how it ended."""

from pathlib import Path

import pytest
import stripe
from icalendar import Calendar

from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from serve_app.web.order_views import OrderView, view_of
from tests.api.fake_market import SLOW_REFUND
from tests.api.world import NOBODY, World
from tests.web.reading import leads_to, opens, sends, submits

NOW = 1_000_000
STATIC = Path(__file__).parents[2] / "serve_app/web/static"


def order(status: OrderStatus, **more: object) -> Order:
    base = Order("1" * 24, "2" * 24, "3" * 24, "4" * 24, "Hamlet", 4_250, "usd", status, 0, NOW + 1, 0)
    values = {name: getattr(base, name) for name in base.__slots__}
    return Order(**{**values, **more})


def charge(status: ChargeStatus, *, attempt: int = 1, action_required: bool = False) -> Charge:
    return Charge(
        "5" * 24, "1" * 24, "2" * 24, "4" * 24, attempt, 4_250, "usd", "pm_card_visa", status, 0, 0,
        action_required=action_required,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "charges", "view"),
    [
        (order(OrderStatus.CREATED), [], OrderView.PAY),
        (order(OrderStatus.CREATED, expires_at=NOW), [], OrderView.EXPIRED),
        (order(OrderStatus.AWAITING_PAYMENT, expires_at=NOW), [], OrderView.EXPIRED),
        (order(OrderStatus.AWAITING_PAYMENT), [], OrderView.ASKING),
        (order(OrderStatus.AWAITING_PAYMENT), [charge(ChargeStatus.CREATED)], OrderView.ASKING),
        (order(OrderStatus.AWAITING_PAYMENT), [charge(ChargeStatus.CREATED, action_required=True)], OrderView.BANK),
        (
            order(OrderStatus.AWAITING_PAYMENT, attempt=2),
            [charge(ChargeStatus.CREATED, action_required=True), charge(ChargeStatus.CREATED, attempt=2)],
            OrderView.ASKING,
        ),
        (
            order(OrderStatus.AWAITING_PAYMENT),
            [charge(ChargeStatus.AUTHORISED, action_required=True)],
            OrderView.ASKING,
        ),
        (order(OrderStatus.COMPLETE, expires_at=NOW), [], OrderView.COMPLETE),
        (order(OrderStatus.COMPLETE, refunding=True), [], OrderView.REFUNDING),
        (order(OrderStatus.CANCELLED, cancel_reason=CancelReason.BUYER), [], OrderView.CANCELLED),
    ],
)
def test_view_follows_the_state_of_the_order(found: Order, charges: list[Charge], view: OrderView) -> None:
    assert view_of(found, charges, NOW) is view


async def test_order_page_shows_what_is_held_and_until_when(world: World) -> None:
    _, buyer, _, held = await world.held()
    page = await opens(buyer, f"/orders/{held['id']}")
    assert page.title == "Pay for Concert in the park · Holdfast"
    assert f'datetime="{held["expiresAt"]}"' in page.html
    assert f'now="{world.clock()}"' in page.html, "so that the countdown does not trust the browser's clock"
    assert page.form("/pay").buttons == ["Pay $12.50"]
    assert page.form("/pay").fields["paymentMethod"] == "pm_card_visa"


async def test_paying_leads_to_the_receipt(world: World) -> None:
    _, buyer, _, held = await world.held()
    page = await opens(buyer, f"/orders/{held['id']}")
    assert leads_to(await submits(buyer, page, "/pay")) == f"/orders/{held['id']}"
    receipt = await opens(buyer, f"/orders/{held['id']}")
    assert "It is yours" in receipt.text
    assert "You paid $12.50 in all" in receipt.text
    assert not any(form.action.endswith("/pay") for form in receipt.forms)


async def test_form_that_is_sent_ten_times_pays_once(world: World) -> None:
    _, buyer, _, held = await world.held()
    page = await opens(buyer, f"/orders/{held['id']}")
    for _ in range(10):
        assert leads_to(await submits(buyer, page, "/pay")) == f"/orders/{held['id']}"
    assert len((await buyer.http.get(f"/api/orders/{held['id']}/charges")).json()) == 1


async def test_declined_payment_says_why_and_that_the_order_ended(world: World) -> None:
    _, buyer, ticket, held = await world.held()
    world.market.failure = "insufficient_funds"
    refused = await sends(buyer, f"/orders/{held['id']}/pay", paymentMethod="pm_declined", key="1")
    assert refused.status == 402
    assert "insufficient funds" in refused.text
    assert "Your payment was declined" in refused.text
    assert "No money was taken" in refused.text
    assert f"/tickets/{ticket['id']}" in refused.links


async def test_declined_payment_with_attempts_left_keeps_the_ticket(world: World) -> None:
    _, buyer, _, held = await world.held()
    world.market.attempts = 2
    refused = await sends(buyer, f"/orders/{held['id']}/pay", paymentMethod="pm_declined", key="1")
    assert refused.status == 402
    assert "You still hold the ticket" in refused.text
    assert refused.form("/pay").buttons == ["Pay $12.50"]


async def test_unknown_outcome_offers_no_second_payment(world: World) -> None:
    _, buyer, _, held = await world.held()
    leads_to(await sends(buyer, f"/orders/{held['id']}/pay", paymentMethod="pm_slow", key="1"))
    page = await opens(buyer, f"/orders/{held['id']}")
    assert "We are asking your bank" in page.text
    assert "You need not pay again" in page.text
    assert not any(form.action.endswith("/pay") for form in page.forms)


async def test_second_card_while_the_first_is_asked_about_is_refused_in_words(world: World) -> None:
    _, buyer, _, held = await world.held()
    await sends(buyer, f"/orders/{held['id']}/pay", paymentMethod="pm_slow", key="1")
    page = await sends(buyer, f"/orders/{held['id']}/pay", paymentMethod="pm_card_visa", key="2")
    assert page.status == 409
    assert "Another card is being charged" in page.text


async def test_cancelling_ends_the_order_and_a_repeat_changes_nothing(world: World) -> None:
    _, buyer, ticket, held = await world.held()
    page = await opens(buyer, f"/orders/{held['id']}")
    for _ in range(2):
        assert leads_to(await submits(buyer, page, "/cancel")) == f"/orders/{held['id']}"
    ended = await opens(buyer, f"/orders/{held['id']}")
    assert "You let go of this ticket" in ended.text
    assert "No money was taken" in ended.text
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "available"


async def test_cancelling_a_bought_order_is_refused_in_words(world: World) -> None:
    _, buyer, _, held = await world.held()
    page = await opens(buyer, f"/orders/{held['id']}")
    await buyer.pays(held)
    refused = await submits(buyer, page, "/cancel")
    assert refused.status == 409
    assert "This order is paid and complete" in refused.text
    assert "It is yours" in refused.text


async def test_expired_order_says_so_and_takes_no_payment(world: World) -> None:
    _, buyer, _, held = await world.held()
    page = await opens(buyer, f"/orders/{held['id']}")
    world.clock.advance(world.services.settings.reservation_seconds + 1)
    assert "Your time is over" in (await opens(buyer, f"/orders/{held['id']}")).text
    late = await submits(buyer, page, "/pay")
    assert late.status == 409
    assert "Your time is over" in late.text
    assert "No money was taken" in late.text


async def test_refunded_order_says_where_the_money_is(world: World) -> None:
    seller, buyer, _, held = await world.held()
    await buyer.pays(held, SLOW_REFUND)
    await seller.http.post(f"/api/orders/{held['id']}/refund")
    assert "Your money is on its way back" in (await opens(buyer, f"/orders/{held['id']}")).text


async def test_order_page_says_that_the_refund_is_done(world: World) -> None:
    seller, buyer, _, held = await world.held()
    await buyer.pays(held)
    await seller.http.post(f"/api/orders/{held['id']}/refund")
    page = await opens(buyer, f"/orders/{held['id']}")
    assert "Your money went back" in page.text
    assert "$12.50 went back to the card that you paid with" in page.text


async def test_refund_that_the_bank_did_not_take_is_never_called_done(world: World) -> None:
    seller, buyer, _, held = await world.held()
    await buyer.pays(held)
    await seller.http.post(f"/api/orders/{held['id']}/refund")
    await world.market.fail_refund(held["id"])
    for path in (f"/orders/{held['id']}", "/orders"):
        page = await opens(buyer, path)
        assert "Your bank did not take the money back" in page.text
        assert "oney went back" not in page.text


async def test_order_of_somebody_else_is_403_and_an_unknown_one_404(world: World) -> None:
    _, _, _, held = await world.held()
    stranger = await world.someone()
    for path in (f"/orders/{held['id']}", f"/orders/{held['id']}/pay", f"/orders/{held['id']}/ticket.ics"):
        assert (await opens(stranger, path)).status == 403
    assert (await sends(stranger, f"/orders/{held['id']}/cancel")).status == 403
    assert (await sends(stranger, f"/orders/{held['id']}/pay", paymentMethod="pm_card_visa")).status == 403
    assert (await opens(stranger, f"/orders/{NOBODY}")).status == 404
    assert (await opens(stranger, "/orders/nothing")).status == 404


async def test_signed_out_buyer_comes_back_to_the_order(world: World) -> None:
    _, buyer, _, held = await world.held()
    await world.services.sessions.end_all(buyer.id)
    page = await opens(buyer, f"/orders/{held['id']}")
    assert page.response.headers["location"] == f"/signin?next=/orders/{held['id']}"
    sent = await sends(buyer, f"/orders/{held['id']}/pay", paymentMethod="pm_card_visa")
    assert sent.response.headers["location"].startswith("/signin?next=/orders/")


@pytest.mark.parametrize("action", ["pay", "bank", "cancel"])
async def test_address_of_a_form_leads_to_the_order(world: World, action: str) -> None:
    _, buyer, _, held = await world.held()
    assert leads_to(await opens(buyer, f"/orders/{held['id']}/{action}")) == f"/orders/{held['id']}"


async def test_bought_ticket_goes_into_a_calendar(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(
        title="Hamlet; part 1, \\ uncut", venue="Globe", city="Vienna", startsAt="2031-05-01T17:30:00Z"
    )
    held = await buyer.orders(ticket)
    assert (await opens(buyer, f"/orders/{held['id']}/ticket.ics")).status == 404, "it is not bought yet"
    await buyer.pays(held)
    response = await buyer.http.get(f"/orders/{held['id']}/ticket.ics")
    assert response.headers["content-type"].startswith("text/calendar")
    (event,) = Calendar.from_ical(response.content).walk("VEVENT")
    assert str(event["summary"]) == "Hamlet; part 1, \\ uncut"
    assert str(event["location"]) == "Globe, Vienna"
    assert event["dtstart"].to_ical() == b"20310501T173000Z"


async def test_order_list_has_unpaid_orders_on_top(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    await buyer.pays(await buyer.orders(await seller.lists(title="Bought one")))
    await buyer.orders(await seller.lists(title="Held one"))
    page = await opens(buyer, "/orders")
    assert page.text.index("Held one") < page.text.index("Bought one")
    assert "You have not bought anything yet" in (await opens(await world.someone(), "/orders")).text


async def test_order_list_has_pages(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    for number in range(21):
        await buyer.pays(await buyer.orders(await seller.lists(title=f"Ticket {number:02}")))
    page = await opens(buyer, "/orders")
    (link,) = (link for link in page.links if "cursor=" in link)
    assert "Ticket 00" in (await opens(buyer, link)).text


def test_stripe_js_is_of_the_release_that_the_sdk_speaks() -> None:
    """Stripe pairs them (https://docs.stripe.com/sdks/stripejs-versioning): another pair is not tested by Stripe."""
    release = stripe.api_version.rpartition(".")[2]
    assert f'src: "https://js.stripe.com/{release}/stripe.js"' in (STATIC / "card-form.js").read_text()
