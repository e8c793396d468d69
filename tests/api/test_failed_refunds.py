"""Refunds by administrators, and refunds that failed after they succeeded: who sees what, and who pays by hand."""

import httpx

from serve_app.http.timestamps import iso
from tests.api.fake_market import SLOW_REFUND
from tests.api.world import JSON, NOBODY, Person, World, errors

LIST = "/api/admin/failed-refunds"


async def sold(world: World, method: str = "pm_card_visa", **ticket: object) -> tuple[Person, Person, JSON, JSON]:
    seller, buyer = await world.someone(), await world.someone()
    listed = await seller.lists(**ticket)
    order = await buyer.orders(listed)
    assert (await buyer.pays(order, method)).status_code == 201
    return seller, buyer, listed, order


async def failed(world: World) -> tuple[Person, Person, JSON]:
    """A seller, a buyer and their order, whose money came back to us after it was refunded."""
    seller, buyer, _, order = await sold(world)
    assert (await refunds(seller, order)).json()["refund"] == "done"
    await world.market.fail_refund(order["id"])
    return seller, buyer, order


async def refunds(person: Person, order: JSON) -> httpx.Response:
    return await person.http.post(f"/api/orders/{order['id']}/refund")


async def resolves(person: Person, order_id: str) -> httpx.Response:
    return await person.http.post(f"{LIST}/{order_id}/resolve")


async def refund_seen(person: Person, order: JSON) -> str | None:
    seen = (await person.http.get(f"/api/orders/{order['id']}")).json()
    listed = {each["id"]: each for each in (await person.http.get("/api/orders")).json()}
    if order["id"] in listed:
        assert listed[order["id"]] == seen
    refund: str | None = seen.get("refund")
    return refund


async def test_an_admin_can_refund_any_sale_and_its_ticket_is_then_withdrawn(world: World) -> None:
    admin = await world.admin()
    _, buyer, ticket, order = await sold(world)
    assert await refund_seen(buyer, order) is None
    response = await refunds(admin, order)
    assert response.status_code == 200
    assert (response.json()["cancelReason"], response.json()["refund"]) == ("refunded", "done")
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "withdrawn"
    assert await refund_seen(buyer, order) == "done"
    assert (await refunds(admin, order)).status_code == 200


async def test_an_admin_can_refund_a_sale_after_the_show_started(world: World) -> None:
    admin = await world.admin()
    seller, _, ticket, order = await sold(world, startsAt=iso(world.clock() + 60_000))
    world.clock.advance(61)
    assert (await refunds(seller, order)).status_code == 409
    assert (await refunds(admin, order)).status_code == 200
    assert (await admin.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "withdrawn"


async def test_the_state_of_a_refund_is_seen_while_it_is_pending(world: World) -> None:
    seller, buyer, _, order = await sold(world, SLOW_REFUND)
    assert (await refunds(seller, order)).json()["refund"] == "pending"
    assert await refund_seen(buyer, order) == "pending"


async def test_buyer_seller_and_admin_can_read_the_state_of_a_refund(world: World) -> None:
    admin = await world.admin()
    seller, buyer, _, order = await sold(world)
    url = f"/api/orders/{order['id']}/refund"

    async def seen() -> JSON:
        answers = [await person.http.get(url) for person in (buyer, seller, admin)]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert answers[0].json() == answers[1].json() == answers[2].json()
        view: JSON = answers[0].json()
        return view

    assert await seen() == {"orderId": order["id"]}, "the sale stands"
    await refunds(seller, order)
    assert await seen() == {"orderId": order["id"], "refund": "done"}
    await world.market.fail_refund(order["id"])
    assert await seen() == {"orderId": order["id"], "refund": "failed"}
    await resolves(admin, order["id"])
    assert await seen() == {"orderId": order["id"], "refund": "paid_by_hand"}


async def test_nobody_else_can_read_the_state_of_a_refund(world: World) -> None:
    _, _, _, order = await sold(world)
    url = f"/api/orders/{order['id']}/refund"
    assert (await world.anyone().http.get(url)).status_code == 401
    assert (await (await world.someone()).http.get(url)).status_code == 403
    assert (await (await world.someone()).http.get(f"/api/orders/{NOBODY}/refund")).status_code == 404


async def test_a_refund_that_failed_after_it_succeeded_is_not_answered_as_refunded(world: World) -> None:
    admin = await world.admin()
    seller, buyer, order = await failed(world)
    assert (await refund_seen(buyer, order), await refund_seen(admin, order)) == ("failed", "failed")
    for person in (seller, admin):
        response = await refunds(person, order)
        assert response.status_code == 409
        assert "failed" in errors(response)[0]["message"]


async def test_a_failed_refund_is_listed_until_somebody_says_that_it_was_paid_by_hand(world: World) -> None:
    admin = await world.admin()
    seller, buyer, order = await failed(world)
    (entry,) = (await admin.http.get(LIST)).json()
    assert (entry["orderId"], entry["userId"], entry["sellerId"]) == (order["id"], buyer.id, seller.id)
    assert (entry["amount"], entry["currency"], entry["failure"]) == (order["price"], "usd", "lost_or_stolen_card")
    for _ in range(2):
        response = await resolves(admin, order["id"])
        assert (response.status_code, response.json()["refund"]) == (200, "paid_by_hand")
    assert (await admin.http.get(LIST)).json() == []
    assert await refund_seen(buyer, order) == "paid_by_hand"
    assert (await refunds(seller, order)).json()["refund"] == "paid_by_hand"


async def test_only_a_failed_refund_can_be_resolved(world: World) -> None:
    admin = await world.admin()
    seller, _, _, order = await sold(world)
    assert (await resolves(admin, order["id"])).status_code == 409
    await refunds(seller, order)
    assert (await resolves(admin, order["id"])).status_code == 409
    assert (await resolves(admin, NOBODY)).status_code == 404
    assert (await resolves(seller, order["id"])).status_code == 403


async def test_a_sale_that_stands_after_its_refund_failed_is_not_to_be_paid_by_hand(world: World) -> None:
    admin = await world.admin()
    _, buyer, _, order = await sold(world)
    await world.market.fail_refund(order["id"])
    assert (await admin.http.get(LIST)).json() == []
    assert await refund_seen(buyer, order) is None
    assert (await resolves(admin, order["id"])).status_code == 409


async def test_failed_refunds_are_listed_page_by_page(world: World) -> None:
    admin = await world.admin()
    orders = [(await failed(world))[2]["id"] for _ in range(3)]
    seen: list[str] = []
    address = f"{LIST}?limit=2"
    while address:
        page = await admin.http.get(address)
        assert len(page.json()) <= 2
        seen += [entry["orderId"] for entry in page.json()]
        link = page.links.get("next")
        address = link["url"] if link else ""
    assert sorted(seen) == sorted(orders)
    damaged = await admin.http.get(LIST, params={"cursor": "damaged"})
    assert damaged.status_code == 400
