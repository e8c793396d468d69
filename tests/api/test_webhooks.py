import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import structlog
from bson import ObjectId

from actors.domain.answers import PaymentAnswer
from actors.domain.purchase_commands import ResumePurchase
from actors.domain.refusals import Refusal, Unavailable
from actors.payments.webhook_events import HANDLED_EVENT_TYPES, OF_PAYMENTS, OF_SETTLED_MONEY
from actors.stripe.webhooks import sign
from holdfast.cancellation import cancel_until_ended
from tests.api.examples import EXAMPLES
from tests.api.fake_market import SLOW
from tests.api.world import JSON, NOBODY, World, errors
from tests.support.eventually import eventually

ROUTE = "/api/webhooks/stripe"
MARK = "zqxECHOzqx"
KIND = "payment_intent.succeeded"


def event(**changes: object) -> JSON:
    return {
        "object": "event",
        "id": f"evt_{ObjectId()}",
        "type": KIND,
        "created": int(time.time()),
        "data": {"object": {"object": "payment_intent", "id": "pi_1", "metadata": {"orderId": NOBODY}}},
        **changes,
    }


async def posts(world: World, raw: bytes, signature: str | None, **headers: str) -> httpx.Response:
    signed = {"Stripe-Signature": signature} if signature is not None else {}
    return await world.anyone().http.post(ROUTE, content=raw, headers={**signed, **headers})


async def signs_and_posts(world: World, raw: bytes, **headers: str) -> httpx.Response:
    return await posts(world, raw, sign(raw, world.webhook_secret, time.time()), **headers)


async def kept(world: World) -> list[JSON]:
    """What is in the inbox."""
    documents: list[JSON] = await world.database["webhook_events"].find({}).to_list()
    return documents


@asynccontextmanager
async def handling(world: World) -> AsyncIterator[None]:
    """Announcements are handled meanwhile, as they are in a replica."""
    running = asyncio.create_task(world.webhook_events.run())
    try:
        yield
    finally:
        await cancel_until_ended([running])


async def refused(world: World, response: httpx.Response) -> None:
    assert response.status_code == 400
    assert errors(response)
    assert MARK not in response.text
    assert await kept(world) == []


async def test_a_webhook_event_of_stripe_is_kept(world: World) -> None:
    response = await world.announces(KIND, NOBODY, event_id="evt_kept")
    assert (response.status_code, response.json()) == (200, {"received": True})
    assert await kept(world) == [
        {
            "_id": "evt_kept", "type": KIND, "at": world.clock(), "intent_id": "pi_1", "order_id": NOBODY,
            "unhandled_since": world.clock(),
        }
    ]  # fmt: skip


async def test_the_content_of_a_webhook_event_is_not_kept(world: World) -> None:
    subject = {"object": "payment_intent", "id": "pi_1", "amount": 1_250, "client_secret": MARK, "receipt_email": MARK}
    response = await signs_and_posts(world, json.dumps(event(data={"object": subject})).encode())
    assert response.status_code == 200
    assert MARK not in repr(await kept(world))


async def test_a_webhook_without_a_signature_is_refused(world: World) -> None:
    await refused(world, await posts(world, json.dumps(event()).encode(), None))


@pytest.mark.parametrize("signature", ["", MARK, "t=,v1=", "t=1", f"t=1,v1={MARK}", "v1=" + "0" * 64])
async def test_a_webhook_with_half_a_signature_is_refused(world: World, signature: str) -> None:
    await refused(world, await posts(world, json.dumps(event()).encode(), signature))


@pytest.mark.parametrize("secret", ["whsec_another", "", "whsec_"])
async def test_a_webhook_signed_with_another_secret_is_refused(world: World, secret: str) -> None:
    raw = json.dumps(event()).encode()
    await refused(world, await posts(world, raw, sign(raw, secret, time.time())))


async def test_a_webhook_whose_body_was_changed_after_signing_is_refused(world: World) -> None:
    raw = json.dumps(event()).encode()
    signature = sign(raw, world.webhook_secret, time.time())
    for tampered in (raw.replace(b"pi_1", b"pi_2"), raw + b" ", raw[:-1], b""):
        await refused(world, await posts(world, tampered, signature))
    assert (await posts(world, raw, signature)).status_code == 200  # so that the tampering is what was refused


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
async def test_a_webhook_signature_too_far_from_now_is_refused(world: World, seconds: int) -> None:
    # The clock goes on until the replica looks at it: a second of margin towards the future.
    await refused(world, await world.announces(KIND, NOBODY, seconds=seconds + (1 if seconds > 0 else 0)))


@pytest.mark.parametrize("seconds", [-290, 290])
async def test_a_webhook_signed_by_a_clock_that_is_minutes_off_is_accepted(world: World, seconds: int) -> None:
    assert (await world.announces(KIND, NOBODY, seconds=seconds)).status_code == 200
    assert len(await kept(world)) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        MARK.encode(),
        b"[" * 200_000,
        b'{"object": "event"}',
        json.dumps(event(id=5)).encode(),
        json.dumps(event(object="v2.core.event")).encode(),
        json.dumps(event(data=None)).encode(),
        json.dumps(event(data={"object": MARK})).encode(),
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_a_signed_webhook_that_is_no_event_is_refused(world: World, raw: bytes) -> None:
    await refused(world, await signs_and_posts(world, raw))


async def test_a_refused_webhook_is_logged_with_its_rule_and_nothing_of_its_content(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        await posts(world, MARK.encode(), f"t=1,v1={MARK}")
    assert [log["event"] for log in logs] == ["webhook_refused", "request_answered"]
    assert logs[0]["reason"]
    assert MARK not in repr(logs)


@pytest.mark.parametrize("kind", [*OF_PAYMENTS, *OF_SETTLED_MONEY])
async def test_every_handled_type_of_webhook_event_is_kept(world: World, kind: str) -> None:
    assert (await world.announces(kind, NOBODY)).status_code == 200
    assert [document["type"] for document in await kept(world)] == [kind]


@pytest.mark.parametrize("kind", ["customer.created", "payment_intent.created", "v1.unheard_of", "", "x" * 5_000])
async def test_a_webhook_event_of_another_type_is_accepted_and_not_kept(world: World, kind: str) -> None:
    assert kind not in HANDLED_EVENT_TYPES
    response = await world.announces(kind, NOBODY)
    assert (response.status_code, response.json()) == (200, {"received": True})
    assert await kept(world) == []


async def test_a_webhook_delivered_twice_is_kept_and_handled_once(world: World) -> None:
    _, buyer, _, order = await world.held()
    _, other_buyer, _, other = await world.held()
    await buyer.pays(order, SLOW)
    await other_buyer.pays(other, SLOW)
    async with handling(world):
        for _ in range(2):
            assert (await world.announces(KIND, order["id"], event_id="evt_twice")).status_code == 200
        assert len(await kept(world)) == 1
        await eventually(lambda: bool(world.market.resumed))
        assert (await world.announces(KIND, order["id"], event_id="evt_twice")).status_code == 200
        # What arrives later is handled later: with this one through, the repeat would have been as well.
        await world.announces(KIND, other["id"])
        await eventually(lambda: len(world.market.resumed) > 1)
    assert world.market.resumed == [ResumePurchase(order["id"]), ResumePurchase(other["id"])]


async def test_ten_simultaneous_copies_of_a_webhook_are_kept_once(world: World) -> None:
    copies = [world.announces(KIND, NOBODY, event_id="evt_copies") for _ in range(10)]
    assert {response.status_code for response in await asyncio.gather(*copies)} == {200}
    assert len(await kept(world)) == 1


async def test_two_webhook_events_about_one_order_ask_stripe_once(world: World) -> None:
    _, buyer, _, order = await world.held()
    await buyer.pays(order, SLOW)
    await world.announces("payment_intent.amount_capturable_updated", order["id"])
    await world.announces(KIND, order["id"])
    async with handling(world):
        await eventually(lambda: bool(world.market.resumed))
    assert world.market.resumed == [ResumePurchase(order["id"])]


async def test_a_webhook_event_about_refunds_and_disputes_has_stripe_asked(world: World) -> None:
    _, buyer, _, order = await world.held()
    await buyer.pays(order)
    async with handling(world):
        await world.announces("charge.dispute.created", order["id"])
        await eventually(lambda: bool(world.market.resumed))
    assert world.market.resumed == [ResumePurchase(order["id"], reconcile=True)]


async def test_the_content_of_a_webhook_event_changes_no_order(world: World) -> None:
    _, buyer, _, order = await world.held()
    await buyer.pays(order, SLOW)
    before = (await buyer.http.get(f"/api/orders/{order['id']}")).json()
    async with handling(world):
        for kind in (KIND, "payment_intent.canceled", "payment_intent.payment_failed"):
            assert (await world.announces(kind, order["id"])).status_code == 200
        await eventually(lambda: bool(world.market.resumed))
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json() == before


async def test_a_webhook_is_answered_before_it_is_handled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, buyer, _, order = await world.held()
    await buyer.pays(order, SLOW)
    asked = asyncio.Event()

    async def never_returns(_: ResumePurchase) -> PaymentAnswer | Refusal:
        asked.set()
        await asyncio.Event().wait()
        return Unavailable()

    monkeypatch.setattr(world.market, "resume", never_returns)
    async with handling(world), asyncio.timeout(10):
        assert (await world.announces(KIND, order["id"])).status_code == 200
        await asked.wait()
        # Also while the handling hangs.
        assert (await world.announces(KIND, order["id"])).status_code == 200
    assert all("unhandled_since" in document for document in await kept(world))


async def test_an_unhandled_webhook_event_stays_in_the_inbox(world: World) -> None:
    _, buyer, _, order = await world.held()
    await buyer.pays(order, SLOW)
    async with handling(world):
        await world.announces(KIND, order["id"])
        await eventually(lambda: bool(world.market.resumed))  # the market of these tests answers Unavailable
    [document] = await kept(world)
    assert document["unhandled_since"] == document["at"]


async def test_stripe_is_asked_to_send_a_webhook_again_while_the_database_is_away(world: World) -> None:
    response = await EXAMPLES["POST", ROUTE, 503](world)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert errors(response)
    assert await kept(world) == []
    assert not world.webhook_events._waiting


async def test_a_webhook_needs_no_session_content_type_or_idempotency_key(world: World) -> None:
    raw = json.dumps(event()).encode()
    person = world.anyone()
    headers: dict[str, Any] = {"Stripe-Signature": sign(raw, world.webhook_secret, time.time())}
    response = await person.http.post(ROUTE, content=raw, headers=headers)
    assert response.status_code == 200
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "text/plain"},
        {"Cookie": "session=stale"},
        {"Idempotency-Key": "again"},
        {"User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
    ],
    ids=str,
)
async def test_other_headers_of_a_webhook_make_no_difference(world: World, headers: dict[str, str]) -> None:
    for _ in range(2):
        assert (await signs_and_posts(world, json.dumps(event()).encode(), **headers)).status_code == 200
    assert len(await kept(world)) == 2


async def test_a_webhook_is_signed_over_its_very_bytes(world: World) -> None:
    spaced = json.dumps(event(), indent=4).encode() + b"\r\n"
    assert (await signs_and_posts(world, spaced)).status_code == 200


async def test_a_webhook_that_is_too_large_is_refused_before_its_signature_is_checked(world: World) -> None:
    raw = b"x" * 1_048_577
    response = await signs_and_posts(world, raw)
    assert response.status_code == 413
    assert await kept(world) == []
