"""`holdfast` as one calls it, with the output and the exit code of a command."""

import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import structlog
from typer.testing import CliRunner

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.main import app


def run(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """What comes of a command in this process, which saves the second of a start. An error it does not know is raised.

    Each group of commands has a test that runs one as people do, with `spawn`.
    """
    logging = structlog.get_config()
    # What others log meanwhile in this process is no output of the command.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stdout))
    try:
        with chdir(folder):
            done = CliRunner().invoke(app, words, env=_environment(folder, settings), catch_exceptions=False)
    finally:
        structlog.configure(**logging)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def spawn(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """What comes of a command in a process of its own."""
    return subprocess.run(
        [HOLDFAST, *words], env=_environment(folder, settings), cwd=folder, check=False, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip


def _environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    return {**RunningMarket(folder).environment, **settings}
