import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from serve_app.accounts.password_hashes import Argon2Cost, Passwords
from serve_app.accounts.password_rules import weakness_of
from serve_app.api import create_api
from tests.api.world import PASSWORD, World, errors, fields

CHEAP = Argon2Cost(memory_kib=8_192, iterations=1)
NEW = "another horse battery"


@pytest.mark.parametrize(
    ("password", "email", "reason"),
    [
        ("passwordpassword", "ada@example.com", "guessed first"),
        ("PASSWORDpassword", "ada@example.com", "guessed first"),
        ("aaaaaaaaaaaaaaaaaaaa", "ada@example.com", "guessed first"),
        ("1QAZ2wsx3edc4rfv", "ada@example.com", "guessed first"),
        ("lovelace is the best", "Lovelace@example.com", "email address"),
        ("I buy at HoldFast every day", "ada@example.com", "holdfast"),
        ("correct horse battery", "ada@example.com", None),
        ("ada likes long passwords", "ada@example.com", None),
        ("пароль из многих слов", "ada@example.com", None),
        ("🎟️🎟️ tickets 🎟️🎟️ tickets", "ada@example.com", None),
    ],
)
def test_passwords_that_are_guessed_first_are_refused_with_the_reason(
    password: str, email: str, reason: str | None
) -> None:
    weakness = weakness_of(password, email)
    assert weakness is None if reason is None else reason in str(weakness)


async def test_a_weak_password_does_not_open_an_account(world: World) -> None:
    account = {"email": "ada@example.com", "password": "passwordpassword"}
    response = await world.anyone().http.post("/api/users/signup", json=account)
    assert response.status_code == 400
    assert errors(response) == [{"message": "password is among those that are guessed first.", "field": "password"}]


@pytest.mark.parametrize("password", ["x" * 64 + "y" * 64, "ﷺ" * 60, "e\u0301" * 20 + "!"])
async def test_every_character_of_a_password_counts(world: World, password: str) -> None:
    account = {"email": f"{world.address}@example.com", "password": password}
    assert (await world.anyone().http.post("/api/users/signup", json=account)).status_code == 201
    assert (await world.anyone().http.post("/api/users/signin", json=account)).status_code == 200
    shorter = {**account, "password": password[:-1]}
    assert (await world.anyone().http.post("/api/users/signin", json=shorter)).status_code == 401


async def test_one_password_typed_on_different_keyboards_is_one_password() -> None:
    passwords = Passwords(CHEAP)
    hashed = await passwords.hash("caf\u00e9 au lait et pain")
    assert await passwords.verify("cafe\u0301 au lait et pain", hashed)
    passwords.close()


async def test_an_old_hash_is_upgraded_at_the_next_sign_in(world: World) -> None:
    member = await world.member()
    dearer = Passwords(Argon2Cost(memory_kib=9_216, iterations=1))
    before = await world.services.users.by_id(member.id)
    person = world.anyone(create_api(replace(world.services, passwords=dearer)))
    account = {"email": member.email, "password": PASSWORD}
    for _ in range(2):
        assert (await person.http.post("/api/users/signin", json=account)).status_code == 200
    after = await world.services.users.by_id(member.id)
    assert before
    assert after
    assert "m=8192" in before.password_hash
    assert "m=9216" in after.password_hash
    assert after.version == before.version, "nothing about the account changed"
    dearer.close()


async def test_more_passwords_than_can_be_hashed_soon_are_refused_with_a_time_to_wait() -> None:
    passwords = Passwords(CHEAP)
    results = await asyncio.gather(*(passwords.hash("x" * 20) for _ in range(30)), return_exceptions=True)
    kinds = Counter(type(result).__name__ for result in results)
    assert kinds == {"str": 16, "TooManyRequestsError": 14}
    refused = next(result for result in results if not isinstance(result, str))
    assert getattr(refused, "retry_after_seconds", None) == 2
    assert await passwords.hash("x" * 20), "there is room again"
    passwords.close()


async def test_changing_the_password_ends_every_session_and_begins_a_new_one(world: World) -> None:
    member, other = await world.member(), world.anyone()
    account = {"email": member.email, "password": PASSWORD}
    await other.http.post("/api/users/signin", json=account)
    before = member.http.cookies["session"]
    response = await member.http.post("/api/users/password", json={"currentPassword": PASSWORD, "newPassword": NEW})
    assert response.status_code == 200
    assert (await other.http.get("/api/orders")).status_code == 401
    assert (await member.http.get("/api/orders")).status_code == 200
    copy = world.anyone()
    copy.http.cookies.set("session", before)
    assert (await copy.http.get("/api/orders")).status_code == 401
    assert (await world.anyone().http.post("/api/users/signin", json=account)).status_code == 401
    renewed = {**account, "password": NEW}
    assert (await world.anyone().http.post("/api/users/signin", json=renewed)).status_code == 200


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"currentPassword": "wrong", "newPassword": NEW}, {"currentPassword"}),
        ({"currentPassword": PASSWORD, "newPassword": "short"}, {"newPassword"}),
        ({"currentPassword": PASSWORD, "newPassword": "passwordpassword"}, {"newPassword"}),
        ({}, {"currentPassword", "newPassword"}),
    ],
)
async def test_a_password_that_cannot_be_changed_says_which_field_is_wrong(
    world: World, body: dict[str, str], wrong: set[str]
) -> None:
    member = await world.member()
    response = await member.http.post("/api/users/password", json=body)
    assert response.status_code == 400
    assert fields(response) == wrong
    assert (await member.http.get("/api/orders")).status_code == 200


async def test_only_one_of_two_simultaneous_password_changes_takes_effect(world: World) -> None:
    member = await world.member()
    changes = [
        member.http.post("/api/users/password", json={"currentPassword": PASSWORD, "newPassword": f"{NEW} {one}"})
        for one in range(4)
    ]
    assert min(response.status_code for response in await asyncio.gather(*changes)) == 200
    good = 0
    for one in range(4):
        account = {"email": member.email, "password": f"{NEW} {one}"}
        good += (await world.anyone().http.post("/api/users/signin", json=account)).status_code == 200
    assert good == 1


async def test_a_changed_password_is_published_and_mailed_to_the_user(world: World) -> None:
    member = await world.member()
    await member.http.post("/api/users/password", json={"currentPassword": PASSWORD, "newPassword": NEW})
    user = await world.database["users"].find_one({"_id": member.id})
    assert user
    assert (user["version"], user["announced"]) == (2, False)
    kinds = [mail["kind"] async for mail in world.database["mails"].find({"user_id": member.id})]
    assert sorted(kinds) == ["password-changed", "verification"]
