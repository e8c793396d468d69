"""Tokens from mails: single use, in time, for one purpose, and answers that do not tell whether an account exists."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from actors.mail.templates import MailKind
from serve_app.api import create_api
from tests.api.world import PASSWORD, Person, World, errors, fields

NEW = "another horse battery"
RESET = "/api/users/password/reset"


async def confirm(world: World, token: str) -> Any:  # noqa: ANN401 - httpx's own
    return await world.anyone().http.post("/api/users/verification/confirm", json={"token": token})


async def reset(world: World, token: str, password: str = NEW) -> Any:  # noqa: ANN401 - httpx's own
    return await world.anyone().http.post(f"{RESET}/confirm", json={"token": token, "password": password})


async def is_verified(world: World, person: Person) -> bool:
    user = await world.services.users.by_id(person.id)
    return user is not None and user.verified_at is not None


async def can_sign_in(world: World, person: Person, password: str) -> bool:
    account = {"email": person.email, "password": password}
    return (await world.anyone().http.post("/api/users/signin", json=account)).status_code == 200


async def test_the_token_of_a_verification_mail_verifies_the_address(world: World) -> None:
    person = await world.someone()
    assert not await is_verified(world, person)
    assert (await confirm(world, await world.token(MailKind.VERIFICATION, person))).status_code == 200
    assert await is_verified(world, person)


async def test_only_one_of_ten_simultaneous_uses_of_a_token_succeeds(world: World) -> None:
    member = await world.member()
    token = await world.token(MailKind.PASSWORD_RESET, member)
    answers = await asyncio.gather(*(reset(world, token, f"{NEW} {one}") for one in range(10)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 9}
    assert sum([await can_sign_in(world, member, f"{NEW} {one}") for one in range(10)]) == 1


@pytest.mark.parametrize(("kind", "seconds"), [(MailKind.VERIFICATION, 86_400), (MailKind.PASSWORD_RESET, 3_600)])
async def test_a_token_expires_after_its_time(world: World, kind: MailKind, seconds: int) -> None:
    use = confirm if kind is MailKind.VERIFICATION else reset
    person = await world.someone()
    first, second = await world.token(kind, person), await world.token(kind, person)
    world.clock.advance(seconds - 1)
    assert (await use(world, first)).status_code == 200
    second = await world.token(kind, person)
    world.clock.advance(seconds)
    assert (await use(world, second)).status_code == 400


async def test_every_token_that_is_not_valid_gets_the_same_answer(world: World) -> None:
    person, gone = await world.someone(), await world.someone()
    used, of_gone = await world.token(MailKind.PASSWORD_RESET, person), await world.token(MailKind.PASSWORD_RESET, gone)
    assert (await reset(world, used)).status_code == 200
    await world.services.users.close(gone.id, world.clock())
    wrong = [used, of_gone, await world.token(MailKind.VERIFICATION, person), "x" * 43]
    answers = [await reset(world, token) for token in wrong]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.text for answer in answers}) == 1
    assert fields(answers[0]) == {"token"}


async def test_a_reset_ends_all_sessions_and_all_other_reset_tokens(world: World) -> None:
    member = await world.member()
    first, second = [await world.token(MailKind.PASSWORD_RESET, member) for _ in range(2)]
    assert (await reset(world, first)).status_code == 200
    assert (await member.http.get("/api/orders")).status_code == 401
    assert (await reset(world, second)).status_code == 400
    assert await can_sign_in(world, member, NEW)
    assert not await can_sign_in(world, member, PASSWORD)
    assert await is_verified(world, member)


@pytest.mark.parametrize("weak", ["short", "passwordpassword"])
async def test_a_refused_password_does_not_use_the_token_up(world: World, weak: str) -> None:
    member = await world.member()
    token = await world.token(MailKind.PASSWORD_RESET, member)
    refused = await reset(world, token, weak)
    assert refused.status_code == 400
    assert fields(refused) == {"password"}
    assert (await reset(world, token)).status_code == 200


async def test_asking_for_a_reset_does_not_tell_whether_there_is_an_account(world: World) -> None:
    member = await world.member()
    known = await world.anyone().http.post(RESET, json={"email": member.email})
    unknown = await world.anyone().http.post(RESET, json={"email": f"not-{member.email}"})
    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content
    for answer in (known, unknown):
        del answer.headers["X-Request-ID"]
    assert known.headers == unknown.headers
    mails = [mail async for mail in world.database["mails"].find({"kind": "password-reset"})]
    assert {mail["user_id"] for mail in mails} == {member.id, None}
    assert len({tuple(mail) for mail in mails}) == 1, "what is written is the same"


async def test_no_mail_holds_an_address_and_no_token_is_kept_in_the_clear(world: World) -> None:
    member = await world.member()
    token = await world.token(MailKind.PASSWORD_RESET, member)
    for collection in ("mails", "email_tokens"):
        kept = str([document async for document in world.database[collection].find()])
        assert kept != "[]"
        assert member.email not in kept
        assert token not in kept


async def test_signing_up_sends_a_verification_that_can_be_asked_for_again(world: World) -> None:
    member = await world.member()
    assert (await member.http.post("/api/users/verification")).status_code == 202
    kinds = [mail["kind"] async for mail in world.database["mails"].find({"user_id": member.id})]
    assert kinds == ["verification", "verification"]
    await confirm(world, await world.token(MailKind.VERIFICATION, member))
    await member.http.post("/api/users/verification")
    assert await world.database["mails"].count_documents({"user_id": member.id}) == 2


async def test_only_verified_users_sell_and_buy_where_verification_is_required(world: World) -> None:
    settings = world.services.settings.model_copy(update={"require_verified_email": True})
    api = create_api(replace(world.services, settings=settings))
    ticket = await (await world.someone()).lists()
    someone, person = await world.someone(), world.anyone(api)
    person.http.cookies.update(someone.http.cookies)
    offers = [("/api/tickets", {"title": "Concert", "price": 5}), ("/api/orders", {"ticketId": ticket["id"]})]
    for path, body in offers:
        refused = await person.http.post(path, json=body)
        assert refused.status_code == 403
        assert errors(refused) == [{"message": "Confirm your email address first: we sent you a link."}]
    await confirm(world, await world.token(MailKind.VERIFICATION, someone))
    for path, body in offers:
        assert (await person.http.post(path, json=body)).status_code == 201
