from collections.abc import AsyncIterator

import pytest

from serve_app.http.request_body import LARGEST_BODY, parse
from tests.api.world import TICKET, World, errors, fields

JSON_TYPE = {"Content-Type": "application/json"}

NO_JSON = [
    b"", b"{", b"[1,]", b"{'a': 1}", b"nope", b'{"title": "a', b"\xff\xfe", b'{"title": "\xff"}',
    b'{"title": NaN}', b'{"title": Infinity}', b'{"title": -Infinity}', b'{"title": "a", "title": "b"}',
    b'{"x": {"a": 1, "a": 2}}', b'"\\ud800"', b'{"\\udc00": 1}', b"[" * 100_000, b'{"a":' * 100_000,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"9" * 5_000, b'{"title": "a\x00"}', b"{}{}", b"\x00", b"01",
]  # fmt: skip


@pytest.mark.parametrize("raw", NO_JSON, ids=lambda raw: repr(raw[:24]))
def test_a_body_that_is_not_json_raises_an_error_that_is_handled(raw: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse(raw)


def test_json_is_read_with_whole_surrogate_pairs_and_unicode() -> None:
    assert parse(b'{"title": "\\ud83c\\udfab \xe2\x99\xa5"}') == {"title": "🎫 ♥"}


@pytest.mark.parametrize("raw", NO_JSON, ids=lambda raw: repr(raw[:24]))
async def test_malformed_json_is_400(world: World, raw: bytes) -> None:
    seller = await world.someone()
    response = await seller.http.post("/api/tickets", content=raw, headers=JSON_TYPE)
    assert response.status_code == 400
    assert fields(response) == {""}


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx",
     "application/json; charset=utf-16", "text/json", "application/json, text/html"],
)  # fmt: skip
async def test_other_content_types_are_415(world: World, content_type: str) -> None:
    seller = await world.someone()
    response = await seller.http.post("/api/tickets", content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == 415
    assert errors(response)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "APPLICATION/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf8"',
     "application/json; foo=bar", "application/json;odata.metadata=minimal; Charset=utf-8", "application/json;",
     'application/json; profile="https://example.com/a;b"'],
)  # fmt: skip
async def test_json_may_name_its_charset_and_what_nobody_knows(world: World, content_type: str) -> None:
    seller = await world.someone()
    response = await seller.http.post(
        "/api/tickets", content=b'{"title": "x", "price": 1}', headers={"Content-Type": content_type}
    )
    assert response.status_code == 201


async def test_a_byte_order_mark_is_ignored(world: World) -> None:
    seller = await world.someone()
    body = b'\xef\xbb\xbf{"title": "x", "price": 1}'
    response = await seller.http.post("/api/tickets", content=body, headers=JSON_TYPE)
    assert response.status_code == 201
    assert response.json()["title"] == "x"


async def test_a_body_over_one_mebibyte_is_413(world: World) -> None:
    seller = await world.someone()
    body = b'{"title": "' + b"x" * LARGEST_BODY + b'"}'
    response = await seller.http.post("/api/tickets", content=body, headers=JSON_TYPE)
    assert response.status_code == 413
    assert errors(response)


async def test_a_body_without_a_length_is_read_no_further_than_the_limit(world: World) -> None:
    seller = await world.someone()
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10 * LARGEST_BODY:
            sent += 65_536
            yield b" " * 65_536

    response = await seller.http.post("/api/tickets", content=endless(), headers=JSON_TYPE)
    assert response.status_code == 413
    assert sent <= LARGEST_BODY + 2 * 65_536


async def test_a_false_content_length_is_refused(world: World) -> None:
    seller = await world.someone()
    for length in ("10485760", "9" * 5_000, "-1", "x"):
        response = await seller.http.post(
            "/api/tickets", content=b"{}", headers={**JSON_TYPE, "Content-Length": length}
        )
        assert response.status_code == 413


async def test_no_body_has_to_be_read_before_the_session_is_checked(world: World) -> None:
    response = await world.anyone().http.post("/api/tickets", content=b"x" * 2 * LARGEST_BODY)
    assert response.status_code == 401


async def test_a_client_that_hangs_up_is_no_crash(world: World) -> None:
    seller = await world.someone()
    sent: list[dict[str, object]] = []
    cookie = f"session={seller.http.cookies['session']}".encode()
    scope = {
        "type": "http", "method": "POST", "path": "/api/tickets", "raw_path": b"/api/tickets", "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"cookie", cookie)], "scheme": "http",
        "http_version": "1.1", "root_path": "", "server": ("localhost", 8_000), "client": ("127.0.0.1", 1),
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await world.api(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 400


async def test_half_of_a_surrogate_pair_in_a_field_is_refused(world: World) -> None:
    seller = await world.someone()
    for name in (*TICKET, "userId", "description", "anything"):
        raw = b'{"title": "x", "price": 1, "%s": "\\uD83c"}' % name.encode()
        response = await seller.http.post("/api/tickets", content=raw, headers=JSON_TYPE)
        assert response.status_code == 400
