from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from actors.processes.stripe_account import SANDBOX_KEY
from actors.stripe import Stripe, connect
from actors.stripe.sandbox import SandboxHTTPClient
from serve_app.api import create_api
from tests.api.world import World, errors, fields

ROUTE = "/api/sandbox/authentications"
MARK = "zqxECHOzqx"


@pytest.fixture
async def stripe(world: World) -> AsyncIterator[Stripe]:
    assert world.services.sandbox is not None
    client = connect(api_key=SANDBOX_KEY, api_base=None, http_client=SandboxHTTPClient(world.services.sandbox))
    yield client
    await client.aclose()


async def waiting(stripe: Stripe, key: str = "1") -> tuple[str, str]:
    """The id and the client secret of a payment that waits for its buyer."""
    intent = await stripe.create_intent(
        amount=5_000,
        currency="usd",
        payment_method="pm_card_authenticationRequired",
        metadata={},
        idempotency_key=f"create {key}",
    )
    asked = await stripe.confirm(intent.id, idempotency_key=f"confirm {key}")
    assert asked.client_secret
    return intent.id, asked.client_secret


async def answers(world: World, secret: object, outcome: object = "succeeds") -> httpx.Response:
    return await world.anyone().http.post(ROUTE, json={"clientSecret": secret, "outcome": outcome})


@pytest.mark.parametrize(
    ("outcome", "status"), [("succeeds", "requires_capture"), ("fails", "requires_payment_method")]
)
async def test_the_buyers_answer_decides_the_payment(world: World, stripe: Stripe, outcome: str, status: str) -> None:
    intent_id, secret = await waiting(stripe, outcome)
    response = await answers(world, secret, outcome)
    assert (response.status_code, response.json()) == (200, {})
    assert (await stripe.retrieve(intent_id)).status == status


async def test_nobody_has_to_be_signed_in_as_with_stripes_own_dialog(world: World, stripe: Stripe) -> None:
    _, secret = await waiting(stripe, "anyone")
    person = world.anyone()
    assert not person.http.cookies
    response = await person.http.post(ROUTE, json={"clientSecret": secret, "outcome": "succeeds"})
    assert response.status_code == 200


async def test_a_bank_is_answered_once(world: World, stripe: Stripe) -> None:
    intent_id, secret = await waiting(stripe, "once")
    await answers(world, secret)
    for outcome in ("succeeds", "fails"):
        assert (await answers(world, secret, outcome)).status_code == 409
    assert (await stripe.retrieve(intent_id)).status == "requires_capture"


async def test_a_wrong_secret_is_a_conflict_and_decides_nothing(world: World, stripe: Stripe) -> None:
    intent_id, secret = await waiting(stripe, "wrong")
    for wrong in (f"{secret}x", secret[:-1], intent_id, f"{intent_id}_secret_{MARK}", MARK, "x" * 255, "é", "\x00"):
        response = await answers(world, wrong)
        assert response.status_code == 409
        assert errors(response)
        assert MARK not in response.text
    assert (await stripe.retrieve(intent_id)).status == "requires_action"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"clientSecret", "outcome"}),
        ({"clientSecret": "", "outcome": "succeeds"}, {"clientSecret"}),
        ({"clientSecret": "x" * 256, "outcome": "succeeds"}, {"clientSecret"}),
        ({"clientSecret": 5, "outcome": "succeeds"}, {"clientSecret"}),
        ({"clientSecret": None, "outcome": "succeeds"}, {"clientSecret"}),
        ({"clientSecret": [MARK], "outcome": "succeeds"}, {"clientSecret"}),
        ({"clientSecret": {"$gt": ""}, "outcome": "succeeds"}, {"clientSecret"}),
        ({"clientSecret": "x", "outcome": MARK}, {"outcome"}),
        ({"clientSecret": "x", "outcome": True}, {"outcome"}),
        ({"clientSecret": "x", "outcome": "succeeds", MARK: MARK}, {""}),
        ([], {""}),
        (None, {""}),
        (MARK, {""}),
    ],
)
async def test_a_hostile_answer_is_refused_and_not_repeated(world: World, body: object, wrong: set[str]) -> None:
    response = await world.anyone().http.post(ROUTE, json=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert fields(response) == wrong
    assert MARK not in response.text


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[" * 200_000, b"\xff", b'{"clientSecret": "\\ud800", "outcome": "fails"}']
)
async def test_an_authentication_that_is_not_json_is_refused(world: World, raw: bytes) -> None:
    response = await world.anyone().http.post(ROUTE, content=raw, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert errors(response)


async def test_another_site_answers_no_bank(world: World, stripe: Stripe) -> None:
    intent_id, secret = await waiting(stripe, "elsewhere")
    body = {"clientSecret": secret, "outcome": "succeeds"}
    response = await world.anyone().http.post(ROUTE, json=body, headers={"Origin": "https://elsewhere.example"})
    assert response.status_code == 403
    assert (await stripe.retrieve(intent_id)).status == "requires_action"


async def test_with_a_stripe_key_there_is_no_such_route(world: World) -> None:
    api = create_api(replace(world.services, sandbox=None))
    for method in ("POST", "GET"):
        response = await world.anyone(api).http.request(
            method, ROUTE, json={"clientSecret": "x", "outcome": "succeeds"}
        )
        assert response.status_code == 404
        assert errors(response)
    assert ROUTE not in api.openapi()["paths"]
    assert ROUTE in world.api.openapi()["paths"]  # so the line above can fail
