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
NEW_COMMAND = """
@dataclass(frozen=True, slots=True)
class TransferTicket:
    ticket_id: str


"""

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("actors", "config"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def insert(file: Path, before: str, text: str) -> None:
    """Put the text before the line that begins like this."""
    source = file.read_text()
    assert source.count(f"\n{before}") == 1
    file.write_text(source.replace(f"\n{before}", f"\n{text}{before}"))


def errors_of_mypy(checkout: Path, *files: str) -> set[str]:
    """The files in which mypy finds a case that is not handled."""
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(checkout / "cache"), *files]
    told = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False).stdout
    return {line.partition(":")[0] for line in told.splitlines() if "assert_never" in line}


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
    files = ("actors/domain/ticket.py", "actors/domain/ticket_rules.py", "actors/read_model/projections.py")
    assert errors_of_mypy(checkout, *files) == set(files)
