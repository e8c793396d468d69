"""A market of which only replicas are deployed makes itself whole, and keeps off the head."""

import json
from typing import Any

import pytest

from tests.cluster.market_on_nodes import SECRET, TOLD
from tests.cluster.node_programs import found_by, own_database
from tests.cluster.nodes_that_go import TRADERS

SECONDS = 360
TICKET_ACTORS = 4

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def found(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("nodes")
    # Passwords that nobody asks for: those of the embedded servers are not marked.
    mongodb, redis = (f"{url}{'&' if '?' in url else '?'}" for url in (own_database(mongodb_url), redis_url))
    settings = {
        "MONGODB_URL": f"{mongodb}appName={SECRET}mongodb",
        "REDIS_URL": f"{redis}client_name={SECRET}redis",
        "JWT_KEY": f"{SECRET}{'j' * 32}",
        "STRIPE_WEBHOOK_SECRET": f"{SECRET}webhook",
        "SMTP_URL": f"smtp://holdfast:{SECRET}smtp@127.0.0.1:9",
        "DATA_DIR": folder,
        "RATE_LIMITS": "off",
        "TICKET_ACTORS": TICKET_ACTORS,
        "API_REPLICAS": 2,
    }
    return found_by("tests.cluster.market_on_nodes", folder, settings, SECONDS)


def test_replicas_create_the_supervisor_and_it_creates_all_other_actors(found: dict[str, Any]) -> None:
    assert found["seconds until all are there"] < 30


def test_no_actor_is_on_the_head_and_the_workers_share_them(found: dict[str, Any]) -> None:
    assert found["on the head"] == []
    # Ray's own actors take their turns in between, so a worker may have one more or less.
    assert found["ticket actors of each node"] in ([2, 2], [1, 3])


@pytest.mark.parametrize("name", ["supervisor", "tickets-0"])
def test_an_actor_that_was_ended_for_good_is_back_within_ten_seconds(found: dict[str, Any], name: str) -> None:
    assert found[f"seconds until {name} is back"] < 10


def test_those_who_create_the_supervisor_at_the_same_time_end_with_one(found: dict[str, Any]) -> None:
    assert found["supervisors"] == [1, 1]


def test_the_dashboard_shows_of_each_actor_its_class_and_its_writer(found: dict[str, Any]) -> None:
    tickets = ["TicketActor"] * TICKET_ACTORS
    assert found["shown with their writers"] == ["OrderActor", "PaymentActor", "Supervisor", *tickets]


def test_the_dashboard_shows_of_a_replica_its_application_and_deployment(found: dict[str, Any]) -> None:
    (shown,) = found["replicas as shown"]
    assert "holdfast" in shown
    assert "Api" in shown


def test_ray_keeps_no_secret_of_the_market(found: dict[str, Any]) -> None:
    # It is found what somebody told Ray, so a secret would be as well.
    assert found["marks known to Ray"] == {"in memory": [f"{TOLD}kept"], "as told": [f"{TOLD}kept"]}


def test_the_members_stay_who_they_are_whatever_a_restarted_actor_finds_in_its_settings(found: dict[str, Any]) -> None:
    members = sorted([*(f"tickets-{number}" for number in range(TICKET_ACTORS)), "orders-0", "payments-0"])
    assert found["members after another setting"] == [1, members]


def test_a_reload_renews_all_actors_and_what_serve_deployed_from_the_file_while_people_trade(
    found: dict[str, Any],
) -> None:
    reloaded = found["reloaded"]
    assert reloaded["code"] == 0, reloaded
    tickets = [f"tickets-{number} renewed" for number in range(TICKET_ACTORS)]
    others = ["payments-0 renewed", "orders-0 renewed", "supervisor renewed", "replicas of holdfast renewed"]
    assert reloaded["said"] == [*tickets, *others]
    assert_hardly_anybody_notices(reloaded)


def assert_hardly_anybody_notices(traded: dict[str, Any]) -> None:
    """Three nodes on one machine: an actor may take longer to start than a request waits, and each may meet one."""
    assert set(traded["statuses"]) <= {"200", "201", "204", "503"}, traded
    assert traded["statuses"].get("503", 0) <= TRADERS, traded
    assert traded["longest gap"] < 15


def test_everything_leaves_a_node_that_is_drained_and_hardly_anybody_who_trades_notices(found: dict[str, Any]) -> None:
    drained = found["drained"]
    assert drained["code"] == 0, drained
    done = json.loads(drained["said"][-1])
    assert done["left"] == []
    assert done["seconds"] < 60
    assert_hardly_anybody_notices(drained)


def test_a_market_that_loses_a_node_is_whole_again(found: dict[str, Any]) -> None:
    lost = found["lost"]
    assert lost["on it"] != []
    # What replicas of that node had in hand is lost, of which Serve's own proxy says 500.
    assert set(lost["statuses"]) <= {"200", "201", "204", "500", "503"}, lost
    assert lost["longest gap"] < 15
    assert lost["seconds until whole"] < 60


def test_a_market_that_is_stopped_on_its_cluster_leaves_no_actor_and_no_part_of_serve(found: dict[str, Any]) -> None:
    stopped = found["stopped"]
    assert stopped["code"] == 0, stopped
    tickets = [f"tickets-{number} ended" for number in range(TICKET_ACTORS)]
    others = ["payments-0 ended", "orders-0 ended"]
    assert stopped["said"] == ["replicas and proxies ended", "supervisor ended", *tickets, *others]
    assert stopped["left"] == []
