"""The image. No Docker runs here: its file is read, and what it would be sent is built and run without it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from config.ray_environment import RAY_SETTINGS
from tests.support.dockerfile import Stage, context, read
from tests.support.manifest_rules import SECRETS
from tests.support.manifests import ROOT, program

DOCKERFILE = (ROOT / "Dockerfile").read_text()
_PROJECT = {"LICENSE", "README.md", "constraints.txt", "pyproject.toml"}
_PACKAGES = {"actors", "cli", "config", "holdfast", "serve_app"}
# What lies in a folder in which somebody works.
_PRIVATE = (
    ".env",
    ".holdfast/jwt.key",
    "holdfast.env",
    "config/.env",
    "config/production.env",
    "serve_app/.holdfast/ray.token",
    "actors/__pycache__/secret.cpython-311.pyc",
    ".git/config",
    ".venv/bin/python",
    "tests/conftest.py",
    "holdfast.egg-info/PKG-INFO",
    "reports/pages/index.html",
)


def mistakes(text: str) -> Iterator[str]:
    """What is wrong with a Dockerfile."""
    before, stages = read(text)
    final = stages[-1]
    if before != ["BASE_IMAGE"] or {each.image for each in stages} != {"${BASE_IMAGE}"}:
        yield "the base image has to be given, with its digest"
    ray = {name: value for name, value in final.environment.items() if name in RAY_SETTINGS or name.startswith("RAY_")}
    own = {"RAY_SERVE_HAPROXY_BINARY_PATH": "/opt/holdfast/config/haproxy.sh"}
    if ray != RAY_SETTINGS | own or final.environment["HTTP_HOST"] != "0.0.0.0":  # noqa: S104 - what the image sets
        yield "its environment is not that of a market on one machine"
    if final.of("USER") != ["1000:1000"]:
        yield "it runs as root"
    if final.of("ENTRYPOINT") != ['["tini", "--"]'] or "tini=" not in " ".join(final.of("RUN")):
        yield "nobody waits for children that others left"
    if not any("/-/healthz" in each for each in final.of("HEALTHCHECK")):
        yield "nobody looks whether it serves"
    if [each.split()[0] for each in final.of("COPY") + final.of("ADD")] != ["--from=build"]:
        yield "more than what was installed is in a layer"
    for stage in stages:
        named = {*stage.environment, *(each.split("=")[0] for each in stage.of("ARG"))}
        yield from (f"{name} would be in a layer" for name in named & SECRETS)


def test_the_dockerfile_has_no_mistake() -> None:
    assert list(mistakes(DOCKERFILE)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("ARG BASE_IMAGE", "ARG BASE_IMAGE=python:3.11-slim"),
        ("FROM ${BASE_IMAGE}\n", "FROM python:3.11-slim\n"),
        ("RAY_worker_niceness=0", "RAY_worker_niceness=15"),
        (" RAY_AUTH_MODE=token \\\n   ", ""),
        ('FORWARDED_ALLOW_IPS=""', 'FORWARDED_ALLOW_IPS="*"'),
        ("/opt/holdfast/config/haproxy.sh \\\n    HOLD", "/opt/holdfast/haproxy/haproxy \\\n    HOLD"),
        ("USER 1000:1000", "USER 0"),
        ("USER 1000:1000\n", ""),
        ('ENTRYPOINT ["tini", "--"]', ""),
        ("/-/healthz", "/healthz"),
        ("WORKDIR /home/ray", "COPY . ."),
        ("WORKDIR /home/ray", "ENV STRIPE_KEY=sk_live_secret"),
        ("WORKDIR /src", "ARG JWT_KEY"),
    ],
)
def test_a_mistake_in_the_dockerfile_is_noticed(right: str, wrong: str) -> None:
    assert DOCKERFILE.count(right) == 1
    assert list(mistakes(DOCKERFILE.replace(right, wrong)))


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert hadolint(DOCKERFILE) == []


def test_hadolint_would_find_a_package_without_version() -> None:
    assert hadolint(DOCKERFILE.replace("tini='0.19.*'", "tini")) == ["DL3008"]


def hadolint(text: str) -> list[str]:
    command = [program("hadolint"), "--no-fail", "--format", "json", "-"]
    output = subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout
    return [each["code"] for each in json.loads(output)]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_a_container_is_healthy_while_haproxy_says_so(status: int, code: int) -> None:
    class HAProxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/-/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is written."""

    command = json.loads(final().of("HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[0] == "python"
    with ThreadingHTTPServer(("127.0.0.1", 0), HAProxy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        environment = {**os.environ, "HTTP_PORT": str(server.server_port)}
        ran = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, check=False)
        server.shutdown()
    assert ran.returncode == code


def final() -> Stage:
    return read(DOCKERFILE)[1][-1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git knows of this project, and what else lies about where somebody works."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in _PRIVATE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("secret")
    return folder


def tracked() -> list[str]:
    """The files of a commit of now."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.splitlines() if (ROOT / name).is_file()]


def test_the_builder_is_sent_the_packages_and_nothing_else(checkout: Path) -> None:
    assert context(checkout) == {name for name in tracked() if name.split("/")[0] in _PROJECT | _PACKAGES}


def test_without_dockerignore_the_builder_would_be_sent_secrets(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "careless")
    (tmp_path / "careless/.dockerignore").write_text("")

    assert {*_PRIVATE} <= context(tmp_path / "careless")


def test_what_is_installed_is_what_the_builder_was_sent(checkout: Path, tmp_path: Path) -> None:
    """Build the package from what the builder gets. That pip finds all it depends on, the workflow shows."""
    sent = tmp_path / "sent"
    for name in context(checkout):
        (sent / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout / name, sent / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(sent)], check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {each.filename: each.external_attr >> 16 for each in archive.infolist()}
    packed = {name for name in files if ".dist-info/" not in name}
    assert packed == {name for name in context(checkout) if name.split("/")[0] in _PACKAGES}
    assert files["config/haproxy.sh"] & 0o111
