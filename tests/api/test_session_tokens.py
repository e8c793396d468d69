"""The token in the session's cookie: which keys sign it, and what it has to say."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from serve_app.accounts.tokens import Session, Tokens
from tests.api.sessions import KEY, OTHER_KEY, served_by, sessions_with, status_of, token_of
from tests.api.world import World

# The key ring


async def test_a_token_of_an_older_key_is_good_while_the_key_is_in_the_ring(world: World) -> None:
    rotated = served_by(world, sessions_with(world, keys=[OTHER_KEY, KEY]))
    rotated.http.cookies.set("session", token_of(world))
    assert await status_of(rotated) == 200
    without = served_by(world, sessions_with(world, keys=[OTHER_KEY]))
    without.http.cookies.set("session", token_of(world))
    assert await status_of(without) == 401


async def test_the_first_key_signs(world: World) -> None:
    now = world.clock()
    token = Tokens([OTHER_KEY, KEY], world.clock).sign(Session("a" * 24, "s", now, now + 1_000))
    assert Tokens([OTHER_KEY], world.clock).read(token).user_id == "a" * 24


# What a token has to say


def header_of(token: str) -> dict[str, Any]:
    return jwt.get_unverified_header(token)


def forged(token: str, key: str, algorithm: str, **header: str | None) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    headers = {name: value for name, value in {"kid": header_of(token)["kid"], **header}.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers=headers)


CLAIMS = ["sub", "sid", "iat", "nbf", "exp", "iss", "aud", "jti", "typ"]
WRONG_CLAIMS: list[dict[str, Any]] = [
    *({claim: None} for claim in CLAIMS),
    {"typ": "invite"}, {"aud": "another"}, {"iss": "another"}, {"sub": "root"}, {"sub": 5}, {"nbf": 99_999_999_999},
    {"exp": 1}, {"exp": "soon"}, {"nbf": []}, {"sid": {}},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_CLAIMS, ids=str)
async def test_every_claim_is_required_and_checked(world: World, wrong: dict[str, Any]) -> None:
    token = token_of(world)
    good = jwt.decode(token, options={"verify_signature": False})
    claims = {name: value for name, value in {**good, **wrong}.items() if value is not None}
    assert set(good) == {*CLAIMS, "email_verified"}
    person = world.anyone()
    payload = jwt.PyJWS().encode(json.dumps(claims).encode(), KEY, "HS256", headers=header_of(token))
    person.http.cookies.set("session", payload)
    assert (await person.http.get("/api/orders")).status_code == 401


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda token: forged(token, "", "none"),
        lambda token: forged(token, "x" * 40, "HS256"),
        lambda token: forged(token, KEY, "HS512"),
        lambda token: forged(token, KEY, "HS256", kid="0" * 16),
        lambda token: forged(token, KEY, "HS256", kid=None),
        lambda token: token + "." + token,
        lambda _: "x" * 10_000,
        lambda _: "...",
        lambda _: "null",
    ],
)
async def test_a_forged_session_is_none(world: World, forge: Callable[[str], str]) -> None:
    person = world.anyone()
    person.http.cookies.set("session", forge(token_of(world)))
    assert (await person.http.get("/api/orders")).status_code == 401
