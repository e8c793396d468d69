"""The commands say in one line what is wrong, and what to do."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from bson import ObjectId

from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from actors.read_model.projections import charge_document, order_document
from actors.storage.database import connect, database_of
from actors.storage.users import User, Users
from config.ports import free_port
from tests.support.command_line import run, spawn
from tests.support.examples import SALE, START, creation, order_of, reservation, ticket_after


@pytest.mark.parametrize("command", ["status", "verify", "load purchases-under-faults"])
def test_without_a_market_a_command_says_how_to_start_one(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, *command.split())
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "holdfast up" in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MONGODB_URL": "mongodb://127.0.0.1:1/holdfast"}, "no database answers at MONGODB_URL"),
        ({"MONGODB_URL": "mongodb://user:hunter2@127.0.0.1:1/holdfast"}, "no database answers"),
        ({"HTTP_HOST": "192.0.2.77"}, "this machine has no address 192.0.2.77: set HTTP_HOST"),
        ({"HTTP_HOST": "localhost"}, "HTTP_HOST must be IP addresses"),
        ({"DATA_DIR": "/proc/nowhere"}, "/proc/nowhere"),
    ],
)
def test_a_start_that_fails_says_why_in_one_line(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    done = spawn(tmp_path, "up", **settings)
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_a_port_that_is_taken_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        done = spawn(tmp_path, "up", HTTP_PORT=str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "is taken by another program: stop it, or set HTTP_PORT" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_that_refuses_its_password_is_reported_in_one_line(tmp_path: Path, mongodb_url: str) -> None:
    done = spawn(tmp_path, "up", MONGODB_URL=f"mongodb://market:hunter2@{mongodb_url.partition('@')[2]}")
    assert done.returncode == 1
    assert "the database at MONGODB_URL refuses us (code 18)" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr + done.stdout


def test_a_database_that_does_not_answer_is_reported_in_one_line(tmp_path: Path) -> None:
    done = spawn(tmp_path, "verify", MONGODB_URL="mongodb://127.0.0.1:1/holdfast")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the ledgers could not be read" in done.stderr


def test_a_load_without_a_market_at_its_port_is_reported_in_one_line(tmp_path: Path) -> None:
    done = spawn(tmp_path, "load", "purchases-under-faults", MONGODB_URL="mongodb://127.0.0.1:1/holdfast")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "does not answer" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("load", "purchases-under-faults", "--faults", "2"),
        ("load", "purchases-under-faults", "--purchases", "0"),
        ("load", "purchases-under-faults", "--buyers", "x"),
        ("load", "contend", "h.jsonl", "--seconds", "0"),
        ("load", "contend", "h.jsonl", "--tickets", "0"),
        ("load", "contend", "."),
    ],
)
def test_options_out_of_bounds_are_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert run(tmp_path, *words).returncode == 2


def test_a_history_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "load", "contend", "nowhere/h.jsonl", MONGODB_URL="mongodb://127.0.0.1:1/holdfast")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nowhere/h.jsonl" in done.stderr


def test_faults_are_refused_where_real_money_is_paid(tmp_path: Path) -> None:
    words = ("load", "purchases-under-faults", "--faults", "0.1")
    done = run(tmp_path, *words, MONGODB_URL="mongodb://127.0.0.1:1/holdfast", STRIPE_KEY="sk_test_example")
    assert done.returncode == 1
    assert "unset STRIPE_KEY" in done.stderr


def test_an_address_that_nobody_has_makes_no_administrator(tmp_path: Path, mongodb_url: str) -> None:
    done = spawn(tmp_path, "admin", "grant", "nobody@example.com", MONGODB_URL=mongodb_url)
    assert done.returncode == 1
    assert done.stderr == "the role was not changed: nobody has signed up with this address\n"


async def test_the_admin_role_is_given_to_a_user_with_a_verified_address_and_taken_back(
    tmp_path: Path, mongodb_url: str
) -> None:
    user = User(str(ObjectId()), f"{ObjectId()}@example.com", "hash", 1_000)
    async with connect(mongodb_url) as client:
        users = Users(database_of(client))
        assert await users.add(user)
        refused = await asyncio.to_thread(run, tmp_path, "admin", "grant", user.email, MONGODB_URL=mongodb_url)
        assert refused.returncode == 1
        assert "--unverified" in refused.stderr
        unverified = await asyncio.to_thread(
            run, tmp_path, "admin", "grant", "--unverified", user.email, MONGODB_URL=mongodb_url
        )
        assert unverified.returncode == 0, unverified.stderr
        assert await users.verify_email(user, 2_000)
        for words, is_admin in (("grant", True), ("grant", True), ("revoke", False)):
            done = await asyncio.to_thread(run, tmp_path, "admin", words, user.email, MONGODB_URL=mongodb_url)
            assert done.returncode == 0, done.stderr
            found = await users.by_id(user.id)
            assert found
            assert found.is_admin is is_admin


def test_without_a_market_no_failed_refund_is_resolved_and_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    done = run(tmp_path, "admin", "failed-refunds", "resolve", "f" * 24)
    assert done.returncode == 1
    assert "holdfast up" in done.stderr


async def test_failed_refunds_to_pay_by_hand_are_listed_and_nothing_else(tmp_path: Path, mongodb_url: str) -> None:
    ended = replace(an_order_that_was_sold(), status=OrderStatus.CANCELLED, cancel_reason=CancelReason.REFUNDED)
    charge = Charge(
        str(ObjectId()), ended.id, ended.ticket_id, ended.buyer_id, 1, ended.price, "usd", "pm_card_visa",
        ChargeStatus.COMPLETED, 1_000, 2_000, stripe_id="pi_1", failure="lost_or_stolen_card",
    )  # fmt: skip
    url = mongodb_url.replace("/holdfast", f"/by_hand{ObjectId()}")
    async with connect(url) as client:
        database = database_of(client)
        empty = await asyncio.to_thread(run, tmp_path, "admin", "failed-refunds", "list", MONGODB_URL=url)
        assert "Nobody" in empty.stdout
        await database["orders"].insert_one(order_document(ended))
        await database["charges"].insert_one(charge_document(charge))
        done = await asyncio.to_thread(run, tmp_path, "admin", "failed-refunds", "list", MONGODB_URL=url)
    assert done.returncode == 0, done.stderr
    for shown in (ended.id, "50.00 usd", "pi_1", "lost_or_stolen_card"):
        assert shown in done.stdout


def an_order_that_was_sold() -> Order:
    return order_of(ticket_after(creation(), reservation(), START, SALE))
