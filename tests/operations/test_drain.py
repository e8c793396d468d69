"""`holdfast drain`: which node is meant, and which nodes cannot be drained. See tests/cluster/ for a node that is."""

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.processes.nodes import Node
from cli.drain import NotDrainedError, check, chosen
from cli.main import app
from cli.running_market import ADDRESS_FILE
from config.ports import free_port

HEAD = Node("aaaaaaaa1111", "10.0.0.1", "head", has_market=False, is_draining=False)
ONE = Node("bbbbbbbb2222", "10.0.0.2", "worker-1", has_market=True, is_draining=False)
TWO = Node("bbbbbbbb3333", "10.0.0.3", "worker-2", has_market=True, is_draining=False)
LEAVING = Node("cccccccc4444", "10.0.0.4", "worker-3", has_market=True, is_draining=True)
NODES = [HEAD, ONE, TWO, LEAVING]


@pytest.mark.parametrize("wanted", ["10.0.0.2", "worker-1", "bbbbbbbb2222", "bbbbbbbb2"])
def test_a_node_is_meant_by_its_address_its_host_name_or_the_beginning_of_its_id(wanted: str) -> None:
    assert chosen(wanted, NODES) == ONE


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [("worker-9", "no node is called so"), ("aaaaa", "no node is called so"), ("bbbbbbbb", "several nodes are called")],
    ids=["of no node", "too short", "of two nodes"],
)
def test_a_name_that_is_not_one_nodes_is_refused_and_all_nodes_are_named(wanted: str, problem: str) -> None:
    with pytest.raises(NotDrainedError, match=problem) as refused:
        chosen(wanted, NODES)
    assert all(node.address in str(refused.value) and node.hostname in str(refused.value) for node in NODES)


def test_a_node_without_a_part_of_the_market_such_as_the_head_cannot_be_drained() -> None:
    with pytest.raises(NotDrainedError, match="no part of the market"):
        check(HEAD, NODES, is_forced=True)


def test_the_last_node_that_is_not_being_drained_is_drained_with_force_only() -> None:
    with pytest.raises(NotDrainedError, match="the last node of the market"):
        check(ONE, [HEAD, ONE, LEAVING], is_forced=False)
    check(ONE, [HEAD, ONE, LEAVING], is_forced=True)


def test_a_node_that_is_being_drained_already_may_be_given_again() -> None:
    check(LEAVING, NODES, is_forced=False)


def test_without_a_market_the_command_says_so_and_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    ended = CliRunner().invoke(app, ["drain", "worker-1"])
    assert ended.exit_code == 1
    assert "no market runs on" in ended.stderr


def test_the_address_of_a_market_that_was_killed_is_found_to_be_nobodys_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    (tmp_path / ADDRESS_FILE).write_text(f"127.0.0.1:{free_port()}")
    began = time.monotonic()
    ended = CliRunner().invoke(app, ["drain", "self"])
    assert ended.exit_code == 1
    assert ended.stderr.splitlines() == [f"no market runs on {tmp_path}: start one with `holdfast up`"]
    assert time.monotonic() - began < 10
