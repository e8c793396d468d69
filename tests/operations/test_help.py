"""`holdfast --help` lists every command without importing it, and a command that is called is the one listed."""

import os
import subprocess
import sys

import pytest

from benchmarks.support.running_market import HOLDFAST
from cli.lazy_commands import LazyCommand
from cli.main import COMMANDS

HELP = """
import sys
from typer.testing import CliRunner
from cli.main import app
print(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout)
print({"pydantic", "pymongo", "redis", "ray", "stripe", "fastapi", "structlog"} & sys.modules.keys(), file=sys.stderr)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_line_of_its_own_help(name: str) -> None:
    place, summary = COMMANDS[name]
    command = LazyCommand(name, place, summary).load()
    assert command.help.splitlines()[0] == summary


def test_the_help_lists_every_command_without_importing_what_commands_need() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], check=False, capture_output=True, text=True)
    assert done.stderr == "set()\n"
    for name, (_, summary) in COMMANDS.items():
        assert f" {name} " in done.stdout
        assert summary in done.stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("holdfast jour", ["journal"]),
        ("holdfast journal ch", ["check"]),
        ("holdfast journal check --js", ["--json"]),
        ("holdfast admin failed-refunds re", ["resolve"]),
    ],
)
def test_a_shell_completes_commands_and_their_options(words: str, found: list[str]) -> None:
    asked = {"_HOLDFAST_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([HOLDFAST], env=os.environ | asked, check=False, capture_output=True, text=True)
    assert done.stdout.split() == found
