import asyncio
from http import HTTPStatus

from actors.domain.refusals import Refusal, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelSale, TicketCommand
from actors.domain.ticket_values import CancelReason
from actors.storage.upgrades import watch_who_may_not_sell
from actors.storage.user_flags import DelistedSellers
from actors.supervision.delisting import AT_ONCE_SECONDS, WATCHED_MS, Delisting
from tests.api.fake_market import FakeMarket
from tests.api.world import PASSWORD, Person, World


async def bans(admin: Person, person: Person) -> int:
    return (await admin.http.put(f"/api/admin/users/{person.id}/ban")).status_code


async def status_of(ticket_id: str, world: World) -> str:
    response = await world.anyone().http.get(f"/api/tickets/{ticket_id}")
    return str(response.json()["status"])


def unlisting(world: World) -> Delisting:
    return Delisting(DelistedSellers(world.database), world.market, world.clock)


async def test_a_ban_ends_all_sessions_and_keeps_the_user_out_until_it_is_lifted(world: World) -> None:
    admin, member = await world.admin(), await world.member()
    account = {"email": member.email, "password": PASSWORD}
    assert await bans(admin, member) == HTTPStatus.NO_CONTENT
    assert await bans(admin, member) == HTTPStatus.NO_CONTENT
    assert (await member.http.get("/api/orders")).status_code == 401
    assert (await world.anyone().http.post("/api/users/signin", json=account)).status_code == 403
    wrong = {**account, "password": "wrong"}
    assert (await world.anyone().http.post("/api/users/signin", json=wrong)).status_code == 401
    assert (await admin.http.get(f"/api/admin/users/{member.id}")).json()["bannedAt"]
    assert (await admin.http.delete(f"/api/admin/users/{member.id}/ban")).status_code == HTTPStatus.NO_CONTENT
    assert (await world.anyone().http.post("/api/users/signin", json=account)).status_code == 200


async def test_a_banned_users_old_token_is_not_renewed(world: World) -> None:
    person = await world.someone()
    await world.services.users.ban(person.id, world.clock())
    world.clock.advance(451)
    assert (await person.http.get("/api/orders")).status_code == 401


async def test_a_ban_withdraws_tickets_for_sale_and_held_ones_when_they_are_released(
    world: World,
) -> None:
    admin, buyer = await world.admin(), await world.someone()
    seller = await world.someone()
    free, held, sold = [await seller.lists(title=title) for title in ("free", "held", "sold")]
    order = await buyer.orders(held)
    await buyer.pays(await buyer.orders(sold))
    await bans(admin, seller)
    await unlisting(world).sweep()
    assert [await status_of(ticket["id"], world) for ticket in (free, held, sold)] == ["withdrawn", "reserved", "sold"]
    await buyer.http.delete(f"/api/orders/{order['id']}")
    assert await status_of(held["id"], world) == "withdrawn", "no sweep came since"


async def test_between_a_ban_and_the_sweep_nothing_of_the_seller_is_for_sale(world: World) -> None:
    admin, seller, buyer = await world.admin(), await world.someone(), await world.someone()
    free, held = await seller.lists(), await seller.lists()
    order = await buyer.orders(held)
    assert await bans(admin, seller) == HTTPStatus.NO_CONTENT
    await buyer.http.delete(f"/api/orders/{order['id']}")
    assert [await status_of(ticket["id"], world) for ticket in (free, held)] == ["withdrawn", "withdrawn"]


async def test_a_ban_holds_although_the_actors_do_not_answer_and_the_sweep_makes_up_for_it(world: World) -> None:
    admin, seller = await world.admin(), await world.someone()
    ticket = await seller.lists()
    world.market.refusal = Unavailable()
    assert await bans(admin, seller) == HTTPStatus.NO_CONTENT
    world.market.refusal = None
    assert await status_of(ticket["id"], world) == "available"
    await unlisting(world).sweep()
    assert await status_of(ticket["id"], world) == "withdrawn"


class NeverAnswers(FakeMarket):
    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        await asyncio.Event().wait()
        raise AssertionError(command)


async def test_nobody_waits_for_long_for_the_tickets_of_a_ban(world: World) -> None:
    seller = await world.someone()
    await seller.lists()
    silent = Delisting(DelistedSellers(world.database), NeverAnswers(world.database, world.clock), world.clock)
    async with asyncio.timeout(10 * AT_ONCE_SECONDS):
        await silent.suspend_at_once(seller.id)


async def test_a_banned_sellers_ticket_is_not_for_sale_again_when_its_sale_is_refunded_long_after(world: World) -> None:
    admin, seller, buyer = await world.admin(), await world.someone(), await world.someone()
    ticket = await seller.lists()
    order = await buyer.orders(ticket)
    await buyer.pays(order)
    await bans(admin, seller)
    await unlisting(world).sweep()
    world.clock.advance(WATCHED_MS / 1_000 + 1)
    await unlisting(world).sweep()
    await world.market.ask_ticket(CancelSale(ticket["id"], order["id"], CancelReason.REFUNDED))
    assert await status_of(ticket["id"], world) == "withdrawn"
    assert (await (await world.someone()).http.post("/api/orders", json={"ticketId": ticket["id"]})).status_code == 409


async def test_a_seller_banned_under_the_first_release_is_not_on_the_market_after_the_upgrade(world: World) -> None:
    banned, gone, admin, buyer = (
        await world.someone(),
        await world.someone(),
        await world.admin(),
        await world.someone(),
    )
    tickets = [await banned.lists(), await gone.lists()]
    orders = [await buyer.orders(ticket) for ticket in tickets]
    for order in orders:
        await buyer.pays(order)
    await world.services.users.ban(banned.id, world.clock())
    await world.services.users.close(gone.id, world.clock())
    # As the first release did, an hour later.
    await world.database["users"].update_many({}, {"$unset": {"unlisted_since": ""}})
    world.clock.advance(2 * WATCHED_MS / 1_000)
    for _ in range(2):
        await watch_who_may_not_sell(world.database)
    assert set(await DelistedSellers(world.database).unlisted(10)) == {banned.id, gone.id}
    await unlisting(world).sweep()
    for ticket, order in zip(tickets, orders, strict=True):
        await world.market.ask_ticket(CancelSale(ticket["id"], order["id"], CancelReason.REFUNDED))
    assert [await status_of(ticket["id"], world) for ticket in tickets] == ["withdrawn", "withdrawn"]
    await unlisting(world).sweep()
    await admin.http.delete(f"/api/admin/users/{banned.id}/ban")
    await watch_who_may_not_sell(world.database)
    assert await DelistedSellers(world.database).unlisted(10) == {}, (
        "nobody is watched for ever, nor who may sell again"
    )


async def test_when_a_ban_is_lifted_held_tickets_are_for_sale_again_after_their_hold(world: World) -> None:
    admin, seller, buyer = await world.admin(), await world.someone(), await world.someone()
    held = await seller.lists()
    order = await buyer.orders(held)
    await bans(admin, seller)
    await unlisting(world).sweep()
    await admin.http.delete(f"/api/admin/users/{seller.id}/ban")
    await unlisting(world).sweep()
    await buyer.http.delete(f"/api/orders/{order['id']}")
    assert await status_of(held["id"], world) == "available"


async def test_a_seller_banned_again_while_tickets_are_reinstated_stays_suspended(world: World) -> None:
    admin, seller, buyer = await world.admin(), await world.someone(), await world.someone()
    held = await seller.lists()
    order = await buyer.orders(held)
    for _ in range(2):
        await bans(admin, seller)
        await admin.http.delete(f"/api/admin/users/{seller.id}/ban")
        await bans(admin, seller)
        await unlisting(world).sweep()
    await buyer.http.delete(f"/api/orders/{order['id']}")
    assert await status_of(held["id"], world) == "withdrawn"


async def test_delisting_does_not_watch_a_seller_for_ever(world: World) -> None:
    admin, seller = await world.admin(), await world.someone()
    await bans(admin, seller)
    store = DelistedSellers(world.database)
    await unlisting(world).sweep()
    assert seller.id in await store.unlisted(10)
    world.clock.advance(WATCHED_MS / 1_000 + 1)
    await unlisting(world).sweep()
    assert await store.unlisted(10) == {}


async def test_an_unbanned_seller_may_sell_again(world: World) -> None:
    admin, seller = await world.admin(), await world.member()
    await bans(admin, seller)
    await admin.http.delete(f"/api/admin/users/{seller.id}/ban")
    await seller.http.post("/api/users/signin", json={"email": seller.email, "password": PASSWORD})
    ticket = await seller.lists()
    await unlisting(world).sweep()
    assert await status_of(ticket["id"], world) == "available"


async def test_an_administrator_sees_any_order_and_withdraws_any_ticket(world: World) -> None:
    admin = await world.admin()
    seller, _, ticket, order = await world.held()
    assert (await admin.http.get(f"/api/orders/{order['id']}")).json()["id"] == order["id"]
    assert (await admin.http.get(f"/api/orders/{order['id']}/charges")).status_code == 200
    assert (await admin.http.get(f"/api/tickets/{ticket['id']}/history")).status_code == 200
    assert (await admin.http.delete(f"/api/tickets/{ticket['id']}")).status_code == 409, "it is held"
    other = await seller.lists()
    assert (await admin.http.delete(f"/api/tickets/{other['id']}")).status_code == 204
    assert await status_of(other["id"], world) == "withdrawn"


async def test_the_role_does_not_buy_cancel_or_edit_for_others(world: World) -> None:
    admin = await world.admin()
    _, _, ticket, order = await world.held()
    assert (await admin.http.delete(f"/api/orders/{order['id']}")).status_code == 403
    assert (await admin.pays(order)).status_code == 403
    changed = {"title": "Mine", "price": 1}
    assert (await admin.http.put(f"/api/tickets/{ticket['id']}", json=changed)).status_code == 403


async def test_a_role_that_was_taken_back_opens_nothing(world: World) -> None:
    admin, person = await world.admin(), await world.someone()
    await world.services.users.set_admin(admin.id, world.clock(), is_admin=False)
    assert await bans(admin, person) == HTTPStatus.FORBIDDEN


async def test_actions_of_admins_are_stored(world: World) -> None:
    admin, seller = await world.admin(), await world.someone()
    ticket = await seller.lists()
    await admin.http.delete(f"/api/tickets/{ticket['id']}")
    await bans(admin, seller)
    await admin.http.delete(f"/api/admin/users/{seller.id}/ban")
    await world.services.security_events.flush()
    found = await world.database["security_events"].find({"admin_id": admin.id}).sort("by_newest").to_list()
    assert [(one["type"], one.get("ticket_id") or one["user_id"]) for one in found] == [
        ("TicketTakenDown", ticket["id"]), ("UserBanned", seller.id), ("UserUnbanned", seller.id)
    ]  # fmt: skip
