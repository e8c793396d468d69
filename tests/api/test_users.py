import json

import pytest

from actors.storage.users import User
from tests.api.world import World, errors, fields

ACCOUNT = {"email": "ada@example.com", "password": "a long enough password"}


async def test_signing_up_opens_an_account_and_a_session(world: World) -> None:
    ada = world.anyone()
    response = await ada.http.post("/api/users/signup", json=ACCOUNT)
    assert response.status_code == 201
    assert response.json() == {"id": response.json()["id"], "email": "ada@example.com"}
    assert "HttpOnly" in response.headers["set-cookie"]
    current = await ada.http.get("/api/users/currentuser")
    assert current.json() == {"currentUser": response.json()}


async def test_an_email_address_is_in_use_once_in_any_case(world: World) -> None:
    await world.anyone().http.post("/api/users/signup", json=ACCOUNT)
    response = await world.anyone().http.post("/api/users/signup", json={**ACCOUNT, "email": "ADA@Example.com"})
    assert response.status_code == 409
    assert fields(response) == {"email"}


async def test_signing_up_reports_all_wrong_fields_at_once(world: World) -> None:
    response = await world.anyone().http.post("/api/users/signup", json={"email": "nobody", "password": "short"})
    assert response.status_code == 400
    assert fields(response) == {"email", "password"}


@pytest.mark.parametrize(
    "email",
    ["", "a", "a@b", "@example.com", "a@", "a b@example.com", "a@example..com", "a@-example.com", ".a@example.com",
     "a..b@example.com", "a@example.com\n@x", "a@exa mple.com", "a@" + "b" * 250 + ".com", "a" * 65 + "@example.com",
     "a@example.1", "a@127.0.0.1", "a\x00@example.com", "\ud800@example.com"],
)  # fmt: skip
async def test_an_invalid_email_address_is_refused(world: World, email: str) -> None:
    body = json.dumps({**ACCOUNT, "email": email})
    response = await world.anyone().http.post(
        "/api/users/signup", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert fields(response) <= {"email", ""}


@pytest.mark.parametrize(
    "email", ["o'neil+tickets@mail.example.co.uk", "jürgen@exämple.de", " spaces@example.com ", "अनु@उदाहरण.भारत"]
)
async def test_every_usual_email_address_is_accepted(world: World, email: str) -> None:
    response = await world.anyone().http.post("/api/users/signup", json={**ACCOUNT, "email": email})
    assert response.status_code == 201
    assert response.json()["email"] == email.strip()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("o@bücher.example", "O@xn--bcher-kva.example"),
        ("o@xn--bcher-kva.example", "o@BÜCHER.example"),
        ("jürgen@example.com", "ju\u0308rgen@example.com"),
        ("o@例え.テスト.com", "o@例え。テスト.com"),
    ],
)
async def test_two_spellings_of_one_mailbox_are_one_account(world: World, first: str, second: str) -> None:
    client = world.anyone().http
    assert (await client.post("/api/users/signup", json={**ACCOUNT, "email": first})).status_code == 201
    assert (await client.post("/api/users/signup", json={**ACCOUNT, "email": second})).status_code == 409
    assert (await client.post("/api/users/signin", json={**ACCOUNT, "email": second})).status_code == 200


@pytest.mark.parametrize(
    ("first", "second"),
    [("straße@example.com", "strasse@example.com"), ("o@straße.example", "o@strasse.example")],
)
async def test_two_mailboxes_are_two_accounts(world: World, first: str, second: str) -> None:
    for email in (first, second):
        response = await world.anyone().http.post("/api/users/signup", json={**ACCOUNT, "email": email})
        assert response.status_code == 201


async def test_address_of_an_older_rule_still_signs_in(world: World) -> None:
    address = "ada@tickets_office.local"
    assert (await world.anyone().http.post("/api/users/signup", json={**ACCOUNT, "email": address})).status_code == 400
    password_hash = await world.services.passwords.hash(ACCOUNT["password"])
    assert await world.services.users.add(User("a" * 24, address, password_hash, world.clock()))
    response = await world.anyone().http.post("/api/users/signin", json={**ACCOUNT, "email": address.upper()})
    assert response.status_code == 200


@pytest.mark.parametrize("length", [14, 129])
async def test_a_password_has_15_to_128_characters(world: World, length: int) -> None:
    response = await world.anyone().http.post("/api/users/signup", json={**ACCOUNT, "password": "x" * length})
    assert response.status_code == 400
    assert fields(response) == {"password"}


async def test_signing_in_begins_another_session(world: World) -> None:
    created = await world.anyone().http.post("/api/users/signup", json=ACCOUNT)
    ada = world.anyone()
    response = await ada.http.post("/api/users/signin", json={**ACCOUNT, "email": "Ada@example.com"})
    assert response.status_code == 200
    assert response.json() == created.json()
    assert (await ada.http.get("/api/users/currentuser")).json() == {"currentUser": created.json()}


async def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(world: World) -> None:
    await world.anyone().http.post("/api/users/signup", json=ACCOUNT)
    wrong = await world.anyone().http.post("/api/users/signin", json={**ACCOUNT, "password": "wrong"})
    unknown = await world.anyone().http.post("/api/users/signin", json={**ACCOUNT, "email": "eve@example.com"})
    assert wrong.status_code == unknown.status_code == 401
    assert errors(wrong) == errors(unknown)


async def test_nobody_is_signed_in_without_a_session(world: World) -> None:
    response = await world.anyone().http.get("/api/users/currentuser")
    assert response.status_code == 200
    assert response.json() == {"currentUser": None}


async def test_signing_out_ends_the_session_also_for_a_copy_of_the_cookie(world: World) -> None:
    ada, thief = await world.someone(), world.anyone()
    thief.http.cookies.update(ada.http.cookies)
    response = await ada.http.post("/api/users/signout")
    assert response.status_code == 200
    assert response.json() == {}
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert (await thief.http.get("/api/orders")).status_code == 401


async def test_signing_out_without_a_session_is_fine(world: World) -> None:
    response = await world.anyone().http.post("/api/users/signout")
    assert response.status_code == 200


async def test_a_repeated_sign_up_with_the_same_key_is_the_same_account(world: World) -> None:
    key = {"Idempotency-Key": "sign me up"}
    first = await world.anyone().http.post("/api/users/signup", json=ACCOUNT, headers=key)
    again = await world.anyone().http.post("/api/users/signup", json=ACCOUNT, headers=key)
    other = {**ACCOUNT, "password": "another long password"}
    mismatch = await world.anyone().http.post("/api/users/signup", json=other, headers=key)
    assert (first.status_code, again.status_code, mismatch.status_code) == (201, 200, 409)
    assert first.json() == again.json()
