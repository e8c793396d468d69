"""Each request has an id, which is answered and is in every line about it, and a line that says how it was answered."""

import re
from http import HTTPStatus

import httpx
import pytest
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from actors.runtime import trace
from config.settings import LoggedRequests
from serve_app.api import create_api
from serve_app.http.request_context import RequestContext
from serve_app.http.request_counts import RequestCounts
from tests.api.world import World
from tests.support.log_lines import LogLines, log_lines

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
VALID = f"00-{ID}-00f067aa0ba902b7-01"
UUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


async def tells_its_trace(scope: Scope, receive: Receive, send: Send) -> None:
    structlog.get_logger().info("handled")
    await PlainTextResponse(trace.current.get() or "none")(scope, receive, send)


async def ask(
    headers: list[tuple[str, str]],
    method: str = "POST",
    log_requests: LoggedRequests = "changes",
    app: ASGIApp = tells_its_trace,
) -> httpx.Response:
    transport = httpx.ASGITransport(RequestContext(app, log_requests, RequestCounts()))
    async with httpx.AsyncClient(transport=transport, base_url="http://market") as client:
        return await client.request(method, "/", headers=headers)


async def test_valid_trace_context_is_current_while_its_request_is_handled() -> None:
    response = await ask([("Traceparent", VALID)])
    assert response.text == VALID
    assert response.headers["x-request-id"] == ID
    assert trace.current.get() is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "anything",
        VALID.upper(),
        VALID.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        f"{VALID}-more",
        VALID.replace("4", "g"),
    ],
)
async def test_invalid_trace_context_is_passed_over_and_a_new_one_begins(header: str) -> None:
    response = await ask([("Traceparent", header)])
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", response.text)
    assert ID not in response.text
    assert response.headers["x-request-id"] == response.text[3:35]


async def test_two_trace_contexts_are_none() -> None:
    assert ID not in (await ask([("Traceparent", VALID), ("Traceparent", VALID)])).text


async def test_two_requests_have_two_ids() -> None:
    assert (await ask([])).headers["x-request-id"] != (await ask([])).headers["x-request-id"]


@pytest.mark.parametrize("given", [ID, UUID, UUID.upper()])
async def test_request_id_that_is_a_trace_id_is_the_id_of_all_lines(given: str) -> None:
    with log_lines() as lines:
        response = await ask([("X-Request-ID", given)])
    assert response.headers["x-request-id"] == given
    assert response.text[3:35] == ID
    assert [line["request"] for line in lines.all()] == [ID, ID]


async def test_request_id_of_another_form_is_answered_and_in_the_line_of_its_request() -> None:
    with log_lines() as lines:
        response = await ask([("X-Request-ID", "checkout:17/a")])
    handled, answered = lines.all()
    assert response.headers["x-request-id"] == answered["client_request_id"] == "checkout:17/a"
    assert handled["request"] == answered["request"] == response.text[3:35]
    assert "client_request_id" not in handled


async def test_trace_context_comes_before_the_request_id() -> None:
    response = await ask([("Traceparent", VALID), ("X-Request-ID", "0" * 31 + "1")])
    assert response.text == VALID


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a@example.com", "a\tb"])
async def test_request_id_that_is_none_is_neither_answered_nor_logged(given: str) -> None:
    with log_lines() as lines:
        response = await ask([("X-Request-ID", given)])
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])
    assert all("client_request_id" not in line for line in lines.all())


@pytest.mark.parametrize(("log_requests", "logged"), [("errors", []), ("changes", ["POST"]), ("all", ["GET", "POST"])])
async def test_setting_says_which_requests_have_a_line(log_requests: LoggedRequests, logged: list[str]) -> None:
    with log_lines() as lines:
        for method in ("GET", "POST"):
            await ask([], method, log_requests)
    assert [line["method"] for line in lines.all("request_answered")] == logged


def answered(lines: LogLines) -> dict[str, object]:
    (line,) = lines.all("request_answered")
    return line


async def creates(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(status_code=HTTPStatus.CREATED)(scope, receive, send)


async def test_status_of_a_request_is_logged_as_a_number_also_in_a_terminal() -> None:
    with capture_logs() as lines:
        await ask([], app=creates)
    (line,) = lines
    assert repr(line["status"]) == "201"


async def test_line_of_a_request_names_its_route_and_not_what_was_sent(world: World) -> None:
    ticket = await (await world.someone()).lists()
    buyer = (await world.someone()).http
    with log_lines() as lines:
        response = await buyer.post("/api/orders?secret=sesame", json={"ticketId": ticket["id"]})
    order = response.json()["id"]
    line = answered(lines)
    assert (line["method"], line["route"], line["status"], line["order"]) == ("POST", "/api/orders", 201, order)
    assert line["request"] == response.headers["x-request-id"]
    assert isinstance(line["ms"], float)
    with log_lines() as lines:
        await buyer.delete(f"/api/orders/{order}")
    line = answered(lines)
    assert (line["method"], line["route"], line["status"], line["order"]) == (
        "DELETE", "/api/orders/{order_id}", 204, order,
    )  # fmt: skip
    with log_lines() as lines:
        await buyer.post("/api/sesame", json={"sesame": "sesame"})
    assert (answered(lines)["route"], answered(lines)["status"]) == (None, 404)
    assert b"sesame" not in lines.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_failure_on_our_side_has_a_line_whatever_was_asked(world: World, method: str) -> None:
    api = create_api(world.services)

    @api.get("/broken")
    async def broken() -> None:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE)

    with log_lines() as lines:
        await world.anyone(api).http.request(method, "/broken")
    line = answered(lines)
    assert (line["level"], line["method"], line["route"], line["status"]) == ("warning", method, "/broken", 503)
