"""What a contributor may forget when a ticket gets a new command or event is an error of mypy, not of a customer."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEW_EVENT = """
@dataclass(frozen=True, slots=True)
class TicketTransferred:
    new_seller_id: str


"""
READER_THAT_TAKES_ALL_FOR_ORDERS = """
from actors.domain.ticket_values import Order
from actors.runtime.ports import Commit


def orders(commit: Commit) -> list[Order]:
    return [record.event.order for record in commit.records]
"""
NEW_COMMAND = """
@dataclass(frozen=True, slots=True)
class TransferTicket:
    ticket_id: str


"""

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("actors", "config", "holdfast", "serve_app"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def insert(file: Path, before: str, text: str) -> None:
    """Put the text before the line that begins like this."""
    source = file.read_text()
    assert source.count(f"\n{before}") == 1
    file.write_text(source.replace(f"\n{before}", f"\n{text}{before}"))


def mypy(checkout: Path, *files: str) -> str:
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(checkout / "cache"), *files]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False).stdout


def files_that_forget_a_case(checkout: Path, *files: str) -> set[str]:
    """The files in which mypy finds a case that is not handled."""
    told = mypy(checkout, *files)
    return {line.partition(":")[0] for line in told.splitlines() if "assert_never" in line}


def test_mypy_names_a_reader_that_takes_every_event_for_one_of_an_order(checkout: Path) -> None:
    (checkout / "actors/storage/reader.py").write_text(READER_THAT_TAKES_ALL_FOR_ORDERS)
    told = mypy(checkout, "actors/storage/reader.py")
    assert 'actors/storage/reader.py:7: error: "object" has no attribute "order"' in told


def test_mypy_names_each_place_that_forgets_a_new_event_or_command(checkout: Path) -> None:
    events, commands = checkout / "actors/domain/ticket_events.py", checkout / "actors/domain/ticket_commands.py"
    insert(events, "TicketEvent: TypeAlias", NEW_EVENT)
    events.write_text(
        events.read_text().replace(
            "TicketEvent: TypeAlias = (\n", "TicketEvent: TypeAlias = (\n    TicketTransferred |"
        )
    )
    insert(commands, "# What is answered according", NEW_COMMAND)
    commands.write_text(
        commands.read_text().replace("StateCommand: TypeAlias = ", "StateCommand: TypeAlias = TransferTicket | ")
    )
    files = (
        "actors/domain/ticket.py",
        "actors/domain/ticket_events.py",
        "actors/domain/ticket_rules.py",
        "actors/read_model/projections.py",
        "serve_app/schemas/history.py",
    )
    assert files_that_forget_a_case(checkout, *files) == set(files)
