"""Two trees of this repository, and processes that run the code of one of them."""

import ast
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from config.settings import Settings

HERE = Path(__file__).parents[2]
PREVIOUS = Path(__file__).with_name("previous_release.txt")
START_SECONDS = 40


class NoHistoryError(Exception):
    """The checkout does not have the commit of the previous release; says how to get it."""


def previous_release(into: Path) -> Path:
    """Return the tree of the commit that `previous_release.txt` names. Raises NoHistoryError."""
    commit = PREVIOUS.read_text().split()[0]
    made = subprocess.run(["git", "archive", commit], cwd=HERE, capture_output=True, check=False)  # noqa: S607 - git
    if made.returncode != 0:
        raise NoHistoryError(
            f"commit {commit} of the previous release is not in this checkout: get it with `git fetch --unshallow`, "
            f"or `git fetch origin {commit}`, in a clone of the repository"
        )
    with tarfile.open(fileobj=BytesIO(made.stdout)) as tree:
        tree.extractall(into, filter="data")
    return into


# Releases that are not written yet: today's tree with something changed.

GIFT = "somebody"


def with_gifts(into: Path) -> Path:
    """Return a tree whose orders say for whom they are, whose documents are derived anew, and whose schema is newer."""
    values = into / "actors/domain/ticket_values.py"
    _copy_today(into)
    lines = values.read_text().splitlines()
    (order,) = (each for each in ast.parse(values.read_text()).body if getattr(each, "name", "") == "Order")
    assert isinstance(order, ast.ClassDef)
    last = max(each.end_lineno or 0 for each in order.body if isinstance(each, ast.AnnAssign))
    lines.insert(last, f'    gift_for: str | None = "{GIFT}"')
    values.write_text("\n".join(lines) + "\n")
    _raise(into / "actors/read_model/projections.py", r'(?<="orders": )\d+')
    _raise(into / "actors/storage/schema.py", r"(?<=^SCHEMA = )\d+")
    return into


def with_a_breaking_schema(into: Path) -> Path:
    """Return a tree that changes the database so that today's release has to stop."""
    _copy_today(into)
    schema = into / "actors/storage/schema.py"
    _raise(schema, r"(?<=^SCHEMA = )\d+")
    schema.write_text(re.sub(r"^BREAKING = \d+", "BREAKING = SCHEMA", schema.read_text(), flags=re.MULTILINE))
    return into


def that_nobody_understands(into: Path) -> Path:
    """Return a tree with another version of the wire: for the control."""
    _copy_today(into)
    _raise(into / "actors/cluster/serialization.py", r"(?<=^VERSION = )\d+")
    return into


def _copy_today(into: Path) -> None:
    for part in ("actors", "config", "holdfast", "tests/upgrades"):
        shutil.copytree(HERE / part, into / part, ignore=shutil.ignore_patterns("__pycache__"))


def _raise(file: Path, number: str) -> None:
    changed, times = re.subn(number, lambda found: str(int(found[0]) + 1), file.read_text(), flags=re.MULTILINE)
    assert times == 1, f"{number} in {file}"
    file.write_text(changed)


@dataclass(eq=False)
class Process:
    """A program of one release. `told` is what it says to one line."""

    running: asyncio.subprocess.Process

    async def told(self, **wanted: Any) -> Any:  # noqa: ANN401 - JSON
        assert self.running.stdin is not None
        assert self.running.stdout is not None
        self.running.stdin.write(json.dumps(wanted).encode() + b"\n")
        return json.loads(await self.running.stdout.readline())

    async def kill(self) -> None:
        if self.running.returncode is None:
            self.running.kill()
            await self.running.wait()


@dataclass(frozen=True)
class Release:
    """One tree. `folder` has the sockets, and the links by which actors are found."""

    tree: Path
    folder: Path
    settings: Settings

    async def trader(self) -> Process:
        return await self._start("trader", str(self.folder))

    async def migrate(self) -> tuple[int, str]:
        """Bring the database up to this release, and return the exit code and what was said."""
        migrating = (await self._start("migrate", stderr=asyncio.subprocess.PIPE)).running
        _, said = await migrating.communicate()
        return await migrating.wait(), said.decode()

    async def begin(self, name: str) -> Process:
        """Start an actor, and have all messages for this name go to it."""
        socket = self.folder / f"{name}.{os.urandom(3).hex()}"
        process = await self._start("actor", name, str(self.folder), str(socket))
        async with asyncio.timeout(START_SECONDS):
            while not socket.exists():
                assert process.running.returncode is None, f"{name} of {self.tree} did not start"
                await asyncio.sleep(0.02)
        link = self.folder / f"next-{name}"
        link.symlink_to(socket)
        link.rename(self.folder / name)
        return process

    async def _start(self, program: str, *arguments: str, stderr: int | None = None) -> Process:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")},
            "PYTHONPATH": str(self.tree),
            "MONGODB_URL": str(self.settings.mongodb_url),
            "REDIS_URL": str(self.settings.redis_url),
            "DATA_DIR": str(self.folder),
        }
        command = [sys.executable, "-m", f"tests.upgrades.{program}", *arguments]
        pipe = asyncio.subprocess.PIPE
        return Process(
            await asyncio.create_subprocess_exec(
                *command, env=environment, cwd=self.tree, stdin=pipe, stdout=pipe, stderr=stderr
            )
        )
