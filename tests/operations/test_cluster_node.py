"""A node of `cluster.yaml`, set up by Ray's own updater: its rsync and shell run here, in a home of the node's own."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from ray.autoscaler._private.updater import NodeUpdater
from ray.autoscaler._private.util import prepare_config
from ray.autoscaler.node_provider import NodeProvider

from config.ray_environment import RAY_SETTINGS
from config.settings import load

ROOT = Path(__file__).parents[2]
ADDRESS, HOME = "203.0.113.1", "/home/ubuntu"
SECRET = "marked-secret-of-the-market"
SETTINGS = {
    "HOLDFAST_ENV": "test",
    "JWT_KEY": "0123456789abcdef0123456789abcdef",
    "STRIPE_WEBHOOK_SECRET": SECRET,
    "MAIL_FROM": "Holdfast <tickets@example.com>",
    "TRUSTED_PROXIES": "2",
    "RATE_LIMITS": "off",
}
ROLES = ["head", "worker"]

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")


class NodeHere:
    """What Ray's command runner takes for `subprocess`: ssh and rsync to a machine whose home is a folder here."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def check_call(self, command: Sequence[str], **_options: object) -> None:
        if command[0] == "rsync":
            rsh = command.index("--rsh")
            here = [*command[:rsh], *command[rsh + 2 : -1], self._here(command[-1].partition(":")[2])]
        else:
            words = command[command.index(f"ubuntu@{ADDRESS}") + 1 :]
            here = ["bash", "-c", self._here(" ".join(words))]
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        subprocess.run(here, env=environment, stdin=subprocess.DEVNULL, check=True, timeout=60, start_new_session=True)

    def _here(self, text: str) -> str:
        return text.replace(HOME, str(self.home))


class OneNode(NodeProvider):
    """A cloud with this machine in it."""

    def external_ip(self, node_id: str) -> str:  # noqa: ARG002 - the only one
        return ADDRESS


@dataclass(frozen=True, slots=True)
class Node:
    cluster: dict[str, Any]
    updater: Any
    home: Path

    def deliver(self) -> None:
        """Copy what `file_mounts` names, from this folder and home."""
        self.updater.sync_file_mounts(self.updater.rsync_up)

    def run(self, commands: Sequence[str]) -> None:
        for command in commands:
            self.updater.cmd_runner.run(command)

    def write_ray_environment(self) -> None:
        self.run([command for command in self.cluster["setup_commands"] if "ray.env" in command])

    def start(self, role: str) -> None:
        self.run(self.cluster[f"{role}_start_ray_commands"])

    def calls(self) -> list[str]:
        """What was asked of `ray`, `serve` and `holdfast`."""
        return (self.home / "calls").read_text().splitlines()

    def environment_of(self, call: str) -> dict[str, str]:
        """The environment of the call that begins like this."""
        number = next(number for number, made in enumerate(self.calls(), 1) if made.startswith(call))
        variables = (self.home / f"environment.{number}").read_text().split("\0")
        return dict(variable.split("=", 1) for variable in variables if variable)


def node_of(home: Path) -> Node:
    cluster = prepare_config(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    updater = NodeUpdater(
        node_id="node",
        provider_config=cluster["provider"],
        provider=OneNode(cluster["provider"], cluster["cluster_name"]),
        auth_config=cluster["auth"],
        cluster_name=cluster["cluster_name"],
        file_mounts=cluster["file_mounts"],
        initialization_commands=[],
        setup_commands=[],
        ray_start_commands=[],
        runtime_hash="",
        file_mounts_contents_hash="",
        is_head_node=True,
        process_runner=NodeHere(home),
        rsync_options={name: cluster.get(name) for name in ("rsync_exclude", "rsync_filter")},
    )
    home.mkdir()
    return Node(cluster, updater, home)


def write_own_files(home: Path) -> None:
    """As the first lines of cluster.yaml ask of whoever runs `ray up`."""
    for path, content in {
        ".holdfast/holdfast.env": "".join(f"{name}={value}\n" for name, value in SETTINGS.items()),
        ".ray/auth_token": "a token",
    }.items():
        (home / path).parent.mkdir(parents=True)
        (home / path).write_text(content)


def write_programs(home: Path) -> None:
    """Ray, Serve and our own command note what they are asked; Python is this one."""
    folder = home / "venv" / "bin"
    folder.mkdir(parents=True)
    noting = """#!/bin/sh
echo "${0##*/} $*" >> ~/calls
env -0 > ~/environment.$(wc -l < ~/calls)
"""
    python = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    for name, program in {"ray": noting, "serve": noting, "holdfast": noting, "python": python}.items():
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of whoever runs `ray up`, in the folder of the source."""
    own = tmp_path / "own"
    write_own_files(own)
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.chdir(ROOT)
    return own


@pytest.fixture
def node(own_home: Path, tmp_path: Path) -> Node:
    """A node that has its files and Ray's environment."""
    assert own_home.exists()
    node = node_of(tmp_path / "node")
    node.deliver()
    write_programs(node.home)
    node.write_ray_environment()
    return node


@pytest.fixture
def left_running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """What looks like the HAProxy of the market before on the node, and like somebody else's."""
    folders = tmp_path / "node" / "haproxy", tmp_path / "other" / "haproxy"
    sleep = [sys.executable, "-c", "import time; time.sleep(60)", "-db", "-f"]
    own, other = (subprocess.Popen([*sleep, str(folder / "an-id" / "haproxy.cfg")]) for folder in folders)
    yield own, other
    for process in (own, other):
        process.kill()
        process.wait()


def test_every_file_that_is_mounted_arrives_at_a_node(own_home: Path, tmp_path: Path) -> None:
    node = node_of(tmp_path / "node")
    node.deliver()

    for remote in node.cluster["file_mounts"]:
        target = Path(remote.replace(HOME, str(node.home)))
        assert any(target.iterdir()) if target.is_dir() else target.read_text(), f"{remote} is empty"
    assert (node.home / "holdfast" / "cluster.yaml").read_bytes() == (ROOT / "cluster.yaml").read_bytes()
    assert (node.home / ".holdfast" / "holdfast.env").read_bytes() == (
        own_home / ".holdfast" / "holdfast.env"
    ).read_bytes()


def test_no_secret_lies_in_the_source_that_is_copied(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_home.exists()
    source = tmp_path / "source"
    kept = [".env", ".holdfast/jwt.key", ".holdfast/mongodb.password", ".git/config", ".venv/secret"]
    for path in [*kept, "config/settings.py"]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(SECRET)
    shutil.copy(ROOT / ".gitignore", source)
    monkeypatch.chdir(source)
    node = node_of(tmp_path / "node")
    node.deliver()

    copied = node.home / "holdfast"
    found = {str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file()}
    assert found == {".gitignore", "config/settings.py"}
    inside = [local for local in node.cluster["file_mounts"].values() if not local.startswith(("~", "/"))]
    assert inside == ["."], "a file that is mounted by itself may hold a secret: it belongs outside of the source"


@pytest.mark.parametrize("role", ROLES)
def test_ray_starts_with_its_settings_and_what_haproxy_is_told_and_without_the_secrets(node: Node, role: str) -> None:
    node.start(role)

    assert node.calls()[0] == "ray stop"
    environment = node.environment_of("ray start")
    haproxy = {"TRUSTED_PROXIES": "2", "RATE_LIMITS": "off", "HTTP_HOST": "0.0.0.0"}  # noqa: S104 - as the file says
    expected = {**RAY_SETTINGS, **haproxy}
    assert {name: environment.get(name) for name in expected} == expected
    assert len(environment["HOLDFAST_INGRESS_KEY"]) == 64
    assert Path(environment["HOLDFAST_HAPROXY"]).exists()
    assert Path(environment["RAY_SERVE_HAPROXY_BINARY_PATH"]).exists()
    assert not {SETTINGS["JWT_KEY"], SECRET} & {*environment.values()}


@pytest.mark.parametrize("password", ["", "of Ray's Redis"])
def test_the_head_alone_is_told_the_password_of_the_redis_for_its_control_service(node: Node, password: str) -> None:
    if password:
        (node.home / ".holdfast" / "gcs.password").write_text(f"{password}\n")
    for role in ROLES:
        node.start(role)

    head, worker = (call for call in node.calls() if call.startswith("ray start"))
    assert head.endswith(f" --redis-password={password}")
    assert "--redis-password" not in worker


@pytest.mark.parametrize("call", ["ray start", "serve deploy"])
def test_what_ray_and_serve_start_reads_every_setting_of_the_file(
    node: Node, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.start("head")
    for name, value in node.environment_of(call).items():
        if name not in {"HOME", "PATH", "PWD"}:
            monkeypatch.setenv(name, value)

    read = load()
    assert (read.holdfast_env, read.mail_from) == (SETTINGS["HOLDFAST_ENV"], SETTINGS["MAIL_FROM"])
    assert read.session_keys[0].get_secret_value() == SETTINGS["JWT_KEY"]
    assert read.webhook_secret.get_secret_value() == SECRET
    assert (read.trusted_proxies, read.rate_limits) == (2, False)


@pytest.mark.parametrize("role", ROLES)
def test_ray_does_not_start_on_settings_that_cannot_be_used(node: Node, role: str) -> None:
    (node.home / ".holdfast" / "holdfast.env").unlink()

    with pytest.raises(click.ClickException):
        node.start(role)
    assert node.calls() == ["ray stop"]


def test_the_head_deploys_the_marketplace_after_ray_has_started(node: Node) -> None:
    node.start("head")

    started, deployed = (
        next(number for number, call in enumerate(node.calls()) if call.startswith(name))
        for name in ("ray start --head", "serve deploy config/serve.yaml")
    )
    assert started < deployed
    environment = node.environment_of("serve deploy")
    assert (Path(environment["PWD"]) / "config" / "serve.yaml").exists()


@pytest.mark.parametrize("role", ROLES)
def test_haproxy_of_the_market_before_is_ended_and_no_other(
    node: Node, role: str, left_running: tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]
) -> None:
    own, other = left_running
    node.start(role)

    configuration = Path(node.environment_of("ray start")["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"])
    assert configuration.parent == node.home / "haproxy", "it is known by this folder"
    assert own.wait(10) == -9
    assert other.poll() is None
