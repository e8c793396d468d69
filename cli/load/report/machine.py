"""What figures were measured on."""

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from cli.load.report.schema import MachineView

PACKAGES = ("holdfast", "ray", "fastapi", "pymongo", "secantusdb", "uvloop")


def machine(packages: Sequence[str] = PACKAGES) -> MachineView:
    """Return what this machine is, and the versions of these packages as far as they are installed."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memoryGb": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "loadAverage": os.getloadavg()[0],
        "versions": dict(_versions(packages)),
    }


def _versions(packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in packages:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _commit() -> str:
    """Return the commit of the checkout that this runs from, `unknown` where it is none."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        said = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return "unknown"
    return said.stdout.strip() or "unknown"
