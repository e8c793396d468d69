import unicodedata
from typing import Any, Literal

import pytest

from serve_app.http.timestamps import iso
from serve_app.schemas.tickets import TicketBody
from tests.api.world import NOBODY, TICKET, World, errors, fields


async def test_a_listed_ticket_can_be_read_by_anyone(world: World) -> None:
    seller = await world.someone()
    starts_at = iso(world.clock() + 86_400_000)
    details = {"description": "Two\nlines", "category": "concert", "venue": "Park", "city": "Berlin"}
    ticket = await seller.lists(**details, startsAt=starts_at)
    assert ticket == {
        "id": ticket["id"], "title": "Concert in the park", "price": 12.5, "currency": "usd", **details,
        "startsAt": starts_at, "userId": seller.id, "orderId": None, "version": 1, "status": "available",
        "createdAt": ticket["createdAt"], "updatedAt": ticket["updatedAt"],
    }  # fmt: skip
    response = await world.anyone().http.get(f"/api/tickets/{ticket['id']}")
    assert response.status_code == 200
    assert response.json() == ticket


async def test_listing_needs_a_session(world: World) -> None:
    response = await world.anyone().http.post("/api/tickets", json={})
    assert response.status_code == 401
    assert errors(response)


WRONG_PRICES = [
    "true", "null", '"true"', "[]", "{}", '""', '"abc"', "NaN", "Infinity", "-Infinity", "1e400", '"NaN"', '"Infinity"',
    '"1e400"', "12.345", '"12.345"', "-1", "0", "0.49", "1000000", "999999.991", "1e-400", '"1_0"', "9" * 400, '"0x10"',
]  # fmt: skip


@pytest.mark.parametrize("price", WRONG_PRICES)
async def test_a_price_is_a_number_of_cents_within_bounds(world: World, price: str) -> None:
    seller = await world.someone()
    response = await seller.http.post(
        "/api/tickets", content=f'{{"title": "x", "price": {price}}}', headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert fields(response) == ({""} if price in {"NaN", "Infinity", "-Infinity"} else {"price"})


@pytest.mark.parametrize(
    ("price", "kept"), [(0.5, 0.5), (999_999.99, 999_999.99), ("12.50", 12.5), (19.99, 19.99), ("7", 7), (1e2, 100)]
)
async def test_a_price_may_be_a_number_or_a_numeric_string(world: World, price: float | str, kept: float) -> None:
    ticket = await (await world.someone()).lists(price=price)
    assert ticket["price"] == kept


WRONG_FIELDS: list[tuple[str, Any]] = [
    ("title", ""), ("title", "   "), ("title", "x" * 201), ("title", 5), ("title", None), ("title", ["x"]),
    ("title", "a\x00b"), ("title", "a\x1bb"), ("title", "a\nb"), ("title", True),
    ("description", "x" * 5_001), ("description", "\x00"), ("description", 1), ("description", {}),
    ("venue", "x" * 201), ("venue", "\x7f"), ("city", "x" * 201), ("city", False),
    ("category", "opera"), ("category", ""), ("category", 1),
    ("startsAt", "2020-01-01T00:00:00Z"), ("startsAt", "2999-01-01T00:00:00"), ("startsAt", "tomorrow"),
    ("startsAt", 1_900_000_000), ("startsAt", "9999-12-31T23:59:59-12:00"), ("startsAt", "2999-01-01T25:00:00Z"),
    ("startsAt", "0001-01-01T00:00:00+14:00"), ("startsAt", True), ("startsAt", ""),
    ("currency", "eur"), ("currency", 1),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG_FIELDS)
async def test_a_wrong_field_is_named(world: World, field: str, value: object) -> None:
    seller = await world.someone()
    response = await seller.http.post("/api/tickets", json={**TICKET, field: value})
    assert response.status_code == 400
    assert fields(response) == {field}


MANY_MARKS = ["e" + "\u0301\u0327" * 6, "क" + "\u094d\u200d" * 11, "Z" + "\u0336" * 11 + "algo"]


@pytest.mark.parametrize("field", ["title", "description", "venue", "city", "section", "row", "seat", "restrictions"])
@pytest.mark.parametrize("text", MANY_MARKS, ids=["accents", "joined vowel signs", "struck through"])
async def test_text_with_more_marks_on_a_letter_than_any_language_has_is_refused(
    world: World, field: str, text: str
) -> None:
    response = await (await world.someone()).http.post("/api/tickets", json={**TICKET, field: text})
    assert response.status_code == 400
    assert fields(response) == {field}
    assert "10 accents" in response.text


@pytest.mark.parametrize(
    "text",
    [
        "नई दिल्ली: हिन्दी कवि सम्मेलन र्त्स्न्या", "ཧྐྵྨླྺྼྻྂ བཀྲ་ཤིས་བདེ་ལེགས", "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים יְרוּשָׁלִַ֔ם", "Nguyễn Thị Ngọc Ánh",
        "بِسْمِ ٱللَّٰهِ ٱلرَّحْمَٰنِ", "ที่นั่งพิเศษ กี้", "တက္ကသိုလ်ကြွက်",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f 1\ufe0f\u20e3",
    ],
    ids=["Devanagari", "Tibetan", "Hebrew with cantillation", "Vietnamese", "Arabic", "Thai", "Myanmar", "emoji"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_texts_of_all_scripts_are_taken(world: World, text: str, form: Literal["NFC", "NFD"]) -> None:
    text = unicodedata.normalize(form, text)
    assert (await (await world.someone()).lists(title=text, description=text))["title"] == text


async def test_all_wrong_fields_are_named_at_once(world: World) -> None:
    seller = await world.someone()
    body = {"price": True, "category": "opera", "city": 5, "startsAt": "soon"}
    response = await seller.http.post("/api/tickets", json=body)
    assert response.status_code == 400
    assert fields(response) == {"title", "price", "category", "city", "startsAt"}


async def test_a_misspelt_field_is_refused_and_not_repeated(world: World) -> None:
    seller = await world.someone()
    response = await seller.http.post("/api/tickets", json={**TICKET, "startAtt": "2999-01-01T00:00:00Z"})
    assert response.status_code == 400
    assert "startAtt" not in response.text
    assert "startsAt" in response.text


async def test_empty_optional_texts_count_as_left_out(world: World) -> None:
    ticket = await (await world.someone()).lists(description="", venue=None, city="  ")
    assert not {"description", "venue", "city"} & set(ticket)


async def test_an_edit_replaces_everything(world: World) -> None:
    seller = await world.someone()
    ticket = await seller.lists(city="Berlin", category="concert")
    response = await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": "Another", "price": "13"})
    assert response.status_code == 200
    edited = response.json()
    assert (edited["title"], edited["price"], edited["version"]) == ("Another", 13, 2)
    assert not {"city", "category"} & set(edited)


async def test_a_ticket_can_be_read_changed_and_sent_back_whole(world: World) -> None:
    seller = await world.someone()
    ticket = await seller.lists(city="Berlin")
    response = await seller.http.put(f"/api/tickets/{ticket['id']}", json={**ticket, "price": 20})
    assert response.status_code == 200
    assert (response.json()["price"], response.json()["city"]) == (20, "Berlin")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_only_the_seller_changes_a_ticket(world: World, method: str) -> None:
    seller, other = await world.someone(), await world.someone()
    path = f"/api/tickets/{(await seller.lists())['id']}"
    body = TICKET if method == "PUT" else None
    assert (await world.anyone().http.request(method, path, json=body)).status_code == 401
    assert (await other.http.request(method, path, json=body)).status_code == 403
    assert (await other.http.request(method, f"/api/tickets/{NOBODY}", json=body)).status_code == 404
    assert (await other.http.request(method, "/api/tickets/no-id", json=body)).status_code == 404


async def test_an_edit_checks_session_shape_existence_ownership_and_state_in_this_order(world: World) -> None:
    seller, buyer, ticket, _ = await world.held()
    path = f"/api/tickets/{ticket['id']}"
    wrong = {"title": ""}
    assert (await world.anyone().http.put("/api/tickets/no-id", json=wrong)).status_code == 401
    assert (await buyer.http.put("/api/tickets/no-id", json=wrong)).status_code == 400
    assert (await buyer.http.put("/api/tickets/no-id", json=TICKET)).status_code == 404
    assert (await buyer.http.put(path, json=TICKET)).status_code == 403
    assert (await seller.http.put(path, json=TICKET)).status_code == 409


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_reserved_or_sold_ticket_stays_as_it_is(world: World, method: str) -> None:
    seller, buyer, ticket, order = await world.held()
    path = f"/api/tickets/{ticket['id']}"
    body = {**TICKET, "price": 99} if method == "PUT" else None
    assert (await seller.http.request(method, path, json=body)).status_code == 409
    await buyer.pays(order)
    assert (await seller.http.request(method, path, json=body)).status_code == 409
    sold = (await world.anyone().http.get(path)).json()
    assert (sold["status"], sold["price"], sold["orderId"]) == ("sold", 12.5, order["id"])


async def test_a_withdrawn_ticket_can_be_read_and_withdrawn_again_but_not_edited(world: World) -> None:
    seller = await world.someone()
    path = f"/api/tickets/{(await seller.lists())['id']}"
    assert (await seller.http.delete(path)).status_code == 204
    again = await seller.http.delete(path)
    assert (again.status_code, again.content) == (204, b"")
    assert (await world.anyone().http.get(path)).json()["status"] == "withdrawn"
    assert (await seller.http.put(path, json=TICKET)).status_code == 409


UNSEEN = (
    "\u200b",
    "\u3164",
    "\u2800\u2800",
    "\ufe0f",
    "\u200d\u2060\ufeff",
    "\u00ad",
    "\u0301",
    "\u115f\uffa0",
    "\U000e0041",
)
TURNING = ("Concert \u202egnp.exe", "\u2066Concert", "Concert\u2069", "\u202bConcert\u202c")


TEXTS = [name for name, field in TicketBody.model_json_schema()["properties"].items() if "maxLength" in field]


def test_text_fields_of_a_ticket_are_found_by_their_length() -> None:
    assert {"title", "description", "venue", "city", "section", "row", "seat", "restrictions"} <= set(TEXTS)


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("text", [*UNSEEN, *TURNING, "two\u2028lines"])
async def test_text_that_shows_nothing_or_turns_the_page_round_is_refused(world: World, field: str, text: str) -> None:
    seller = await world.someone()
    response = await seller.http.post("/api/tickets", json={**TICKET, field: text})
    assert (response.status_code, fields(response)) == (400, {field})
    assert text not in response.text


@pytest.mark.parametrize(
    "title",
    ["👨‍👩‍👧 day out", "می‌خواهم", "❤️", "!!!", "שלום\u200e 2", "दिल्ली", "🏴\U000e0067\U000e0062\U000e007f", "№ 1"],
)
async def test_text_of_all_scripts_is_kept_as_it_is(world: World, title: str) -> None:
    assert (await (await world.someone()).lists(title=title))["title"] == title


@pytest.mark.parametrize("ticket_id", [NOBODY, "no-id", "F" * 24, "%00", "a" * 5_000, "..%2f..", "%ff"])
async def test_an_unknown_ticket_is_not_found(world: World, ticket_id: str) -> None:
    response = await world.anyone().http.get(f"/api/tickets/{ticket_id}")
    assert response.status_code == 404
    assert errors(response)


async def test_the_seller_sees_the_history_of_a_ticket_in_order(world: World) -> None:
    seller, buyer, ticket, order = await world.held()
    await buyer.http.delete(f"/api/orders/{order['id']}")
    response = await seller.http.get(f"/api/tickets/{ticket['id']}/history")
    assert response.status_code == 200
    assert [(entry["type"], entry["version"]) for entry in response.json()] == [
        ("TicketCreated", 1), ("OrderCreated", 2), ("OrderCancelled", 3)
    ]  # fmt: skip
    assert response.json()[0]["data"] == {"userId": seller.id, **TICKET, "currency": "usd"}
    assert response.json()[2]["data"] == {
        "orderId": order["id"], "userId": buyer.id, "status": "cancelled", "price": 12.5, "fee": 0,
        "sellerGets": 12.5, "currency": "usd",
        "expiresAt": order["expiresAt"], "cancelReason": "buyer",
    }  # fmt: skip


async def test_an_archived_history_says_what_happened_when_and_that_the_rest_is_put_away(world: World) -> None:
    seller, buyer, ticket, order = await world.held()
    path = f"/api/tickets/{ticket['id']}/history"
    before = (await seller.http.get(path)).json()
    world.market.archive(f"ticket:{ticket['id']}")
    await buyer.http.delete(f"/api/orders/{order['id']}")
    *archived, newest = (await seller.http.get(path)).json()
    assert archived == [{**entry, "data": {}, "archived": True} for entry in before]
    assert (newest["type"], newest["data"]["orderId"], "archived" in newest) == ("OrderCancelled", order["id"], False)


async def test_a_long_history_is_read_page_by_page(world: World) -> None:
    seller = await world.someone()
    ticket, another = await seller.lists(), await seller.lists()
    path = f"/api/tickets/{ticket['id']}"
    for price in range(10, 16):
        await seller.http.put(path, json={**TICKET, "price": price})
    pages: list[list[int]] = []
    following: str | None = f"{path}/history?limit=3"
    while following is not None:
        response = await seller.http.get(following)
        assert response.status_code == 200, response.text
        pages.append([entry["version"] for entry in response.json()])
        link = response.headers.get("link")
        previous, following = following, link[1 : link.index(">")] if link else None
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]
    foreign = await seller.http.get(previous.replace(ticket["id"], another["id"]))
    assert (foreign.status_code, fields(foreign)) == (400, {"cursor"})


async def test_nobody_else_sees_the_history_of_a_ticket(world: World) -> None:
    _, buyer, ticket, _ = await world.held()
    path = f"/api/tickets/{ticket['id']}/history"
    assert (await world.anyone().http.get(path)).status_code == 401
    assert (await buyer.http.get(path)).status_code == 403
    assert (await buyer.http.get(f"/api/tickets/{NOBODY}/history")).status_code == 404
