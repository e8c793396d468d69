import inspect
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, NoReturn

import httpx
import pytest
import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from pymongo.errors import DuplicateKeyError
from redis.exceptions import ConnectionError as RedisConnectionError

from actors.domain import refusals
from actors.domain.refusals import Overloaded, PriceChanged, Refusal, TooManyHolds, Unavailable
from actors.runtime.ports import StoreUnavailableError
from serve_app.http.errors import CustomError, DatabaseConnectionError, RequestValidationError
from serve_app.http.fast_routes import StaticRouteDispatcher
from serve_app.http.refusal_errors import error_of
from serve_app.http.responses import error_response
from tests.api.world import NOBODY, TICKET, World, errors
from tests.support.driver_errors import driver_errors

SECRET_INPUT = "4242424242424242"


def all_refusals() -> Iterator[Refusal]:
    for refusal in vars(refusals).values():
        if isinstance(refusal, type) and issubclass(refusal, Refusal) and refusal is not Refusal:
            values = {PriceChanged: (1_250,), TooManyHolds: (10,)}.get(refusal, ())
            yield refusal(*values)


@pytest.mark.parametrize("refusal", list(all_refusals()), ids=lambda refusal: type(refusal).__name__)
def test_every_refusal_is_answered_with_a_sentence(refusal: Refusal) -> None:
    error = error_of(refusal)
    assert 400 <= error.status_code < 600
    assert all(len(entry["message"].split()) > 2 for entry in error.serialize_errors())


def test_the_base_class_of_errors_cannot_be_instantiated() -> None:
    with pytest.raises(TypeError):
        CustomError()  # type: ignore[abstract]


def concrete(kind: type[Any]) -> Iterator[type[CustomError]]:
    for each in kind.__subclasses__():
        yield from concrete(each)
        if not each.__name__.startswith("_"):
            yield each


@pytest.mark.parametrize("kind", list(concrete(CustomError)), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_of_its_kind_and_one_format(kind: type[CustomError]) -> None:
    examples: dict[type[CustomError], tuple[object, ...]] = {
        RequestValidationError: ({"title": "is required", "": "One sentence."},),
    }
    takes = "message" in inspect.signature(kind).parameters
    error = kind(*examples.get(kind, ("One sentence about it.",) if takes else ()))
    assert 400 <= error.status_code < 600
    assert error.serialize_errors()
    for entry in error.serialize_errors():
        assert set(entry) <= {"message", "field"}
    response = error_response(error)
    assert response.status_code == error.status_code
    assert json.loads(bytes(response.body)) == {"errors": error.serialize_errors()}
    assert kind.__doc__


def test_the_errors_of_the_contract_are_among_them() -> None:
    assert {kind.__name__ for kind in concrete(CustomError)} >= {
        "RequestValidationError", "DatabaseConnectionError", "NotAuthorizedError", "ForbiddenError", "NotFoundError",
        "ConflictError", "TooManyRequestsError", "PayloadTooLargeError", "UnsupportedMediaTypeError",
    }  # fmt: skip


def test_the_named_errors_extend_the_root() -> None:
    assert issubclass(RequestValidationError, CustomError)
    assert issubclass(DatabaseConnectionError, CustomError)
    assert RequestValidationError({"price": "must be a number"}).serialize_errors() == [
        {"message": "price must be a number.", "field": "price"}
    ]


@pytest.mark.parametrize("path", ["/api", "/api/tickets/", "/api/nothing", "/API/tickets", "/%00", "/.env"])
async def test_an_unknown_address_is_not_found_in_our_format(world: World, path: str) -> None:
    response = await world.anyone().http.get(path)
    assert response.status_code == 404
    assert errors(response)


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/api/tickets"), ("PUT", "/api/orders"), ("GET", "/api/payments")]
)
async def test_a_method_that_is_not_allowed_is_405_with_an_allow_header(world: World, method: str, path: str) -> None:
    response = await world.anyone().http.request(method, path)
    assert response.status_code == 405
    assert errors(response)
    assert response.headers["allow"]


async def test_a_static_route_is_not_answered_by_the_router_and_one_with_a_parameter_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So both dispatchers are looked at by the tests below."""

    async def crash(*_: object) -> NoReturn:
        raise RuntimeError("asked the router")

    monkeypatch.setattr(APIRoute, "handle", crash)
    assert (await world.anyone().http.get("/api/tickets")).status_code == 200
    assert (await world.anyone().http.get(f"/api/tickets/{NOBODY}")).status_code == 500


def test_a_static_route_whose_handler_takes_more_than_the_request_is_refused_at_the_start() -> None:
    async def with_a_parameter(request: Request, limit: int = 20) -> Response:  # noqa: ARG001 - it never gets it
        return Response()

    async def with_a_dependency(request: Request) -> Response:  # noqa: ARG001 - as FastAPI calls it
        return Response()

    wrong = (
        APIRoute("/wrong", with_a_parameter),
        APIRoute("/wrong", with_a_dependency, dependencies=[Depends(lambda: None)]),
    )
    for route in wrong:
        with pytest.raises(TypeError, match="/wrong"):
            StaticRouteDispatcher(FastAPI(), [route])
    StaticRouteDispatcher(FastAPI(), [APIRoute("/right", with_a_dependency)])


@pytest.mark.parametrize("refusal", [Unavailable(), Overloaded()])
async def test_a_market_that_does_not_answer_is_503_with_a_time_to_wait(world: World, refusal: Refusal) -> None:
    _, buyer, _, order = await world.held()
    world.market.refusal = refusal
    for response in (
        await buyer.http.post("/api/tickets", json=TICKET),
        await buyer.http.post("/api/orders", json={"ticketId": NOBODY}),
        await buyer.pays(order),
    ):
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        assert errors(response)


class Failing:
    """Raises what it is told to, whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> NoReturn:
        raise self._error


AnswerTo = Callable[[Exception], Awaitable[httpx.Response]]


# A route without parameters is answered by StaticRouteDispatcher, one with them by FastAPI's router.
@pytest.fixture(params=["/api/tickets", f"/api/tickets/{NOBODY}"], ids=["static route", "route with a parameter"])
def answer_to(world: World, request: pytest.FixtureRequest) -> AnswerTo:
    """How a route answers when what it asks raises this."""

    async def answer(error: Exception) -> httpx.Response:
        failing: Any = Failing(error)
        queries = replace(world.services.queries, tickets=failing, catalogue=failing)
        world.serving(queries=queries, market=failing)
        return await world.anyone().http.get(request.param)

    return answer


@pytest.mark.parametrize(
    "error",
    [
        *(one for one in driver_errors() if not isinstance(one, DuplicateKeyError)),
        StoreUnavailableError("x"),
        RedisConnectionError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_lost_connection_is_503_with_a_time_to_wait(answer_to: AnswerTo, error: Exception) -> None:
    response = await answer_to(error)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert errors(response)


async def test_a_duplicate_key_that_no_route_handles_is_a_bug(answer_to: AnswerTo) -> None:
    with structlog.testing.capture_logs() as logs:
        response = await answer_to(DuplicateKeyError(SECRET_INPUT))
    assert response.status_code == 500
    assert any(entry.get("exception") == "DuplicateKeyError" for entry in logs)


async def test_a_crash_is_one_fixed_sentence_and_logged_without_input(answer_to: AnswerTo) -> None:
    with structlog.testing.capture_logs() as logs:
        response = await answer_to(ValueError(SECRET_INPUT))
    assert response.status_code == 500
    assert len(errors(response)) == 1
    [entry] = [log for log in logs if log["log_level"] == "error"]
    assert entry["exception"] == "ValueError"
    assert SECRET_INPUT not in response.text + repr(logs)
