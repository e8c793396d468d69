"""Registering webhook endpoints: what is refused, what is shown, and to whom."""

import pytest

from actors.webhooks.delivery import Attempt
from actors.webhooks.endpoint import DisabledReason
from tests.api.webhook_examples import ALL, DELIVERIES, ENDPOINT, ONE, RETRY, ROTATE, registered, sent_test
from tests.api.world import PASSWORD, World, errors, fields


async def test_secret_is_shown_once(world: World) -> None:
    person = await world.someone()
    endpoint = await registered(person)
    assert endpoint["secret"].startswith("whsec_")
    address = ONE.format(endpoint_id=endpoint["id"])
    for response in (
        await person.http.get(address),
        await person.http.get(ALL),
        await person.http.patch(address, json={}),
    ):
        assert "whsec_" not in response.text
    rotated = (await person.http.post(ROTATE.format(endpoint_id=endpoint["id"]))).json()
    assert rotated["secret"] != endpoint["secret"]
    assert "oldSecretValidUntil" in rotated
    world.clock.advance(86_400)
    assert "oldSecretValidUntil" not in (await person.http.get(address)).json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://example.com/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://user:word@example.com/"}, "url"),
        ({"url": ""}, "url"),
        ({"events": []}, "events"),
        ({"events": ["Order.*"]}, "events"),
        ({"events": ["order.>.created"]}, "events"),
        ({"events": ["charge.*"]}, "events"),
        ({"events": ["waiting_list.joined"]}, "events"),
        ({"events": ["order.*"] * 31}, "events"),
        ({"audience": "everybody"}, "audience"),
        ({"description": "x" * 201}, "description"),
    ],
)
async def test_what_cannot_be_registered_is_refused_at_its_field(
    world: World, body: dict[str, object], field: str
) -> None:
    response = await (await world.someone()).http.post(ALL, json={**ENDPOINT, **body})
    assert response.status_code == 400
    assert fields(response) == {field}


async def test_events_of_the_whole_market_are_for_administrators(world: World) -> None:
    market = {**ENDPOINT, "events": ["charge.*", ">"], "audience": "market"}
    response = await (await world.someone()).http.post(ALL, json=market)
    assert response.status_code == 403
    assert (await (await world.admin()).http.post(ALL, json=market)).status_code == 201


async def test_user_has_ten_endpoints_at_most_and_the_market_as_many_as_it_says(world: World) -> None:
    person = await world.someone()
    for _ in range(10):
        endpoint = await registered(person)
    refused = await person.http.post(ALL, json=ENDPOINT)
    assert refused.status_code == 409
    assert "10 webhook endpoints" in errors(refused)[0]["message"]
    assert (await person.http.delete(ONE.format(endpoint_id=endpoint["id"]))).status_code == 204
    await registered(person)
    world.serving(settings=world.services.settings.model_copy(update={"max_webhook_endpoints": 10}))
    assert (await (await world.someone()).http.post(ALL, json=ENDPOINT)).status_code == 409


async def test_lists_lead_through_all_pages(world: World) -> None:
    person = await world.someone()
    endpoint = await registered(person)
    sent = []
    for _ in range(3):
        sent.append((await sent_test(person, endpoint))["id"])
        world.clock.advance(1)
    address, found = DELIVERIES.format(endpoint_id=endpoint["id"]) + "?limit=2", []
    while address:
        response = await person.http.get(address)
        found += [delivery["id"] for delivery in response.json()]
        address = response.links.get("next", {}).get("url", "")
    assert found == sent[::-1]


async def test_deliveries_show_what_was_answered(world: World) -> None:
    person = await world.someone()
    endpoint = await registered(person)
    sent = await sent_test(person, endpoint)
    delivery = await world.services.webhook_deliveries.by_id(sent["id"])
    assert delivery is not None
    tried = delivery.after(Attempt(world.clock(), 12, 500, "oops"), lambda: 0.0)
    await world.services.webhook_deliveries.store(tried)
    (shown,) = (await person.http.get(DELIVERIES.format(endpoint_id=endpoint["id"]))).json()
    assert (shown["type"], shown["state"], shown["tries"]) == ("webhook.test", "pending", 1)
    (attempt,) = shown["attempts"]
    assert (attempt["status"], attempt["body"], attempt["durationMs"], attempt["error"]) == (500, "oops", 12, None)
    again = await person.http.post(RETRY.format(endpoint_id=endpoint["id"], delivery_id=sent["id"]))
    assert again.status_code == 202
    assert again.json()["webhookId"] == sent["webhookId"]
    (due,) = await world.services.webhook_deliveries.due(endpoint["id"], world.clock(), 10)
    assert due.id == sent["id"]


async def test_disabled_endpoint_that_is_enabled_again_goes_on_with_what_waits(world: World) -> None:
    person = await world.someone()
    endpoint = await registered(person)
    address = ONE.format(endpoint_id=endpoint["id"])
    disabled = (await person.http.patch(address, json={"enabled": False})).json()
    assert (disabled["enabled"], disabled["disabledReason"]) == (False, "owner")
    enabled = (await person.http.patch(address, json={"enabled": True})).json()
    assert enabled["enabled"]
    assert "disabledReason" not in enabled
    assert [due.id for due in await world.services.webhook_endpoints.due(world.clock(), 10)] == [endpoint["id"]]


async def test_endpoint_that_too_much_waited_for_says_so_and_what_waits_does_not_count_once_it_is_enabled(
    world: World,
) -> None:
    person = await world.someone()
    endpoint = await registered(person)
    for _ in range(2):
        await sent_test(person, endpoint)
    change = {"disabled": DisabledReason.BACKLOG, "disabled_at": world.clock()}
    assert await world.services.webhook_endpoints.change(endpoint["id"], change)
    address = ONE.format(endpoint_id=endpoint["id"])
    assert (await person.http.get(address)).json()["disabledReason"] == "backlog"
    assert (await person.http.patch(address, json={"enabled": True})).json()["enabled"]
    enabled = await world.services.webhook_endpoints.by_id(endpoint["id"])
    assert enabled is not None
    assert enabled.waited_when_enabled == 2


async def test_closed_account_leaves_no_endpoint(world: World) -> None:
    member = await world.member()
    endpoint = await registered(member)
    delivery = await sent_test(member, endpoint)
    assert (await member.http.request("DELETE", "/api/users/me", json={"password": PASSWORD})).status_code == 204
    assert await world.services.webhook_endpoints.by_id(endpoint["id"]) is None
    assert await world.services.webhook_deliveries.by_id(delivery["id"]) is None


async def test_what_is_done_with_endpoints_is_in_the_security_events_without_secrets(world: World) -> None:
    person = await world.someone()
    endpoint = await registered(person)
    address = ONE.format(endpoint_id=endpoint["id"])
    await person.http.post(f"{address}/rotate-secret")
    await person.http.patch(address, json={"enabled": False})
    await person.http.delete(address)
    await world.services.security_events.flush()
    found = await world.database["security_events"].find({"user_id": person.id}).sort("by_newest").to_list()
    assert [event["type"] for event in found if event["type"].startswith("Webhook")] == [
        "WebhookEndpointRegistered", "WebhookSecretRotated", "WebhookEndpointDisabled", "WebhookEndpointDeleted"
    ]  # fmt: skip
    assert "whsec_" not in str(found)
