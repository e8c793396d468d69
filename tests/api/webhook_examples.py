"""An example for every status that the routes of webhook endpoints promise, but for those that `examples.py` makes."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx

from serve_app.http.errors import TooManyRequestsError
from tests.api.world import JSON, NOBODY, Person, World

Example = Callable[[World], Awaitable[httpx.Response]]
Send = Callable[[Person, JSON], Awaitable[httpx.Response]]
EXAMPLES: dict[tuple[str, str, int], Example] = {}
ALL, ONE = "/api/webhook-endpoints", "/api/webhook-endpoints/{endpoint_id}"
ROTATE, TEST, DELIVERIES = f"{ONE}/rotate-secret", f"{ONE}/test", f"{ONE}/deliveries"
RETRY = f"{DELIVERIES}/{{delivery_id}}/retry"
ENDPOINT: JSON = {"url": "https://example.com/webhooks", "events": ["order.*", "ticket.created"]}
BODY_ROUTES: dict[tuple[str, str], JSON] = {("POST", ALL): ENDPOINT, ("PATCH", ONE): {"description": "another"}}
CHANGING = [("POST", ALL), ("PATCH", ONE), ("DELETE", ONE), ("POST", ROTATE), ("POST", TEST), ("POST", RETRY)]
SIGNED_IN = [*CHANGING, ("GET", ALL), ("GET", ONE), ("GET", DELIVERIES)]
SUCCESS = {
    ("GET", ALL): 200, ("GET", ONE): 200, ("PATCH", ONE): 200, ("DELETE", ONE): 204, ("POST", ROTATE): 200,
    ("POST", TEST): 202, ("GET", DELIVERIES): 200, ("POST", RETRY): 202,
}  # fmt: skip


async def registered(person: Person, **more: object) -> JSON:
    """An endpoint of the person's, with its secret."""
    response = await person.http.post(ALL, json={**ENDPOINT, **more})
    assert response.status_code == 201, response.text
    body: JSON = response.json()
    return body


async def sent_test(person: Person, endpoint: JSON) -> JSON:
    """A delivery to the endpoint."""
    response = await person.http.post(TEST.format(endpoint_id=endpoint["id"]))
    assert response.status_code == 202, response.text
    body: JSON = response.json()
    return body


async def ask(person: Person, method: str, path: str, endpoint_id: str, delivery_id: str = NOBODY) -> httpx.Response:
    url = path.format(endpoint_id=endpoint_id, delivery_id=delivery_id)
    return await person.http.request(method, url, json=BODY_ROUTES.get((method, path)))


def done(method: str, path: str, status: int) -> None:
    async def send(world: World) -> httpx.Response:
        person = await world.someone()
        endpoint = await registered(person)
        delivery = await sent_test(person, endpoint)
        return await ask(person, method, path, endpoint["id"], delivery["id"])

    EXAMPLES[method, path, status] = send


def of_another(method: str, path: str) -> None:
    async def send(world: World) -> httpx.Response:
        endpoint = await registered(await world.someone())
        return await ask(await world.someone(), method, path, endpoint["id"])

    EXAMPLES[method, path, 404] = send


def too_often(method: str, path: str) -> None:
    async def send(world: World) -> httpx.Response:
        person = await world.someone()
        with suppress(TooManyRequestsError):
            while True:
                world.services.limits.change(person.id, world.address)
        return await ask(person, method, path, NOBODY)

    EXAMPLES[method, path, 429] = send


def disabled(path: str) -> None:
    async def send(world: World) -> httpx.Response:
        person = await world.someone()
        endpoint = await registered(person)
        delivery = await sent_test(person, endpoint)
        await person.http.patch(ONE.format(endpoint_id=endpoint["id"]), json={"enabled": False})
        return await ask(person, "POST", path, endpoint["id"], delivery["id"])

    EXAMPLES["POST", path, 409] = send


def registering(status: int, bodies: list[JSON], **headers: str) -> None:
    async def send(world: World) -> httpx.Response:
        person = await world.someone()
        for body in bodies:
            response = await person.http.post(ALL, json=body, headers=headers)
        return response

    EXAMPLES["POST", ALL, status] = send


async def _a_damaged_cursor(world: World) -> httpx.Response:
    person = await world.someone()
    address = DELIVERIES.format(endpoint_id=(await registered(person))["id"])
    return await person.http.get(address, params={"cursor": "damaged"})


async def _a_wrong_limit(world: World) -> httpx.Response:
    return await (await world.someone()).http.get(ALL, params={"limit": "0"})


async def _a_wrong_change(world: World) -> httpx.Response:
    person = await world.someone()
    address = ONE.format(endpoint_id=(await registered(person))["id"])
    return await person.http.patch(address, json={"url": "ftp://example.com"})


for (_method, _path), _status in SUCCESS.items():
    done(_method, _path, _status)
    if _path != ALL:
        of_another(_method, _path)
for _method, _path in CHANGING:
    too_often(_method, _path)
disabled(TEST)
disabled(RETRY)
_KEY = {"Idempotency-Key": "again"}
registering(201, [ENDPOINT])
registering(200, [ENDPOINT, ENDPOINT], **_KEY)
registering(409, [ENDPOINT, {**ENDPOINT, "events": [">"]}], **_KEY)
EXAMPLES["GET", ALL, 400] = _a_wrong_limit
EXAMPLES["GET", DELIVERIES, 400] = _a_damaged_cursor
EXAMPLES["PATCH", ONE, 400] = _a_wrong_change
