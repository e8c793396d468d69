"""A PostgreSQL of one's own for the length of a benchmark, with its default durability."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.ports import free_port

_DEBIAN = Path("/usr/lib/postgresql")
_USER = "postgres"
_START_SECONDS = 30


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, those of the newest version; None when it is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    installed = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not installed or (os.geteuid() == 0 and not _has_user()):
        return None
    return installed[-1].parent


def version() -> str | None:
    """What PostgreSQL calls itself, such as "postgres (PostgreSQL) 15.16"; None when it is not installed."""
    there = programs()
    if there is None:
        return None
    said = subprocess.run([there / "postgres", "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return said.stdout.strip()


@contextmanager
def temporary_cluster() -> Iterator[str]:
    """The address of a new cluster's database, which is gone when the context ends.

    fsync and synchronous_commit stay on, as they are by default. Raises CalledProcessError and TimeoutError.
    """
    there = programs()
    if there is None:
        raise FileNotFoundError("PostgreSQL is not installed")
    # PostgreSQL refuses to run as root.
    as_owner: list[str | Path] = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="holdfast-postgres-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        if as_owner:
            shutil.chown(folder, _USER, _USER)
        data = folder / "data"
        _run([*as_owner, there / "initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8"])
        control = [*as_owner, there / "pg_ctl", "-D", data, "-w", "-t", str(_START_SECONDS)]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=100"
        _run([*control, "-l", folder / "log", "-o", options, "start"])
        try:
            yield f"postgresql://{_USER}@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "fast", "stop"])


def _has_user() -> bool:
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        return False
    return True


def _run(command: list[str | Path]) -> None:
    # Its server keeps what it inherits open: a pipe would never end.
    subprocess.run(  # noqa: S603 - fixed commands of ours
        command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
    )
