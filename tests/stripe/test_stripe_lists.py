"""Reading back what happened at Stripe, page after page, through the real SDK."""

import pytest

from actors.stripe import Stripe
from actors.stripe.errors import NotFound
from actors.stripe.sandbox import Sandbox
from tests.stripe.wire import NOW, Clock, Wire


async def test_an_intent_says_whose_it_is_and_when_it_was_made(stripe: Stripe) -> None:
    made = await stripe.create_intent(
        amount=5000,
        currency="usd",
        payment_method="pm_card_visa",
        metadata={"orderId": "1", "chargeId": "2"},
        idempotency_key="key",
    )
    assert (made.metadata, made.created) == ({"orderId": "1", "chargeId": "2"}, int(NOW))


async def test_all_intents_are_read_through_several_pages(stripe: Stripe, wire: Wire, clock: Clock) -> None:
    made = []
    for number in range(203):
        clock.time = NOW + number // 7  # some within the same second
        made.append(await wire.intent())
    found = [intent async for intent in stripe.intents()]
    assert len(found) == 203
    assert {intent.id for intent in found} == set(made)
    assert [intent.created for intent in found] == sorted((intent.created for intent in found), reverse=True)


async def test_intents_from_before_a_time_are_left_out(stripe: Stripe, wire: Wire, clock: Clock) -> None:
    await wire.intent()
    clock.time += 10
    later = await wire.intent()
    assert [intent.id async for intent in stripe.intents(int(NOW) + 10)] == [later]


async def test_refunds_of_an_intent_are_the_newest_first(stripe: Stripe, wire: Wire, clock: Clock) -> None:
    intent_id, other_id = await wire.captured(), await wire.captured()
    first = await stripe.refund(intent_id, amount=100, idempotency_key="1")
    clock.time += 1
    second = await stripe.refund(intent_id, amount=200, idempotency_key="2")
    other = await stripe.refund(other_id, amount=300, idempotency_key="3")
    assert await stripe.refunds_of(intent_id) == [second, first]
    assert first.intent_id == intent_id
    assert {refund.id async for refund in stripe.refunds()} == {first.id, second.id, other.id}
    assert {refund.id async for refund in stripe.refunds(int(NOW) + 1)} == {second.id, other.id}
    assert await stripe.retrieve_refund(first.id) == first


async def test_an_intent_is_listed_once_as_it_is_now(stripe: Stripe, wire: Wire) -> None:
    captured, created = await wire.captured(), await wire.intent()
    assert {intent.id: intent.status async for intent in stripe.intents()} == {
        captured: "succeeded",
        created: "requires_payment_method",
    }


async def test_an_unknown_object_is_not_found(stripe: Stripe, wire: Wire) -> None:
    with pytest.raises(NotFound):
        await stripe.retrieve_refund("re_missing")
    with pytest.raises(NotFound):
        await stripe.refunds_of("pi_missing")
    with pytest.raises(NotFound):
        await stripe.disputes_of("pi_missing")
    assert await stripe.refunds_of(await wire.intent()) == []


async def test_disputes_are_listed_with_their_intents(
    stripe: Stripe, wire: Wire, sandbox: Sandbox, clock: Clock
) -> None:
    intent_id = await wire.captured("pm_card_createDispute")
    clock.time += 2
    await sandbox.settle_due()
    (dispute,) = [dispute async for dispute in stripe.disputes()]
    assert (dispute.intent_id, dispute.amount, dispute.currency) == (intent_id, 5000, "usd")
    assert dispute.status == "needs_response"
    assert await stripe.disputes_of(intent_id) == [dispute]
    assert [other async for other in stripe.disputes(int(NOW) + 3)] == []


@pytest.mark.parametrize("kind", ["payment_intents", "refunds", "disputes"])
async def test_a_list_is_shaped_as_stripes(wire: Wire, kind: str) -> None:
    answer = await wire.get(f"/v1/{kind}")
    assert answer.body == {"object": "list", "data": [], "has_more": False, "url": f"/v1/{kind}"}


async def test_a_page_says_whether_there_is_more(wire: Wire) -> None:
    for _ in range(3):
        await wire.intent()
    first = (await wire.get("/v1/payment_intents?limit=2")).body
    assert (len(first["data"]), first["has_more"]) == (2, True)
    last_id = first["data"][-1]["id"]
    second = (await wire.get(f"/v1/payment_intents?limit=2&starting_after={last_id}")).body
    assert (len(second["data"]), second["has_more"]) == (1, False)


async def test_refunds_of_an_intent_come_in_pages_too(wire: Wire) -> None:
    intent_id = await wire.captured()
    for _ in range(3):
        await wire.post("/v1/refunds", {"payment_intent": intent_id, "amount": 100})
    path = f"/v1/refunds?limit=2&payment_intent={intent_id}"
    first = (await wire.get(path)).body
    second = (await wire.get(f"{path}&starting_after={first['data'][-1]['id']}")).body
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert len({refund["id"] for refund in first["data"] + second["data"]}) == 3


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("starting_after=pi_missing", "starting_after"),
        ("created[lt]=5", "created"),
        ("created[gte]=x", "created"),
        ("surprise=x", "surprise"),
    ],
)
async def test_a_list_that_stripe_does_not_give_is_refused(wire: Wire, query: str, param: str) -> None:
    refused = await wire.get(f"/v1/payment_intents?{query}")
    assert (refused.status, refused.error["param"]) == (400, param)
