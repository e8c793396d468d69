"""Which host an id lives in: the same for everyone, evenly spread, and hardly changed by another host."""

from collections import Counter

import pytest

from actors.cluster import names
from actors.runtime.placement import host_of
from config.settings import Settings
from tests.support.examples import new_id

IDS = [new_id() for _ in range(5_000)]


def placed(hosts: int) -> dict[str, str]:
    names_of_hosts = tuple(f"tickets-{number}" for number in range(hosts))
    return {entity_id: host_of(names_of_hosts, entity_id) for entity_id in IDS}


def test_one_host_has_everything() -> None:
    assert set(placed(1).values()) == {"tickets-0"}


def test_every_process_of_every_release_finds_the_same_host() -> None:
    hosts = tuple(f"tickets-{number}" for number in range(4))
    homes = [host_of(hosts, f"{number:024x}") for number in range(8)]
    assert homes == [host_of(hosts[::-1], f"{number:024x}") for number in range(8)]
    assert homes == [f"tickets-{number}" for number in (0, 3, 0, 1, 3, 1, 2, 3)]


@pytest.mark.parametrize("hosts", [2, 3, 8])
def test_hosts_get_even_shares(hosts: int) -> None:
    shares = Counter(placed(hosts).values())
    fair = len(IDS) / hosts
    assert len(shares) == hosts
    assert all(0.85 * fair < share < 1.15 * fair for share in shares.values())


@pytest.mark.parametrize("hosts", [1, 2, 3, 8])
def test_another_host_takes_its_share_and_moves_nothing_else(hosts: int) -> None:
    before, after = placed(hosts), placed(hosts + 1)
    moved = {entity_id for entity_id in IDS if before[entity_id] != after[entity_id]}
    assert {after[entity_id] for entity_id in moved} == {f"tickets-{hosts}"}
    assert len(moved) == pytest.approx(len(IDS) / (hosts + 1), rel=0.2)


@pytest.mark.parametrize(
    ("url", "namespace"),
    [
        (None, "holdfast-holdfast"),
        ("mongodb://127.0.0.1:27017", "holdfast-holdfast"),
        ("mongodb://user:secret@a:27017,b:27017/green?replicaSet=rs0", "holdfast-green"),
        ("mongodb+srv://user:secret@example.com/blue/?tls=true", "holdfast-blue"),
    ],
)
def test_markets_with_databases_of_other_names_do_not_meet_on_one_ray_cluster(url: str | None, namespace: str) -> None:
    assert names.namespace(Settings(_env_file=None, mongodb_url=url)) == namespace
