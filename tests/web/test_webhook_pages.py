"""Webhooks on the pages: registering, the secret, what was answered, and the way out."""

import pytest

from actors.webhooks.delivery import Attempt
from actors.webhooks.endpoint import DisabledReason
from tests.api.webhook_examples import registered, sent_test
from tests.api.world import World
from tests.web.reading import leads_to, opens, sends, submits

LIST = "/account/webhooks"


async def test_endpoint_is_registered_with_its_secret_shown_once(world: World) -> None:
    person = await world.someone()
    assert "You have no webhook endpoints" in (await opens(person, LIST)).text
    page = await submits(
        person, await opens(person, LIST), LIST, url="https://example.com/hook", events="order.*, ticket.created"
    )
    assert page.status == 200
    assert "whsec_" in page.text
    assert page.response.headers["cache-control"] == "no-store, no-transform"
    (endpoint,) = (await person.http.get("/api/webhook-endpoints")).json()
    assert endpoint["events"] == ["order.*", "ticket.created"]
    assert "https://example.com/hook" in (await opens(person, LIST)).text
    assert "whsec_" not in (await opens(person, f"{LIST}/{endpoint['id']}")).text


async def test_form_that_is_sent_twice_registers_one_endpoint(world: World) -> None:
    person = await world.someone()
    page = await opens(person, LIST)
    for _ in range(2):
        assert (await submits(person, page, LIST, url="https://example.com/hook")).status == 200
    assert len((await person.http.get("/api/webhook-endpoints")).json()) == 1


async def test_refused_form_shows_what_is_wrong_and_what_was_typed(world: World) -> None:
    person = await world.someone()
    page = await submits(person, await opens(person, LIST), LIST, url="http://example.com/", events="charge.*")
    assert page.status == 400
    assert "must begin with https://" in page.text
    assert page.title.startswith("Error: ")
    assert page.form(LIST).fields["url"] == "http://example.com/"


async def test_only_administrators_are_offered_the_whole_market(world: World) -> None:
    assert "Of the whole market" not in (await opens(await world.someone(), LIST)).text
    assert "Of the whole market" in (await opens(await world.admin(), LIST)).text


async def test_page_shows_what_was_answered_and_sends_it_again(world: World) -> None:
    person = await world.someone()
    endpoint = await registered(person)
    sent = await sent_test(person, endpoint)
    delivery = await world.services.webhook_deliveries.by_id(sent["id"])
    assert delivery is not None
    tried = delivery.after(Attempt(world.clock(), 12, 500, "<b>oops</b>"), lambda: 0.0)
    await world.services.webhook_deliveries.store(tried)
    address = f"{LIST}/{endpoint['id']}"
    page = await opens(person, address)
    assert "500 after 12 ms" in page.text
    assert "&lt;b&gt;oops" in page.html
    assert leads_to(await submits(person, page, f"/deliveries/{sent['id']}")) == address
    assert leads_to(await submits(person, page, "/test")) == address
    assert len((await person.http.get(f"/api/webhook-endpoints/{endpoint['id']}/deliveries")).json()) == 2


@pytest.mark.parametrize("reason", DisabledReason)
async def test_page_says_why_an_endpoint_is_disabled_and_enables_it(world: World, reason: DisabledReason) -> None:
    person = await world.someone()
    endpoint = await registered(person)
    change = {"disabled": reason, "disabled_at": world.clock()}
    assert await world.services.webhook_endpoints.change(endpoint["id"], change)
    address = f"{LIST}/{endpoint['id']}"
    page = await opens(person, address)
    told = {"owner": "You switched it off", "gone": "410", "failing": "five days", "backlog": "Too many deliveries"}
    assert [one for one, text in told.items() if text in page.text.partition("Nothing is sent")[0]] == [reason.value]
    await sends(person, address, enabled="yes")
    assert "This endpoint is disabled" not in (await opens(person, address)).text


async def test_endpoint_is_changed_disabled_rotated_and_deleted(world: World) -> None:
    person = await world.someone()
    endpoint = await registered(person, description="first")
    address = f"{LIST}/{endpoint['id']}"
    await sends(person, address, url="https://example.com/other", events=">")
    shown = (await person.http.get(f"/api/webhook-endpoints/{endpoint['id']}")).json()
    assert (shown["url"], shown["events"], shown["description"]) == ("https://example.com/other", [">"], None)
    page = await submits(person, await opens(person, address), "/rotate")
    assert "whsec_" in page.text
    assert "the old secret signs too" in page.text
    await sends(person, address, enabled="no")
    page = await opens(person, address)
    assert "You switched it off." in page.text
    assert (await sends(person, f"{address}/test")).status == 409
    await sends(person, address, enabled="yes")
    assert "This endpoint is disabled" not in (await opens(person, address)).text
    assert leads_to(await sends(person, f"{address}/delete")) == LIST
    assert (await opens(person, address)).status == 404


async def test_endpoint_of_another_is_not_there(world: World) -> None:
    endpoint = await registered(await world.someone())
    stranger = await world.someone()
    address = f"{LIST}/{endpoint['id']}"
    for path in (address, f"{address}/test", f"{address}/rotate", f"{address}/delete"):
        assert (await sends(stranger, path, enabled="no")).status == 404
    assert (await opens(stranger, address)).status == 404
