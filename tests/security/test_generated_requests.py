"""Requests that schemathesis makes of the served description, right and wrong ones: none crashes, each is described."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from bson import ObjectId
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from config.settings import Settings
from tests.models.served_market import ServedMarket, served_market
from tests.support.counting import HOSTILE_REQUESTS

pytestmark = pytest.mark.slow
# For each route, with right and with wrong values, signed in and not: together some 2,000.
EXAMPLES = 15
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def market(mongodb_url: str, redis_url: str) -> Iterator[ServedMarket]:
    settings = Settings(
        holdfast_env="test",
        mongodb_url=mongodb_url.replace("/holdfast", f"/generated{ObjectId()}"),
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust"),
        argon2_memory_kib=8_192,
        argon2_iterations=1,
        rate_limits=False,
    )
    with served_market(settings) as served:
        yield served


@dataclass
class Asked:
    """What was asked, and what was wrong with the answers."""

    market: ServedMarket
    session: requests.Session
    count: int = 0
    wrong: list[str] = field(default_factory=list)

    def ask(self, operation: Any, mode: GenerationMode, cookie: str | None) -> None:  # noqa: ANN401
        """Send examples of one operation, the same in every run."""
        described = set(operation.definition.raw["responses"])

        @seed(1)
        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:  # noqa: ANN401
            headers = {} if cookie is None else {"Cookie": f"session={cookie}"}
            response = case.call(base_url=str(self.market.http.base_url), session=self.session, headers=headers)
            self.count += 1
            self.wrong.extend(complaints(f"{operation.method} {operation.path}", response, described))

        # Where nothing is to be sent, nothing can be wrong with it.
        with suppress(Unsatisfiable):
            send()


def operations(document: dict[str, Any]) -> Iterator[Any]:
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok)
        yield result.ok()


def is_stream(operation: Any) -> bool:  # noqa: ANN401
    """Whether the answer goes on for a minute; wrong requests for those are in tests/web/test_event_stream.py."""
    return any("text/event-stream" in one.get("content", ()) for one in operation.definition.raw["responses"].values())


def complaints(what: str, response: Any, described: set[str]) -> Iterator[str]:  # noqa: ANN401
    status = response.status_code
    if status >= 500 and status != 503:
        yield f"{what}: {status}"
    if str(status) not in described and not _is_elsewhere(status):
        yield f"{what}: {status} is not described"
    if status >= 400 and set(response.json()) != {"errors"}:
        yield f"{what}: {status} in another format"


def _is_elsewhere(status: int) -> bool:
    """With a slash, a dot or nothing for an id the path is that of another route, or of none."""
    return status in {404, 405}


def test_every_request_generated_from_the_description_is_answered_as_described(
    market: ServedMarket, record_property: Callable[[str, object], None]
) -> None:
    document = market.http.get("/openapi.json").json()
    with requests.Session() as session:
        asked = Asked(market, session)
        for operation in operations(document):
            if is_stream(operation):
                continue
            for mode in MODES:
                asked.ask(operation, mode, market.cookie(market.account()))
            asked.ask(operation, GenerationMode.POSITIVE, None)
    record_property(HOSTILE_REQUESTS, asked.count)
    assert sorted(set(asked.wrong)) == []
    assert asked.count > 70 * EXAMPLES


def test_an_answer_that_is_not_described_is_found(market: ServedMarket) -> None:
    """The negative control: a description without refusals."""
    document = market.http.get("/openapi.json").json()
    route = document["paths"]["/api/orders"]["post"]
    route["responses"] = {"201": route["responses"]["201"]}
    document["paths"] = {"/api/orders": {"post": route}}
    with requests.Session() as session:
        asked = Asked(market, session)
        for operation in operations(document):
            asked.ask(operation, GenerationMode.NEGATIVE, market.cookie(market.account()))
    assert any("is not described" in complaint for complaint in asked.wrong)
