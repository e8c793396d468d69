"""The Kubernetes manifests of deploy/k8s, rendered and checked as Kubernetes and KubeRay would."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
OVERLAYS = ("small", "production")
# Those of the Prometheus operator, whose schemas are too large to keep here.
_WITHOUT_SCHEMA = {"PodMonitor", "PrometheusRule"}

Manifest = dict[str, Any]


def program(name: str) -> str:
    """Return where the program is that pip installed beside Python."""
    found = shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    assert found is not None, f"{name} is not installed: `make` installs it"
    return found


@cache
def _rendered(overlay: str) -> str:
    command = [program("kubectl"), "kustomize", str(ROOT / "deploy/k8s/overlays" / overlay)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rendered(overlay: str) -> list[Manifest]:
    """Return what `kubectl kustomize` makes of the overlay, anew at each call."""
    return list(yaml.load_all(_rendered(overlay), Loader=yaml.CSafeLoader))


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def service(manifests: list[Manifest]) -> Manifest:
    """Return the specification of the one RayService."""
    (found,) = of_kind(manifests, "RayService")
    specification: Manifest = found["spec"]
    return specification


def cluster(manifests: list[Manifest]) -> Manifest:
    configuration: Manifest = service(manifests)["rayClusterConfig"]
    return configuration


def groups(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the head's group and that of the workers, by the value of KubeRay's label `ray.io/node-type`."""
    (workers,) = cluster(manifests)["workerGroupSpecs"]
    return {"head": cluster(manifests)["headGroupSpec"], "worker": workers}


def pod(group: Manifest) -> Manifest:
    specification: Manifest = group["template"]["spec"]
    return specification


def container(group: Manifest) -> Manifest:
    (only,) = pod(group)["containers"]
    found: Manifest = only
    return found


def schema_errors(manifests: list[Manifest]) -> Iterator[str]:
    """What Kubernetes and KubeRay would refuse or ignore, unknown fields included."""
    for each in manifests:
        if each["kind"] in _WITHOUT_SCHEMA:
            continue
        if each["kind"] == "RayService":
            yield from (f"{error.json_path}: {error.message}" for error in _ray_service().iter_errors(each))
            for role, group in groups(manifests).items():
                yield from _refused({**group["template"], "apiVersion": "v1", "kind": "Pod"}, role)
        else:
            yield from _refused(each, each["metadata"]["name"])


def _refused(manifest: Manifest, name: str) -> Iterator[str]:
    try:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{name}: {error.message}"


@cache
def _ray_service() -> Draft202012Validator:
    schema = json.loads((ROOT / "tests/operations/kubernetes/rayservice-v1.schema.json").read_text())
    _close(schema)
    return Draft202012Validator(schema)


def _close(schema: object) -> None:
    """Have the schema refuse what it does not know, which Kubernetes would drop in silence."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for each in schema.values():
            _close(each)
    elif isinstance(schema, list):
        for each in schema:
            _close(each)
