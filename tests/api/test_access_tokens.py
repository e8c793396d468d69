"""Personal access tokens: what programs show instead of a session. Scopes are in tests/security."""

import asyncio
import re
from dataclasses import replace
from typing import Any, Self

import pytest
import structlog
from pymongo.errors import AutoReconnect
from redis.asyncio import Redis

from actors.mail.templates import MailKind
from actors.storage.access_tokens import AccessTokenRecords
from actors.storage.database import connect, database_of
from actors.storage.revocations import RevocationRecords
from config.settings import Settings
from serve_app.accounts.bearer_tokens import CHECKED_MS, MOST_TOKENS, AccessTokens
from serve_app.accounts.revocations import Revocations
from serve_app.api import create_api
from serve_app.bootstrap import lifetimes_of
from tests.api.examples import AwayDatabase
from tests.api.test_security_events import recorded
from tests.api.world import JSON, NOBODY, PASSWORD, TICKET, Person, World, errors, fields
from tests.support.eventually import eventually

TEXT = re.compile(r"hfp_[0-9a-f]{24}_[A-Za-z0-9_-]{43}")
ANOTHER_PASSWORD = "another horse battery"
HOUR_MS = 3_600_000


async def made(person: Person, *scopes: str, **more: Any) -> JSON:  # noqa: ANN401 - JSON
    body = {"name": "Spreadsheet", "scopes": scopes or ["read"], **more}
    response = await person.http.post("/api/tokens", json=body)
    assert response.status_code == 201, response.text
    token: JSON = response.json()
    return token


async def listed(person: Person) -> list[JSON]:
    tokens: list[JSON] = (await person.http.get("/api/tokens")).json()
    return tokens


async def status_of(program: Person) -> int:
    return (await program.http.get("/api/orders")).status_code


async def test_program_buys_with_its_token_and_without_a_cookie(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    selling, buying = await world.program(seller, "sell"), await world.program(buyer, "read", "buy")
    order = await buying.orders(await selling.lists())
    assert (await buying.pays(order)).status_code == 201
    answer = await buying.http.get(f"/api/orders/{order['id']}")
    assert (answer.json()["status"], answer.json()["userId"]) == ("complete", buyer.id)
    assert not buying.http.cookies
    assert not selling.http.cookies


async def test_answer_to_a_token_sets_no_cookie_and_lists_still_show_what_it_changed(world: World) -> None:
    seller = await world.someone()
    program = await world.program(seller, "read", "sell")
    assert (await program.http.get("/api/tickets?seller=me")).json() == []
    answer = await program.http.post("/api/tickets", json=TICKET)
    assert "set-cookie" not in answer.headers
    assert len((await program.http.get("/api/tickets?seller=me")).json()) == 1
    world.clock.advance(500)
    assert "set-cookie" in (await seller.http.get("/api/orders")).headers, "the control: a session is renewed"
    assert "set-cookie" not in (await program.http.get("/api/orders")).headers


async def test_text_is_shown_once_and_kept_nowhere(world: World) -> None:
    person = await world.someone()
    with structlog.testing.capture_logs() as lines:
        token = await made(person, "sell", "read", "read")
    assert TEXT.fullmatch(token["token"])
    assert token["token"].split("_")[1] == token["id"]
    assert token["scopes"] == ["read", "sell"]
    (found,) = await listed(person)
    assert {**found, "token": token["token"]} == token
    secret = token["token"].split("_", 2)[2]
    stored = await world.database["access_tokens"].find_one({"_id": token["id"]})
    assert stored
    assert secret not in f"{stored}{lines}{(await person.http.get('/api/users/me/export')).text}"


async def test_token_is_listed_to_its_user_alone_with_the_hour_of_its_last_use(world: World) -> None:
    person, other = await world.someone(), await world.someone()
    program = await world.program(person, "read")
    assert (await listed(person))[0]["lastUsedAt"] is None
    await status_of(program)
    stored = await world.database["access_tokens"].find_one({"user_id": person.id})
    assert stored
    assert stored["used_at"] == world.clock() - world.clock() % HOUR_MS
    assert (await listed(person))[0]["lastUsedAt"].endswith("00:00.000Z")
    assert await listed(other) == []
    export = (await person.http.get("/api/users/me/export")).json()
    assert export["tokens"] == await listed(person)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"), ({"name": "x" * 101}, "name"), ({"name": "a\nb"}, "name"), ({"name": None}, "name"),
        ({"scopes": []}, "scopes"), ({"scopes": ["admin"]}, "scopes"), ({"scopes": "read"}, "scopes"),
        ({"expiresInDays": 0}, "expiresInDays"), ({"expiresInDays": 366}, "expiresInDays"),
        ({"expiresInDays": "90"}, "expiresInDays"), ({"expiresInDays": True}, "expiresInDays"), ({"userId": "x"}, ""),
    ],
)  # fmt: skip
async def test_token_of_a_wrong_shape_is_refused_at_its_field(world: World, wrong: JSON, field: str) -> None:
    person = await world.someone()
    response = await person.http.post("/api/tokens", json={"name": "x", "scopes": ["read"], **wrong})
    assert response.status_code == 400
    assert fields(response) == {field}
    assert await listed(person) == []


async def test_nobody_has_more_than_twenty_tokens_and_one_that_is_revoked_makes_room(world: World) -> None:
    person = await world.someone()
    tokens = [await made(person) for _ in range(MOST_TOKENS)]
    refused = await person.http.post("/api/tokens", json={"name": "one more", "scopes": ["read"]})
    assert refused.status_code == 409
    assert "revoke one first" in errors(refused)[0]["message"]
    assert len(await listed(person)) == MOST_TOKENS
    await person.http.delete(f"/api/tokens/{tokens[3]['id']}")
    await made(person)


async def test_many_tokens_made_at_once_are_twenty_at_most(world: World) -> None:
    person = await world.someone()
    body = {"name": "x", "scopes": ["read"]}
    await asyncio.gather(*(person.http.post("/api/tokens", json=body) for _ in range(MOST_TOKENS + 10)))
    assert len(await listed(person)) <= MOST_TOKENS


async def test_request_that_is_repeated_with_its_key_makes_no_second_token(world: World) -> None:
    person, body = await world.someone(), {"name": "x", "scopes": ["read"]}
    statuses = [
        (await person.http.post("/api/tokens", json=body, headers={"Idempotency-Key": "again"})).status_code
        for _ in range(2)
    ]
    assert statuses == [201, 409]
    assert len(await listed(person)) == 1


# What does not hold


async def test_token_expires(world: World) -> None:
    person = await world.someone()
    program = world.bearing((await made(person, expiresInDays=1))["token"])
    world.clock.advance(86_399)
    assert await status_of(program) == 200
    world.clock.advance(1)
    refused = await program.http.get("/api/orders")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_default_is_ninety_days(world: World) -> None:
    person = await world.someone()
    await made(person)
    stored = await world.database["access_tokens"].find_one({"user_id": person.id})
    assert stored
    assert stored["expires_at"] - stored["created_at"] == 90 * 86_400_000


async def test_expired_tokens_are_dropped(world: World) -> None:
    person = await world.someone()
    await made(person, expiresInDays=1)
    kept = await made(person, expiresInDays=2)
    await AccessTokenRecords(world.database).drop_expired(world.clock() + 86_400_000)
    assert [token["id"] for token in await listed(person)] == [kept["id"]]


def with_another_secret(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


def with_another_id(text: str) -> str:
    return text.replace(text.split("_")[1], NOBODY)


@pytest.mark.parametrize(
    "forge",
    [with_another_secret, with_another_id, str.upper, lambda text: text + "x", lambda text: text[4:], lambda _: "hfp_"],
)
async def test_text_that_is_not_a_tokens_tells_nothing_of_what_is_wrong(world: World, forge: Any) -> None:  # noqa: ANN401
    text = (await made(await world.someone()))["token"]
    assert await status_of(world.bearing(text)) == 200
    refused = await world.bearing(forge(text)).http.get("/api/orders")
    assert refused.status_code == 401
    assert errors(refused) == [{"message": "This access token is not valid, or not any more."}]


async def test_token_is_read_from_the_header_only(world: World) -> None:
    text = (await made(await world.someone()))["token"]
    anyone = world.anyone()
    assert (await anyone.http.get("/api/orders", params={"access_token": text})).status_code == 401
    assert (await anyone.http.get("/api/orders", headers={"Authorization": f"Basic {text}"})).status_code == 401
    assert (await anyone.http.get("/api/orders", headers={"Authorization": f"bearer  {text} "})).status_code == 200
    anyone.http.cookies.set("session", text)
    assert await status_of(anyone) == 401


async def test_other_schemes_leave_a_session_as_it_is(world: World) -> None:
    """As a proxy with a password of its own sends them."""
    person = await world.someone()
    assert (await person.http.get("/api/orders", headers={"Authorization": "Basic eDp5"})).status_code == 200


async def test_token_decides_alone_who_asks_beside_a_cookie(world: World) -> None:
    person, other = await world.someone(), await world.someone()
    mine = await person.lists()
    text = (await made(other))["token"]
    answer = await person.http.get("/api/tickets?seller=me", headers={"Authorization": f"Bearer {text}"})
    assert answer.json() == []
    assert [ticket["id"] for ticket in (await person.http.get("/api/tickets?seller=me")).json()] == [mine["id"]]


async def test_token_needs_no_origin_and_one_that_does_not_hold_does_not_let_a_cookie_through(world: World) -> None:
    person = await world.someone()
    text = (await made(person, "sell"))["token"]
    abroad = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    answers = {
        token: (await person.http.post("/api/tickets", json=TICKET, headers={**abroad, **token_header})).status_code
        for token, token_header in {
            "good": {"Authorization": f"Bearer {text}"}, "bad": {"Authorization": "Bearer x"}, "none": {},
        }.items()
    }  # fmt: skip
    assert answers == {"good": 201, "bad": 401, "none": 403}


async def test_page_takes_no_token(world: World) -> None:
    program = await world.program(await world.someone(), "read", "buy", "sell")
    for path in ("/account", "/orders", "/"):
        page = await program.http.get(path, headers={"Accept": "text/html"})
        assert page.status_code == 403
        assert program.email not in page.text


async def test_scope_that_is_missing_is_named(world: World) -> None:
    program = await world.program(await world.someone(), "read", "sell")
    refused = await program.http.post("/api/orders", json={"ticketId": NOBODY})
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="buy"'
    assert errors(refused) == [{"message": "This access token lacks the scope buy."}]


async def test_unknown_address_and_method_are_told_to_programs_too(world: World) -> None:
    program = await world.program(await world.someone(), "read")
    assert (await program.http.get("/api/nothing")).status_code == 404
    assert (await program.http.patch("/api/orders")).status_code == 405
    assert (await program.http.head("/api/orders")).status_code == 200
    assert (await program.http.options("/api/orders")).status_code == 204


# Who ends them


async def test_revoked_token_is_refused_at_once_and_only_its_user_revokes_it(world: World) -> None:
    person, other = await world.someone(), await world.someone()
    token = await made(person)
    program = world.bearing(token["token"])
    assert await status_of(program) == 200
    assert (await other.http.delete(f"/api/tokens/{token['id']}")).status_code == 404
    assert await status_of(program) == 200
    assert (await person.http.delete(f"/api/tokens/{token['id']}")).status_code == 204
    assert await status_of(program) == 401
    assert (await person.http.delete(f"/api/tokens/{token['id']}")).status_code == 404


class Replica:
    """Another replica, with connections of its own."""

    def __init__(self, world: World, settings: Settings) -> None:
        assert settings.mongodb_url
        assert settings.redis_url
        self._client, self._redis = connect(settings.mongodb_url), Redis.from_url(settings.redis_url)
        database = database_of(self._client)
        lifetime = lifetimes_of(settings).token
        self.revocations = Revocations(RevocationRecords(database), self._redis, lifetime, world.clock)
        records = AccessTokenRecords(database)
        self.tokens = AccessTokens(records, world.services.users, self.revocations, world.clock)

    async def __aenter__(self) -> Self:
        await self.revocations.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.revocations.stop()
        await self._client.close()
        await self._redis.aclose()


async def test_other_replica_that_knew_the_token_hears_that_it_is_revoked(world: World, settings: Settings) -> None:
    person = await world.someone()
    token = await made(person)
    async with Replica(world, settings) as replica:
        assert await replica.tokens.check(token["token"])
        await person.http.delete(f"/api/tokens/{token['id']}")

        async def is_refused() -> bool:
            return await replica.tokens.check(token["token"]) is None

        # The clock stands still: nothing that the replica remembers runs out.
        await eventually(is_refused)


async def test_replica_believes_what_it_remembers_of_a_token_for_five_seconds(world: World) -> None:
    person = await world.someone()
    program = await world.program(person, "read")
    assert await status_of(program) == 200
    await world.database["access_tokens"].delete_many({})
    assert await status_of(program) == 200
    world.clock.advance(CHECKED_MS / 1_000)
    assert await status_of(program) == 401


async def test_token_that_is_remembered_is_not_good_with_another_secret(world: World) -> None:
    text = (await made(await world.someone()))["token"]
    assert await status_of(world.bearing(text)) == 200
    assert await status_of(world.bearing(with_another_secret(text))) == 401
    assert await status_of(world.bearing(text)) == 200


async def test_ban_ends_tokens_at_once_for_good(world: World) -> None:
    person, admin = await world.someone(), await world.admin()
    program = await world.program(person, "read")
    assert await status_of(program) == 200
    await admin.http.put(f"/api/admin/users/{person.id}/ban")
    assert await status_of(program) == 401
    await admin.http.delete(f"/api/admin/users/{person.id}/ban")
    assert await status_of(program) == 401


async def test_token_of_a_banned_user_does_not_hold_even_if_it_was_not_revoked(world: World) -> None:
    person = await world.someone()
    program = await world.program(person, "read")
    await world.services.users.ban(person.id, world.clock())
    assert await status_of(program) == 401


async def test_closing_the_account_deletes_its_tokens(world: World) -> None:
    member = await world.member()
    program = await world.program(member, "read")
    assert (await member.http.request("DELETE", "/api/users/me", json={"password": PASSWORD})).status_code == 204
    assert await status_of(program) == 401
    assert await world.database["access_tokens"].count_documents({"user_id": member.id}) == 0


async def test_password_reset_revokes_tokens_and_a_password_change_does_not(world: World) -> None:
    member = await world.member()
    program = await world.program(member, "read")
    change = {"currentPassword": PASSWORD, "newPassword": ANOTHER_PASSWORD}
    assert (await member.http.post("/api/users/password", json=change)).status_code == 200
    assert await status_of(program) == 200
    reset = {"token": await world.token(MailKind.PASSWORD_RESET, member), "password": PASSWORD}
    assert (await world.anyone().http.post("/api/users/password/reset/confirm", json=reset)).status_code == 200
    assert await status_of(program) == 401


async def test_token_made_while_its_session_ends_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who had the account makes one in the moment in which a reset throws them out."""
    person = await world.someone()
    add = AccessTokens.add

    async def reset_meanwhile(self: AccessTokens, token: Any) -> bool:  # noqa: ANN401 - a token
        await world.services.sessions.end_all(person.id)
        await world.services.access_tokens.revoke_all(person.id)
        return await add(self, token)

    monkeypatch.setattr(AccessTokens, "add", reset_meanwhile)
    refused = await person.http.post("/api/tokens", json={"name": "x", "scopes": ["read"]})
    assert refused.status_code == 401
    assert await world.database["access_tokens"].count_documents({"user_id": person.id}) == 0


async def test_administrator_has_no_tokens(world: World) -> None:
    admin, person = await world.admin(), await world.someone()
    refused = await admin.http.post("/api/tokens", json={"name": "x", "scopes": ["read"]})
    assert refused.status_code == 403
    program = await world.program(person, "read")
    await world.services.users.set_admin(person.id, world.clock(), is_admin=True)
    assert await status_of(program) == 401


async def test_unconfirmed_address_may_not_buy_or_sell_by_token_either(world: World) -> None:
    settings = world.services.settings.model_copy(update={"require_verified_email": True})
    strict = replace(world, api=create_api(replace(world.services, settings=settings)))
    person = await world.someone()
    text = (await made(person, "buy", "sell"))["token"]
    program = strict.bearing(text)
    for path, body in (("/api/tickets", TICKET), ("/api/orders", {"ticketId": NOBODY})):
        refused = await program.http.post(path, json=body)
        assert refused.status_code == 403
        assert "Confirm your email address" in errors(refused)[0]["message"]
    user = await world.services.users.by_id(person.id)
    assert user
    await world.services.users.verify_email(user, world.clock())
    world.clock.advance(CHECKED_MS / 1_000)
    assert (await program.http.post("/api/tickets", json=TICKET)).status_code == 201


# Limits, failures and the audit log


async def test_tokens_that_do_not_hold_are_limited_by_address_and_those_that_hold_are_not(world: World) -> None:
    program, guessing = await world.program(await world.someone(), "read"), world.bearing("hfp_guess")
    assert [await status_of(guessing) for _ in range(61)] == [401] * 60 + [429]
    refused = await guessing.http.get("/api/orders")
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert await status_of(program) == 200


async def test_limits_of_a_user_hold_for_programs(world: World) -> None:
    person = await world.someone()
    program = await world.program(person, "sell")
    for _ in range(100):
        world.services.limits.change(person.id, world.address)
    assert (await program.http.post("/api/tickets", json=TICKET)).status_code == 429


async def test_while_the_database_is_away_a_token_is_neither_good_nor_bad(world: World) -> None:
    text = (await made(await world.someone()))["token"]
    known = world.services.access_tokens
    away: Any = AwayDatabase()
    tokens = AccessTokens(AccessTokenRecords(away), known._users, known._revocations, world.clock)
    person = world.anyone(create_api(replace(world.services, access_tokens=tokens)))
    refused = await person.http.get("/api/tickets", headers={"Authorization": f"Bearer {text}"})
    assert refused.status_code == 503
    assert errors(refused)


async def test_request_does_not_fail_because_its_use_cannot_be_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def touch(*_: object) -> None:
        raise AutoReconnect

    monkeypatch.setattr(AccessTokenRecords, "touch", touch)
    assert await status_of(await world.program(await world.someone(), "read")) == 200


async def test_making_and_revoking_a_token_are_security_events(world: World) -> None:
    person = await world.someone()
    before = len(await recorded(world))
    token = await made(person)
    await person.http.delete(f"/api/tokens/{token['id']}")
    ids = {"user_id": person.id, "token_id": token["id"]}
    assert (await recorded(world))[before:] == [{"type": "TokenCreated", **ids}, {"type": "TokenRevoked", **ids}]
