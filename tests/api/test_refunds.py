import asyncio
from collections import Counter

import httpx
import pytest

from actors.domain.refusals import NotCapturable, Overloaded, RefundRefused, Refusal, ShowStarted, Unavailable
from serve_app.http.timestamps import iso
from tests.api.fake_market import DECLINED, SLOW_REFUND
from tests.api.world import JSON, NOBODY, Person, World, errors


async def refunds(person: Person, order_id: str) -> httpx.Response:
    return await person.http.post(f"/api/orders/{order_id}/refund")


async def sold(world: World, method: str = "pm_card_visa") -> tuple[Person, Person, JSON, JSON]:
    """A seller, a buyer, the ticket that is the buyer's now, and the order."""
    seller, buyer, ticket, order = await world.held()
    assert (await buyer.pays(order, method)).status_code == 201
    return seller, buyer, ticket, order


async def sales(seller: Person) -> list[JSON]:
    """The seller's own list."""
    response = await seller.http.get("/api/tickets", params={"seller": "me"})
    assert response.status_code == 200
    tickets: list[JSON] = response.json()
    return tickets


async def test_a_refunded_order_is_cancelled_and_its_ticket_for_sale_again(world: World) -> None:
    seller, buyer, ticket, order = await sold(world)
    response = await refunds(seller, order["id"])
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["cancelReason"]) == ("cancelled", "refunded")
    assert "refunding" not in response.json()
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json() == response.json()
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "available"


async def test_another_buyer_can_buy_a_refunded_ticket(world: World) -> None:
    seller, _, ticket, order = await sold(world)
    await refunds(seller, order["id"])
    other = await world.someone()
    assert (await other.pays(await other.orders(ticket))).status_code == 201


async def test_a_repeated_refund_changes_nothing(world: World) -> None:
    seller, _, _, order = await sold(world)
    first, again = await refunds(seller, order["id"]), await refunds(seller, order["id"])
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()


async def test_ten_simultaneous_refunds_are_one(world: World) -> None:
    seller, _, _, order = await sold(world)
    responses = await asyncio.gather(*(refunds(seller, order["id"]) for _ in range(10)))
    assert Counter(response.status_code for response in responses) == {200: 10}
    assert len({response.text for response in responses}) == 1


async def test_a_pending_refund_is_accepted_and_its_order_is_complete_until_then(world: World) -> None:
    seller, buyer, ticket, order = await sold(world, SLOW_REFUND)
    for _ in range(2):
        response = await refunds(seller, order["id"])
        assert response.status_code == 202
        assert (response.json()["status"], response.json()["refunding"]) == ("complete", True)
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json() == response.json()
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "sold"


async def test_the_buyer_cannot_refund(world: World) -> None:
    _, buyer, _, order = await sold(world)
    response = await refunds(buyer, order["id"])
    assert response.status_code == 403
    assert "seller" in errors(response)[0]["message"]
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["status"] == "complete"


async def test_a_refund_checks_session_existence_ownership_and_state_in_this_order(world: World) -> None:
    seller, buyer, _, unpaid = await world.held()
    assert (await refunds(world.anyone(), NOBODY)).status_code == 401
    assert (await refunds(world.anyone(), unpaid["id"])).status_code == 401
    assert (await refunds(buyer, NOBODY)).status_code == 404
    assert (await refunds(buyer, unpaid["id"])).status_code == 403
    assert (await refunds(seller, unpaid["id"])).status_code == 409


@pytest.mark.parametrize("order_id", ["no-id", "F" * 24, "0" * 23, "0" * 5_000, "%00", "$ne"])
async def test_a_refund_of_an_invalid_id_is_not_found(world: World, order_id: str) -> None:
    response = await refunds(await world.someone(), order_id)
    assert response.status_code == 404
    assert errors(response)


async def test_an_order_that_is_not_paid_cannot_be_refunded_and_stays_open(world: World) -> None:
    seller, buyer, _, order = await world.held()
    response = await refunds(seller, order["id"])
    assert response.status_code == 409
    assert "not paid" in errors(response)[0]["message"]
    assert (await buyer.pays(order)).status_code == 201


async def test_an_order_that_ended_unpaid_cannot_be_refunded(world: World) -> None:
    seller, buyer, _, declined = await world.held()
    await buyer.pays(declined, DECLINED)
    other_seller, other, _, cancelled = await world.held()
    await other.http.delete(f"/api/orders/{cancelled['id']}")
    for person, order in ((seller, declined), (other_seller, cancelled)):
        response = await refunds(person, order["id"])
        assert response.status_code == 409
        assert "over" in errors(response)[0]["message"]


async def test_no_sale_is_refunded_once_the_show_started(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    order = await buyer.orders(await seller.lists(startsAt=iso(world.clock() + 60_000)))
    await buyer.pays(order)
    world.clock.advance(60)
    response = await refunds(seller, order["id"])
    assert response.status_code == 409
    assert "begun" in errors(response)[0]["message"]


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(RefundRefused(), 409), (ShowStarted(), 409), (NotCapturable(), 409), (Unavailable(), 503), (Overloaded(), 503)],
)
async def test_a_refused_refund_is_answered_with_its_reason(world: World, refusal: Refusal, status: int) -> None:
    seller, _, _, order = await sold(world)
    world.market.refusal = refusal
    response = await refunds(seller, order["id"])
    assert response.status_code == status
    assert errors(response)
    assert ("retry-after" in response.headers) is (status == 503)


async def test_a_refund_ignores_the_body_of_its_request(world: World) -> None:
    seller, _, _, order = await sold(world)
    response = await seller.http.post(f"/api/orders/{order['id']}/refund", content=b'{"amount": 1')
    assert response.status_code == 200


async def test_an_order_that_was_refunded_cannot_be_paid_again(world: World) -> None:
    seller, buyer, _, order = await sold(world)
    await refunds(seller, order["id"])
    response = await buyer.pays(order)
    assert response.status_code == 409
    assert "refunded" in errors(response)[0]["message"]


async def test_the_buyer_sees_every_attempt_to_pay(world: World) -> None:
    _, buyer, _, order = await sold(world)
    response = await buyer.http.get(f"/api/orders/{order['id']}/charges")
    assert response.status_code == 200
    [charge] = response.json()
    assert charge == {
        "id": charge["id"], "status": "completed", "orderId": order["id"], "attempt": 1, "amount": 12.5,
        "currency": "usd", "createdAt": iso(world.clock()), "stripeId": f"pi_{charge['id']}",
    }  # fmt: skip


async def test_charges_do_not_show_the_payment_method(world: World) -> None:
    _, buyer, _, order = await sold(world, "pm_private")
    response = await buyer.http.get(f"/api/orders/{order['id']}/charges")
    assert "pm_private" not in response.text
    assert not {"paymentMethod", "clientSecret", "tries", "request"} & set(response.json()[0])


async def test_a_charge_shows_that_it_was_refunded(world: World) -> None:
    seller, buyer, _, order = await sold(world)
    await refunds(seller, order["id"])
    [charge] = (await buyer.http.get(f"/api/orders/{order['id']}/charges")).json()
    assert (charge["status"], charge["stripeRefundId"]) == ("refunded", "re_1")


async def test_an_order_that_nobody_paid_has_no_charges(world: World) -> None:
    _, buyer, _, order = await world.held()
    response = await buyer.http.get(f"/api/orders/{order['id']}/charges")
    assert (response.status_code, response.json()) == (200, [])


async def test_only_the_buyer_sees_charges(world: World) -> None:
    seller, buyer, _, order = await sold(world)
    assert (await world.anyone().http.get(f"/api/orders/{order['id']}/charges")).status_code == 401
    assert (await buyer.http.get(f"/api/orders/{NOBODY}/charges")).status_code == 404
    assert (await buyer.http.get("/api/orders/no-id/charges")).status_code == 404
    assert (await seller.http.get(f"/api/orders/{order['id']}/charges")).status_code == 403


async def test_sellers_see_the_price_at_which_their_tickets_were_sold(world: World) -> None:
    seller, _, ticket, order = await sold(world)
    [listed] = await sales(seller)
    assert (listed["id"], listed["status"]) == (ticket["id"], "sold")
    assert listed["sale"] == {"orderId": order["id"], "price": 12.5, "fee": 0, "sellerGets": 12.5, "currency": "usd"}


async def test_the_seller_finds_the_refund_of_a_sale_by_what_they_see_of_it(world: World) -> None:
    seller, _, _, _ = await sold(world, SLOW_REFUND)
    [listed] = await sales(seller)
    assert (await refunds(seller, listed["sale"]["orderId"])).status_code == 202
    assert (await sales(seller))[0]["sale"]["refunding"] is True


async def test_a_ticket_that_is_listed_or_held_shows_no_sale(world: World) -> None:
    seller, _, _, _ = await world.held()
    await seller.lists(title="still for sale")
    listed = await sales(seller)
    assert {ticket["status"] for ticket in listed} == {"reserved", "available"}
    assert not any("sale" in ticket for ticket in listed)


async def test_a_refunded_sale_is_no_longer_shown_as_a_sale(world: World) -> None:
    seller, _, _, order = await sold(world)
    await refunds(seller, order["id"])
    [listed] = await sales(seller)
    assert listed["status"] == "available"
    assert "sale" not in listed


async def test_nobody_else_sees_the_price_at_which_a_ticket_was_sold(world: World) -> None:
    seller, buyer, ticket, _ = await sold(world)
    await seller.lists(title="still for sale")
    for person in (world.anyone(), buyer, seller):
        public = await person.http.get("/api/tickets")
        assert [listed["title"] for listed in public.json()] == ["still for sale"]
        assert "sale" not in public.json()[0]
        assert "sale" not in (await person.http.get(f"/api/tickets/{ticket['id']}")).json()
