"""The description of the API is true: there is an example for every route and every status that it promises."""

import re

import jsonschema
import pytest
from fastapi import FastAPI

from tests.api import account_examples as accounts
from tests.api import webhook_examples as hooks
from tests.api.examples import BODY_ROUTES, EXAMPLES, SIGNED_IN
from tests.api.world import JSON, World


@pytest.fixture(scope="session")
def document(api: FastAPI) -> JSON:
    return api.openapi()


async def test_there_is_an_example_for_every_status_of_every_route(document: JSON) -> None:
    promised = {
        (method.upper(), path, int(status))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
        if status != "default"
    }
    assert promised == set(EXAMPLES)


@pytest.mark.parametrize(("method", "path", "status"), sorted(EXAMPLES))
async def test_a_route_answers_as_described(world: World, document: JSON, method: str, path: str, status: int) -> None:
    response = await EXAMPLES[method, path, status](world)
    assert response.status_code == status, response.text
    described = document["paths"][path][method.lower()]["responses"][str(status)]
    if status in {204, 304}:
        assert response.content == b""
        return
    if response.headers["content-type"].startswith("text/event-stream"):
        assert set(described["content"]) == {"text/event-stream"}
        assert re.search(r"^retry: \d+$", response.text, re.MULTILINE)
        return
    schema = {**described["content"]["application/json"]["schema"], "components": document["components"]}
    jsonschema.validate(response.json(), schema)
    assert response.headers["content-type"] == "application/json"


async def test_bodies_parameters_and_sessions_are_described(document: JSON) -> None:
    for (method, path), body in {**BODY_ROUTES, **accounts.BODY_ROUTES, **hooks.BODY_ROUTES}.items():
        operation = document["paths"][path][method.lower()]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(body, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"unknown": 1}, schema)
    for method, path in (*SIGNED_IN, *accounts.SIGNED_IN, *hooks.SIGNED_IN):
        assert {"session": []} in document["paths"][path][method.lower()]["security"]
        assert {} not in document["paths"][path][method.lower()]["security"]
    assert document["components"]["securitySchemes"]["session"]["name"] == "session"
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/api/orders"]["post"]["security"] == [{"session": []}, {"bearer": ["buy"]}]
    assert document["paths"]["/api/tickets"]["get"]["security"] == [{}, {"session": []}, {"bearer": ["read"]}]
    assert document["paths"]["/api/tokens"]["get"]["security"] == [{"session": []}]
    names = {parameter["name"] for parameter in document["paths"]["/api/tickets"]["get"]["parameters"]}
    assert names == {"q", "category", "city", "minPrice", "maxPrice", "sort", "seller", "limit", "cursor"}
    assert "422" not in str(document["paths"])


async def test_the_pages_for_people_are_there(world: World) -> None:
    assert (await world.anyone().http.get("/docs")).status_code == 200
    assert (await world.anyone().http.get("/openapi.json")).status_code == 200
