"""An example for every status that the routes of accounts promise, but for those that `examples.py` makes for all."""

from collections.abc import Awaitable, Callable

import httpx

from actors.mail.templates import MailKind
from tests.api.world import JSON, NOBODY, PASSWORD, World

Example = Callable[[World], Awaitable[httpx.Response]]
EXAMPLES: dict[tuple[str, str, int], Example] = {}
ANOTHER_PASSWORD = "another horse battery"
TOKEN = "t" * 43
BODY_ROUTES: dict[tuple[str, str], JSON] = {
    ("POST", "/api/users/password"): {"currentPassword": PASSWORD, "newPassword": ANOTHER_PASSWORD},
    ("POST", "/api/users/verification/confirm"): {"token": TOKEN},
    ("POST", "/api/users/password/reset"): {"email": "nobody@example.com"},
    ("POST", "/api/users/password/reset/confirm"): {"token": TOKEN, "password": ANOTHER_PASSWORD},
    ("DELETE", "/api/users/me"): {"password": PASSWORD},
    ("POST", "/api/tokens"): {"name": "a program", "scopes": ["read"], "expiresInDays": 30},
}
SIGNED_IN = [
    ("POST", "/api/users/password"), ("GET", "/api/users/sessions"), ("DELETE", "/api/users/sessions/{session_id}"),
    ("POST", "/api/users/verification"), ("GET", "/api/users/me/export"), ("DELETE", "/api/users/me"),
    ("GET", "/api/admin/users/{user_id}"), ("PUT", "/api/admin/users/{user_id}/ban"),
    ("DELETE", "/api/admin/users/{user_id}/ban"),
    ("GET", "/api/admin/failed-refunds"), ("POST", "/api/admin/failed-refunds/{order_id}/resolve"),
    ("POST", "/api/tokens"), ("GET", "/api/tokens"), ("DELETE", "/api/tokens/{token_id}"),
]  # fmt: skip
CHANGING = [
    *BODY_ROUTES, ("DELETE", "/api/users/sessions/{session_id}"), ("POST", "/api/users/verification"),
    ("PUT", "/api/admin/users/{user_id}/ban"), ("DELETE", "/api/admin/users/{user_id}/ban"),
    ("POST", "/api/admin/failed-refunds/{order_id}/resolve"), ("DELETE", "/api/tokens/{token_id}"),
]  # fmt: skip


def example(method: str, path: str, status: int) -> Callable[[Example], Example]:
    def keep(function: Example) -> Example:
        EXAMPLES[method, path, status] = function
        return function

    return keep


@example("POST", "/api/users/signin", 403)
async def _(world: World) -> httpx.Response:
    member = await world.member()
    await world.services.users.ban(member.id, world.clock())
    account = {"email": member.email, "password": PASSWORD}
    return await world.anyone().http.post("/api/users/signin", json=account)


@example("POST", "/api/users/password", 200)
async def _(world: World) -> httpx.Response:
    member = await world.member()
    return await member.http.post("/api/users/password", json=BODY_ROUTES["POST", "/api/users/password"])


@example("POST", "/api/users/password", 429)
async def _(world: World) -> httpx.Response:
    member = await world.member()
    guess = {"currentPassword": "wrong", "newPassword": ANOTHER_PASSWORD}
    for _ in range(11):
        response = await member.http.post("/api/users/password", json=guess)
    return response


@example("GET", "/api/users/sessions", 200)
async def _(world: World) -> httpx.Response:
    return await (await world.someone()).http.get("/api/users/sessions")


@example("DELETE", "/api/users/sessions/{session_id}", 204)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    (session,) = (await person.http.get("/api/users/sessions")).json()
    return await person.http.delete(f"/api/users/sessions/{session['id']}")


@example("DELETE", "/api/users/sessions/{session_id}", 404)
async def _(world: World) -> httpx.Response:
    return await (await world.someone()).http.delete("/api/users/sessions/nothing")


@example("POST", "/api/tokens", 201)
async def _(world: World) -> httpx.Response:
    return await (await world.someone()).http.post("/api/tokens", json=BODY_ROUTES["POST", "/api/tokens"])


@example("POST", "/api/tokens", 409)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    for _ in range(21):
        response = await person.http.post("/api/tokens", json=BODY_ROUTES["POST", "/api/tokens"])
    return response


@example("GET", "/api/tokens", 200)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    await (await world.program(person, "read")).http.get("/api/orders")
    return await person.http.get("/api/tokens")


@example("DELETE", "/api/tokens/{token_id}", 204)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    await world.program(person, "read")
    (token,) = (await person.http.get("/api/tokens")).json()
    return await person.http.delete(f"/api/tokens/{token['id']}")


@example("DELETE", "/api/tokens/{token_id}", 404)
async def _(world: World) -> httpx.Response:
    return await (await world.someone()).http.delete(f"/api/tokens/{NOBODY}")


@example("POST", "/api/users/verification", 202)
async def _(world: World) -> httpx.Response:
    return await (await world.someone()).http.post("/api/users/verification")


@example("POST", "/api/users/verification", 429)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    for _ in range(6):
        response = await person.http.post("/api/users/verification")
    return response


@example("POST", "/api/users/verification/confirm", 200)
async def _(world: World) -> httpx.Response:
    token = await world.token(MailKind.VERIFICATION, await world.someone())
    return await world.anyone().http.post("/api/users/verification/confirm", json={"token": token})


@example("POST", "/api/users/password/reset", 202)
async def _(world: World) -> httpx.Response:
    return await world.anyone().http.post("/api/users/password/reset", json={"email": f"{world.address}@example.com"})


@example("POST", "/api/users/password/reset", 429)
async def _(world: World) -> httpx.Response:
    for _ in range(6):
        response = await world.anyone().http.post("/api/users/password/reset", json={"email": "often@example.com"})
    return response


@example("POST", "/api/users/password/reset/confirm", 200)
async def _(world: World) -> httpx.Response:
    token = await world.token(MailKind.PASSWORD_RESET, await world.someone())
    body = {"token": token, "password": ANOTHER_PASSWORD}
    return await world.anyone().http.post("/api/users/password/reset/confirm", json=body)


def too_many_tokens(path: str) -> None:
    async def send(world: World) -> httpx.Response:
        for _ in range(120):
            await world.services.limits.token(world.address)
        return await world.anyone().http.post(path, json=BODY_ROUTES["POST", path])

    EXAMPLES["POST", path, 429] = send


too_many_tokens("/api/users/verification/confirm")
too_many_tokens("/api/users/password/reset/confirm")


@example("GET", "/api/users/me/export", 429)
async def _(world: World) -> httpx.Response:
    person = await world.someone()
    for _ in range(10):
        world.services.limits.export(person.id, world.address)
    return await person.http.get("/api/users/me/export")


@example("GET", "/api/users/me/export", 200)
async def _(world: World) -> httpx.Response:
    seller, buyer, _, order = await world.held()
    await buyer.pays(order)
    await buyer.lists()
    await world.program(buyer, "read", "buy")
    assert (await seller.http.get("/api/users/me/export")).status_code == 200
    return await buyer.http.get("/api/users/me/export")


@example("DELETE", "/api/users/me", 204)
async def _(world: World) -> httpx.Response:
    return await (await world.member()).http.request("DELETE", "/api/users/me", json={"password": PASSWORD})


@example("DELETE", "/api/users/me", 409)
async def _(world: World) -> httpx.Response:
    member = await world.member()
    await member.orders(await (await world.someone()).lists())
    return await member.http.request("DELETE", "/api/users/me", json={"password": PASSWORD})


@example("DELETE", "/api/users/me", 429)
async def _(world: World) -> httpx.Response:
    member = await world.member()
    for _ in range(11):
        response = await member.http.request("DELETE", "/api/users/me", json={"password": "wrong"})
    return response


def of_admins(method: str, path: str, status: int) -> None:
    async def done(world: World) -> httpx.Response:
        admin, person = await world.admin(), await world.someone()
        return await admin.http.request(method, path.format(user_id=person.id))

    async def missing(world: World) -> httpx.Response:
        return await (await world.admin()).http.request(method, path.format(user_id="f" * 24))

    async def refused(world: World) -> httpx.Response:
        person, other = await world.someone(), await world.someone()
        return await person.http.request(method, path.format(user_id=other.id))

    EXAMPLES[method, path, status] = done
    EXAMPLES[method, path, 404] = missing
    EXAMPLES[method, path, 403] = refused


of_admins("GET", "/api/admin/users/{user_id}", 200)
of_admins("PUT", "/api/admin/users/{user_id}/ban", 204)
of_admins("DELETE", "/api/admin/users/{user_id}/ban", 204)


@example("GET", "/api/admin/failed-refunds", 200)
async def _(world: World) -> httpx.Response:
    await a_failed_refund(world)
    return await (await world.admin()).http.get("/api/admin/failed-refunds")


@example("GET", "/api/admin/failed-refunds", 400)
async def _(world: World) -> httpx.Response:
    return await (await world.admin()).http.get("/api/admin/failed-refunds?limit=0")


@example("GET", "/api/admin/failed-refunds", 403)
async def _(world: World) -> httpx.Response:
    return await (await world.someone()).http.get("/api/admin/failed-refunds")


async def a_failed_refund(world: World) -> str:
    seller, buyer, _, order = await world.held()
    await buyer.pays(order)
    await seller.http.post(f"/api/orders/{order['id']}/refund")
    await world.market.fail_refund(order["id"])
    return str(order["id"])


def resolving(status: int, failed: Callable[[World], Awaitable[str]]) -> None:
    async def send(world: World) -> httpx.Response:
        order_id = await failed(world)
        return await (await world.admin()).http.post(f"/api/admin/failed-refunds/{order_id}/resolve")

    EXAMPLES["POST", "/api/admin/failed-refunds/{order_id}/resolve", status] = send


async def a_held_order(world: World) -> str:
    return str((await world.held())[3]["id"])


async def no_order(_world: World) -> str:
    return "f" * 24


resolving(200, a_failed_refund)
resolving(404, no_order)
resolving(409, a_held_order)


@example("PUT", "/api/admin/users/{user_id}/ban", 409)
async def _(world: World) -> httpx.Response:
    admin, other = await world.admin(), await world.admin()
    return await admin.http.put(f"/api/admin/users/{other.id}/ban")
