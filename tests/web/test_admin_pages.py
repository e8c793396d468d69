"""Pages of administrators: finding, shutting out, taking down, giving money back, and what people report."""

import pytest

from serve_app.http.timestamps import iso
from tests.api.world import NOBODY, World
from tests.web.reading import leads_to, opens, sends, submits


async def test_an_id_leads_to_its_user_ticket_or_order(world: World) -> None:
    admin = await world.admin()
    seller, _, ticket, order = await world.held()
    for kind, wanted in (("users", seller.id), ("tickets", ticket["id"]), ("orders", order["id"])):
        assert leads_to(await opens(admin, f"/admin?id=%20{wanted.upper()}")) == f"/admin/{kind}/{wanted}"


@pytest.mark.parametrize("wanted", [NOBODY, "nonsense"])
async def test_id_of_nothing_is_said_to_be_unknown(world: World, wanted: str) -> None:
    page = await opens(await world.admin(), f"/admin?id={wanted}")
    assert "Nothing has this id" in page.text


async def test_account_page_leads_administrators_alone_to_their_pages(world: World) -> None:
    assert "/admin" in (await opens(await world.admin(), "/account")).links
    assert "/admin" not in (await opens(await world.someone(), "/account")).links


async def test_banned_user_is_signed_out_and_let_in_again(world: World) -> None:
    admin, user = await world.admin(), await world.someone()
    address = f"/admin/users/{user.id}"
    page = await opens(admin, address)
    assert f"Ban {user.email}" in page.form(address).buttons
    leads_to(await submits(admin, page, address, change="ban"))
    assert leads_to(await opens(user, "/orders")) == "/signin"
    page = await opens(admin, f"{address}?done=banned")
    assert "Banned since" in page.text
    assert "security log" in page.text
    leads_to(await submits(admin, page, address, change="unban"))
    assert "Not banned" in (await opens(admin, address)).text


async def test_administrator_cannot_be_banned_and_the_page_says_why(world: World) -> None:
    admin, other = await world.admin(), await world.admin()
    page = await sends(admin, f"/admin/users/{other.id}", change="ban")
    assert page.status == 409
    assert "An administrator cannot be banned" in page.text


async def test_ticket_is_taken_down_with_a_reason_that_is_kept(world: World) -> None:
    admin, seller = await world.admin(), await world.someone()
    ticket = await seller.lists()
    address = f"/admin/tickets/{ticket['id']}"
    page = await opens(admin, address)
    assert "TicketCreated" in page.text
    leads_to(await submits(admin, page, address, reason="fraud"))
    assert "TicketWithdrawn" in (await opens(admin, address)).text
    await world.services.security_events.flush()
    kept = await world.database["security_events"].find_one({"ticket_id": ticket["id"]})
    assert kept is not None
    assert (kept["type"], kept["admin_id"], kept["reason"]) == ("TicketTakenDown", admin.id, "fraud")


async def test_ticket_without_a_reason_or_held_is_not_taken_down(world: World) -> None:
    admin = await world.admin()
    _, _, ticket, _ = await world.held()
    address = f"/admin/tickets/{ticket['id']}"
    assert (await sends(admin, address)).status == 400
    page = await sends(admin, address, reason="fraud")
    assert page.status == 409
    assert "The ticket was not taken down" in page.text


async def test_history_names_the_archive_that_has_the_rest(world: World) -> None:
    _, _, ticket, _ = await world.held()
    world.market.archive(f"ticket:{ticket['id']}")
    page = await opens(await world.admin(), f"/admin/tickets/{ticket['id']}")
    assert page.text.count("in the archive a-file") == 2


async def test_history_names_the_buyer_to_administrators(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    page = await opens(await world.admin(), f"/admin/tickets/{ticket['id']}")
    assert f"/admin/users/{buyer.id}" in page.links
    assert f"/admin/orders/{order['id']}" in page.links


async def test_an_admin_can_refund_a_sale_after_the_show_started(world: World) -> None:
    admin, seller, buyer = await world.admin(), await world.someone(), await world.someone()
    order = await buyer.orders(await seller.lists(startsAt=iso(world.clock() + 60_000)))
    await buyer.pays(order)
    world.clock.advance(61)
    address = f"/admin/orders/{order['id']}"
    page = await opens(admin, address)
    assert page.form(address).buttons == ["Give $12.50 back"]
    leads_to(await submits(admin, page, address, change="refund"))
    page = await opens(admin, address)
    assert "Money back" in page.text
    assert not page.forms


async def test_failed_refund_is_listed_until_it_is_paid_by_hand(world: World) -> None:
    admin, (_, buyer, _, order) = await world.admin(), await world.held()
    await buyer.pays(order)
    address = f"/admin/orders/{order['id']}"
    leads_to(await sends(admin, address, change="refund"))
    await world.market.fail_refund(order["id"])
    assert address in (await opens(admin, "/admin")).links
    page = await opens(admin, address)
    assert page.form(address).buttons == ["The buyer was paid $12.50 by hand"]
    leads_to(await submits(admin, page, address, change="resolve"))
    assert admin.id in (await opens(admin, address)).text
    assert address not in (await opens(admin, "/admin")).links


async def test_reported_ticket_is_shown_to_administrators_until_they_close_it(world: World) -> None:
    admin, seller, reader = await world.admin(), await world.someone(), await world.someone()
    ticket = await seller.lists()
    address = f"/tickets/{ticket['id']}/report"
    assert address in (await opens(reader, f"/tickets/{ticket['id']}")).links
    page = await opens(reader, address)
    sent = await submits(reader, page, address, reason="misleading", text="<b>No such row</b>")
    assert "Thank you" in (await opens(reader, sent.response.headers["location"])).text
    page = await opens(admin, "/admin")
    assert "&lt;b&gt;No such row" in page.html
    report = f"/admin/reports/{ticket['id']}{reader.id}"
    leads_to(await submits(admin, page, report))
    assert ticket["id"] not in (await opens(admin, "/admin")).html
    kept = await world.database["reports"].find_one({"_id": ticket["id"] + reader.id})
    assert kept is not None
    assert kept["closed_by"] == admin.id


async def test_person_reports_a_ticket_once(world: World) -> None:
    seller, reader = await world.someone(), await world.someone()
    ticket = await seller.lists()
    for reason in ("fraud", "other"):
        leads_to(await sends(reader, f"/tickets/{ticket['id']}/report", reason=reason))
    stored = await world.database["reports"].find({"ticket_id": ticket["id"]}).to_list()
    assert [report["reason"] for report in stored] == ["fraud"]


async def test_report_without_a_reason_or_of_ones_own_ticket_is_refused(world: World) -> None:
    seller, reader = await world.someone(), await world.someone()
    ticket = await seller.lists()
    address = f"/tickets/{ticket['id']}/report"
    page = await sends(reader, address, text="Something")
    assert page.status == 400
    assert page.form("/report").fields["text"] == "Something"
    assert (await sends(seller, address, reason="other")).status == 409
    assert await world.database["reports"].find_one({"ticket_id": ticket["id"]}) is None


async def test_reports_are_limited_and_the_page_says_how_long(world: World) -> None:
    seller, reader = await world.someone(), await world.someone()
    address = f"/tickets/{(await seller.lists())['id']}/report"
    statuses = [(await sends(reader, address, reason="other")).status for _ in range(21)]
    assert statuses == [303] * 20 + [429]


async def test_reports_are_in_the_export_and_go_with_the_account(world: World) -> None:
    seller, reader = await world.someone(), await world.member()
    ticket = await seller.lists()
    await sends(reader, f"/tickets/{ticket['id']}/report", reason="fraud", text="Seen elsewhere")
    export = (await reader.http.get("/account/export")).json()
    assert [(report["ticketId"], report["text"]) for report in export["reports"]] == [(ticket["id"], "Seen elsewhere")]
    leads_to(await sends(reader, "/account/close", **{"closing-password": "correct horse battery"}))
    assert await world.database["reports"].find_one({"user_id": reader.id}) is None
