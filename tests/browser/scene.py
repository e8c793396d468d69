"""Everything that pages can show, made once through the API: tickets and orders in every state."""

import time
from dataclasses import dataclass, field

from actors.domain.purchase_commands import ResumePurchase
from tests.api.world import NOBODY, Person
from tests.browser.market import Market
from tests.support.eventually import eventually
from tests.support.refunding import later

FULL: dict[str, object] = {
    "title": "Hamlet",
    "category": "theater",
    "startsAt": "2031-05-01T17:30:00Z",
    "timezone": "Europe/Vienna",
    "venue": "Globe on the Danube",
    "city": "Vienna",
    "section": "B",
    "row": "3",
    "seat": "10",
    "price": 42.5,
    "faceValue": 50,
    "restrictions": "View partly blocked",
    "description": "Two seats side by side are for sale; this is one of them.\nMobile ticket, handed over at once.",
}
# Markup, an attribute that ends, text from right to left, and words without a space (G16).
HOSTILE: dict[str, object] = {
    **FULL,
    "title": "<script>alert(1)</script>" + "W" * 150,
    "venue": '"><img src=x onerror=alert(1)>',
    "city": "\u05d9\u05e8\u05d5\u05e9\u05dc\u05d9\u05dd",
    "section": "M" * 50,
    "row": "M" * 50,
    "seat": "M" * 50,
    "restrictions": "i" * 1_000,
    "description": "</textarea></bdi><style>*{display:none}</style>\n" + "W" * 200,
}
_PAGE_OF_TICKETS = 25


@dataclass
class Scene:
    """Who is there, and the ids of what they made, by the names that addresses use."""

    market: Market
    people: dict[str, Person]
    ids: dict[str, str] = field(default_factory=dict)
    cards: "Scene | None" = None


async def set_the_scene(market: Market, card_market: Market) -> Scene:
    """Make it all. Sam sells, Bea and Ada buy, Eve is new, and Ann is an administrator."""
    names = ("sam", "bea", "ada", "eve", "ann")
    scene = Scene(market, {name: await market.member() for name in names}, {"nobody": NOBODY})
    scene.cards = await _set_the_scene_of_cards(card_market)
    sam, bea, ada = (scene.people[name] for name in names[:3])
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    begun = await sam.lists(**{**FULL, "startsAt": soon})
    for number in range(_PAGE_OF_TICKETS):
        await sam.lists(title=f"Filler {number}", price=number + 1, category="concert")
    for name in ("available", "withdrawn"):
        scene.ids[name] = (await sam.lists(**FULL))["id"]
    scene.ids["bare"] = (await sam.lists(title="Mystery evening"))["id"]
    scene.ids["hostile"] = (await sam.lists(**HOSTILE))["id"]
    await sam.http.delete(f"/api/tickets/{scene.ids['withdrawn']}")
    for name, buyer in {"held": ada, "sold": ada, **dict.fromkeys(_ORDERS_OF_BEA, bea)}.items():
        ticket = await sam.lists(**FULL)
        order = await buyer.orders(ticket)
        scene.ids[name], scene.ids[f"{name}_order"] = ticket["id"], order["id"]
    await _pay(ada, scene.ids["sold_order"], "visa")
    await _go_on_with_the_orders_of(bea, sam, scene.ids)
    # The bank takes the money of this one's refund, and gives it back to us later.
    await later(market.actors)
    await market.actors.resume(ResumePurchase(scene.ids["unrefunded_order"], reconcile=True))
    scene.ids["waited"], scene.ids["offered_order"] = await _stand_in_line(bea, ada, sam)
    hostile = await sam.lists(**HOSTILE)
    scene.ids["hostile_order"] = (await bea.orders(hostile))["id"]
    scene.ids["begun"] = begun["id"]
    scene.ids |= {name: person.id for name, person in scene.people.items()}
    await market.services.users.set_admin(scene.people["ann"].id, market.services.clock(), is_admin=True)
    for name in ("available", "held", "sold", "withdrawn", "hostile"):
        sent = await scene.people["eve"].http.post(f"/tickets/{scene.ids[name]}/favourite", data={"keep": "yes"})
        assert sent.status_code == 303, sent.text
    report = {"reason": "fraud", "text": str(HOSTILE["description"])}
    sent = await scene.people["eve"].http.post(f"/tickets/{scene.ids['hostile']}/report", data=report)
    assert sent.status_code == 303, sent.text
    hook = {"url": f"https://example.com/{'w' * 200}", "events": ["order.*"], "description": str(HOSTILE["title"])}
    sent = await sam.http.post("/api/webhook-endpoints", json=hook)
    assert sent.status_code == 201, sent.text
    scene.ids["webhook"] = sent.json()["id"]
    sent = await sam.http.post(f"/api/webhook-endpoints/{scene.ids['webhook']}/test")
    assert sent.status_code == 202, sent.text
    await market.actors.writes_everything()
    await eventually(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > soon)
    return scene


async def _set_the_scene_of_cards(market: Market) -> Scene:
    """Return what is there where Stripe's own form takes cards: an order to pay, and one that the bank asks about."""
    sam, bea = await market.member(), await market.member()
    scene = Scene(market, {"sam": sam, "bea": bea})
    for name in ("holding_order", "bank_order"):
        scene.ids[name] = (await bea.orders(await sam.lists(**FULL)))["id"]
    token = {"orderId": scene.ids["bank_order"], "confirmationToken": "ctoken_authenticationRequired"}
    response = await bea.http.post("/api/payments", json=token)
    assert response.status_code == 202, response.text
    return scene


# What happens to the tickets that Bea orders: by the card that she pays with, if she does.
_ORDERS_OF_BEA = {
    "holding": None,
    "released": None,
    "bought": "visa",
    "refunding": "pendingRefund",
    "refunded": "visa",
    "unrefunded": "refundFail",
    "declined": "chargeDeclined",
    "bank": "authenticationRequired",
}


async def _go_on_with_the_orders_of(bea: Person, sam: Person, ids: dict[str, str]) -> None:
    for name, card in _ORDERS_OF_BEA.items():
        if card is not None:
            await _pay(bea, ids[f"{name}_order"], card)
    await bea.http.delete(f"/api/orders/{ids['released_order']}")
    for name in ("refunding", "refunded", "unrefunded"):
        response = await sam.http.post(f"/api/orders/{ids[f'{name}_order']}/refund")
        assert response.status_code in {200, 202}, response.text


async def _stand_in_line(waiter: Person, holder: Person, seller: Person) -> tuple[str, str]:
    """Return a ticket that somebody waits for, and an order that was offered to them."""
    tickets = [await seller.lists(**FULL) for _ in range(2)]
    orders = [await holder.orders(ticket) for ticket in tickets]
    for ticket in tickets:
        response = await waiter.http.post(f"/api/tickets/{ticket['id']}/waiting", json={})
        assert response.status_code == 201, response.text
    await holder.http.delete(f"/api/orders/{orders[1]['id']}")
    offered = (await waiter.http.get(f"/api/tickets/{tickets[1]['id']}")).json()["orderId"]
    return tickets[0]["id"], offered


async def _pay(buyer: Person, order_id: str, card: str) -> None:
    response = await buyer.pays({"id": order_id}, f"pm_card_{card}")
    assert response.status_code in {201, 202, 402}, response.text
