"""A market outlives the head of its cluster, whose control service keeps its state in a Redis of its own."""

from typing import Any

import pytest

from tests.cluster.node_programs import found_by, own_database
from tests.support.redis_servers import redis_with

SECONDS = 240
TICKET_ACTORS, REPLICAS = 2, 2
MANY = 10

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def found(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("head")
    settings = {
        "MONGODB_URL": own_database(mongodb_url),
        "REDIS_URL": redis_url,
        "JWT_KEY": "j" * 40,
        "DATA_DIR": folder,
        "RATE_LIMITS": "off",
        "TICKET_ACTORS": TICKET_ACTORS,
        "API_REPLICAS": REPLICAS,
    }
    with redis_with(folder) as storage:
        address = storage.removeprefix("redis://").removesuffix("/0")
        return found_by("tests.cluster.head_restart", folder, settings, SECONDS, RAY_REDIS_ADDRESS=address)


@pytest.mark.parametrize("lost", ["control service", "head"])
def test_no_request_fails_while_it_is_away_and_when_it_comes_back(found: dict[str, Any], lost: str) -> None:
    traded = found[f"without {lost}"]
    assert set(traded["statuses"]) == {"200", "201", "204"}, traded
    assert traded["succeeded meanwhile"] > MANY, "there was to be load"
    assert traded["longest gap"] < 10


@pytest.mark.parametrize("actor", ["tickets-0 after it", "tickets-1 during it"])
def test_an_actor_that_dies_without_control_service_or_afterwards_is_back_within_thirty_seconds(
    found: dict[str, Any], actor: str
) -> None:
    assert found[actor] < 30


@pytest.mark.parametrize("actor", ["supervisor", "tickets-0"])
def test_an_actor_that_dies_after_the_head_came_back_is_back_within_thirty_seconds(
    found: dict[str, Any], actor: str
) -> None:
    assert found[f"{actor} after the head"] < 30


def test_each_ticket_has_one_holder_after_the_head_came_back(found: dict[str, Any]) -> None:
    contended = found["contended"]
    assert contended["reserved"] == [[201, 409, 409]] * len(contended["reserved"])
    assert contended["paid"] == [201] * len(contended["reserved"])


def test_verify_agrees_after_the_head_came_back(found: dict[str, Any]) -> None:
    verified = found["verified"]
    assert verified["exit code"] == 0, verified
    assert verified["completedOrders"] == len(found["contended"]["paid"])


def test_status_lists_each_actor_once_and_the_new_head_but_not_the_lost_one(found: dict[str, Any]) -> None:
    before, status = found["status before"], found["status"]
    assert status["exit code"] == 0, status["problems"]
    tickets = [f"tickets-{number}" for number in range(TICKET_ACTORS)]
    assert [actor["name"] for actor in status["actors"]] == ["orders-0", "payments-0", "supervisor", *tickets]
    assert {actor["state"] for actor in status["actors"]} == {"answers"}
    worker = {actor["node"] for actor in status["actors"]}
    assert len(status["nodes"]) == 2
    assert {node["id"] for node in status["nodes"]} & {node["id"] for node in before["nodes"]} == worker


def test_replicas_and_actors_that_were_not_killed_run_on(found: dict[str, Any]) -> None:
    before, after = (
        {one["name"]: one["pid"] for part in ("actors", "replicas") for one in found[status][part]}
        for status in ("status before", "status")
    )
    killed = {"supervisor", "tickets-0", "tickets-1"}
    assert len(after) == 3 + TICKET_ACTORS + REPLICAS
    assert {name for name in before if after.get(name) != before[name]} == killed


def test_no_process_of_an_actor_is_left_that_another_took_the_place_of(found: dict[str, Any]) -> None:
    assert found["processes"] == {"Supervisor": 1, "OrderActor": 1, "PaymentActor": 1, "TicketActor": TICKET_ACTORS}
