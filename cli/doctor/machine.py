"""What this machine has: Python, open files, disk, memory, HAProxy, and the ports of the market."""

import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from cli.doctor.finding import Finding, Verdict
from cli.up.start_checks import StartError, listening_addresses
from config import ray_environment
from config.settings import Settings

FIRST_PYTHON, LAST_TRIED_PYTHON = (3, 11), (3, 13)
# HAProxy takes up to 4,096 connections, each of which needs a file for itself and one for its replica.
FEW_FILES = 8_192
LITTLE_DISK_BYTES, SOME_DISK_BYTES = 1 << 30, 5 << 30
# What the default market takes, embedded servers included, is less (docs/performance.md).
LITTLE_MEMORY_BYTES = 1_500_000_000


def findings(settings: Settings, *, is_running: bool) -> Iterator[Finding]:
    """Yield what was found about the machine. The ports of a market that runs here are its own."""
    yield python()
    yield open_files()
    yield disk(settings.data_dir)
    yield memory()
    yield haproxy()
    yield Finding("ports", Verdict.OK, "the market runs and has them") if is_running else ports(settings)


def python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Judge the version of Python that runs this."""
    text = f"Python {version[0]}.{version[1]}"
    if version < FIRST_PYTHON:
        return Finding("python", Verdict.PROBLEM, f"{text} is too old: install 3.11 or newer")
    if version > LAST_TRIED_PYTHON:
        return Finding("python", Verdict.WARNING, f"{text} was not tried with this release: 3.11 to 3.13 are supported")
    return Finding("python", Verdict.OK, text)


def open_files() -> Finding:
    """Judge how many files a process of this shell may have open: each connection is one."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < FEW_FILES:
        text = f"a process may have {most} files open, and each connection is one: run `ulimit -n {FEW_FILES}` first"
        return Finding("open files", Verdict.WARNING, text)
    return Finding("open files", Verdict.OK, "enough for 4,096 connections")


def disk(folder: Path) -> Finding:
    """Judge the space where the market keeps its data and logs."""
    there = next(each for each in (folder.resolve(), *folder.resolve().parents) if each.is_dir())
    free = shutil.disk_usage(there).free
    text = f"{free / (1 << 30):.1f} GiB free at {there}"
    if free < LITTLE_DISK_BYTES:
        return Finding("disk", Verdict.PROBLEM, f"{text}: make room, or set DATA_DIR to another disk")
    if free < SOME_DISK_BYTES:
        return Finding("disk", Verdict.WARNING, f"{text}: a purchase takes some 20 KB, so make room in time")
    return Finding("disk", Verdict.OK, text)


def memory() -> Finding:
    """Judge the memory that programs can still have."""
    free = psutil.virtual_memory().available
    text = f"{free / (1 << 30):.1f} GiB available"
    if free < LITTLE_MEMORY_BYTES:
        return Finding("memory", Verdict.WARNING, f"{text}, a market of the default size takes 1.2: end other programs")
    return Finding("memory", Verdict.OK, text)


def haproxy() -> Finding:
    """Judge whether requests go through HAProxy."""
    if not ray_environment.has_haproxy():
        text = "HAProxy is not here, and requests go through Python, slowly: use Linux, where Ray brings it"
        return Finding("haproxy", Verdict.WARNING, text)
    return Finding("haproxy", Verdict.OK, "there")


def ports(settings: Settings) -> Finding:
    """Judge whether a market could listen where the settings say."""
    try:
        hosts = listening_addresses(settings)
    except StartError as error:
        return Finding("ports", Verdict.PROBLEM, str(error))
    return Finding("ports", Verdict.OK, f"{settings.http_port} of {', '.join(hosts)} is free")
