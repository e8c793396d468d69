"""The truth about each route for `/docs`: bodies are parsed in the handlers, so FastAPI has to be told."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import BaseRoute

from actors.storage.access_tokens import AccessScope
from serve_app.http.errors import Errors
from serve_app.http.idempotency import HEADER
from serve_app.schemas.body import Body, Query

_MEANINGS = {
    HTTPStatus.BAD_REQUEST: "The request has the wrong shape; one entry per field",
    HTTPStatus.UNAUTHORIZED: "Nobody is signed in, or the credentials are wrong",
    HTTPStatus.PAYMENT_REQUIRED: "The payment was declined",
    HTTPStatus.FORBIDDEN: "It is somebody else's, the request came from another site, or the token lacks the scope",
    HTTPStatus.NOT_FOUND: "There is no such thing",
    HTTPStatus.CONFLICT: "The state does not allow it",
    HTTPStatus.PRECONDITION_FAILED: "It was changed since the version in If-Match",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is over 1 MiB",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not declared as JSON",
    HTTPStatus.TOO_MANY_REQUESTS: "A limit is used up; see Retry-After if it is there",
    HTTPStatus.SERVICE_UNAVAILABLE: "Busy, or the outcome is not known in time; see Retry-After, asking again is safe",
}
_OF_BODIES = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_OF_TOKENS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_BEARER = "A personal access token, made at `/account` or with `POST /api/tokens`. No cookie is read beside it."
_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "A repeat with the same key and body answers with what the first one made.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the version that was seen: refused with 412 if it was edited since.",
    "schema": {"type": "string", "examples": ['"7"']},
}
_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The `id` of the last event that was read: the stream goes on after it.",
    "schema": {"type": "string"},
}
# The answer of a route that streams events.
EVENT_STREAM: Mapping[str, Any] = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}


def documented(  # noqa: PLR0913 - each names one fact about a route
    success: Mapping[int, Any],
    errors: Sequence[int],
    *,
    body: type[Body] | None = None,
    query: type[Query] | None = None,
    scope: AccessScope | None,
    signed_in: bool = False,
    keyed: bool = False,
    conditional: bool = False,
    resumable: bool = False,
) -> dict[str, Any]:
    """Return the arguments that describe a route: models of its answers by status, and the statuses of its errors.

    `scope` is the scope that a personal access token needs for the route, None where it takes none. It is no more than
    described here, and `scope_of` reads it there: what is described holds.
    """
    statuses = {int(status) for status in (*errors, *(_OF_BODIES if body else ()), *(_OF_TOKENS if scope else ()))}
    headers = [*([_KEY] * keyed), *([_IF_MATCH] * conditional), *([_LAST_EVENT_ID] * resumable)]
    extra: dict[str, Any] = {"parameters": [*_parameters(query), *headers]}
    if body:
        schema = _without_titles(body.model_json_schema())
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if security := _security(scope, signed_in=signed_in):
        extra["security"] = security
    answers = {status: _answer(model) for status, model in success.items()}
    return {
        "response_class": StreamingResponse if EVENT_STREAM in success.values() else JSONResponse,
        "status_code": next(iter(success)),
        "response_model": None,
        "responses": answers
        | {status: {"model": Errors, "description": _MEANINGS[HTTPStatus(status)]} for status in sorted(statuses)}
        | {"default": {"model": Errors, "description": "Anything else that went wrong"}},
        "openapi_extra": extra,
    }


def scope_of(route: BaseRoute) -> AccessScope | None:
    """Return the scope that an access token needs for the route, None when it takes none."""
    ways = (getattr(route, "openapi_extra", None) or {}).get("security", ())
    return next((way["bearer"][0] for way in ways if "bearer" in way), None)


def describe_credentials(api: FastAPI, cookie: str) -> None:
    """Add the session cookie and personal access tokens to the description of the whole API."""
    describe = api.openapi

    def with_credentials() -> dict[str, Any]:
        schema = describe()
        schemes = schema.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["session"] = {"type": "apiKey", "in": "cookie", "name": cookie}
        schemes["bearer"] = {"type": "http", "scheme": "bearer", "description": _BEARER}
        return schema

    # FastAPI's documented way to extend the description.
    api.openapi = with_credentials  # type: ignore[method-assign]


def _security(scope: AccessScope | None, *, signed_in: bool) -> list[dict[str, list[str]]]:
    if scope is None:
        return [{"session": []}] if signed_in else []
    # OpenAPI 3.1 has the scopes here for this kind as well. The empty way is nobody's.
    return [*([] if signed_in else [{}]), {"session": []}, {"bearer": [scope]}]


def _answer(model: Any) -> dict[str, Any]:  # noqa: ANN401 - any type that pydantic can describe
    if isinstance(model, Mapping):
        return {"description": "Done", **model}
    return {"description": "Done"} if model is None else {"description": "Done", "model": model}


def _parameters(query: type[Query] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    properties: dict[str, Any] = _without_titles(query.model_json_schema())["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": _not_null(schema)}
        for name, schema in properties.items()
    ]


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else {name: value for name, value in schema.items() if value is not None}


def _without_titles(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Drop the titles that pydantic makes of names; a property that is called `title` stays."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_titles(part) for name, part in schema.items() if not (name == "title" and isinstance(part, str))
    }
