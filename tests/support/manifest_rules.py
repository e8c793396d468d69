"""What the Kubernetes manifests have to keep. Each rule returns what breaks it; none of them raises."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import yaml
from pydantic import SecretStr, ValidationError
from ray.serve.schema import ServeDeploySchema

from config.ray_environment import OBJECT_STORE_BYTES, RAY_SETTINGS
from config.settings import Settings
from tests.support.manifests import (
    ROOT,
    Manifest,
    cluster,
    container,
    groups,
    of_kind,
    pod,
    schema_errors,
    service,
)

Rule = Callable[[list[Manifest]], Iterator[str]]
RULES: dict[str, Rule] = {}

PART = "app.kubernetes.io/part-of"
_NODE_TYPE = "ray.io/node-type"
SECRETS = {
    name.upper()
    for name, field in Settings.model_fields.items()
    if not field.repr or "SecretStr" in repr(field.annotation)
}
_EXAMPLE_KEY = SecretStr("0123456789abcdef0123456789abcdef")
# As they may look, so that the settings can be loaded with them.
_EXAMPLES = {
    "JWT_KEY": _EXAMPLE_KEY.get_secret_value(),
    "STRIPE_KEY": "sk_live_example",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_example",
    "STRIPE_WEBHOOK_SECRET": "whsec_example",
    "MONGODB_URL": "mongodb://db/holdfast",
    "REDIS_URL": "redis://redis",
    "SMTP_URL": "smtps://mail.example.com",
}


def rule(check: Rule) -> Rule:
    RULES[check.__name__] = check
    return check


@rule
def kubernetes_accepts_every_field(manifests: list[Manifest]) -> Iterator[str]:
    yield from schema_errors(manifests)


@rule
def serve_gets_the_file_of_every_cluster(manifests: list[Manifest]) -> Iterator[str]:
    given = service(manifests)["serveConfigV2"]
    if given != (ROOT / "config/serve.yaml").read_text():
        yield "serveConfigV2 is not config/serve.yaml: cp config/serve.yaml deploy/k8s/base/serve.yaml"
    content = yaml.safe_load(given)
    try:
        ServeDeploySchema.model_validate(content)
    except ValidationError as error:
        yield str(error)
    yield from (f"Serve ignores {key}" for key in content.keys() - ServeDeploySchema.model_fields.keys())


@rule
def secrets_are_references(manifests: list[Manifest]) -> Iterator[str]:
    yield from (f"{each['metadata']['name']} is a Secret" for each in of_kind(manifests, "Secret"))
    for each in of_kind(manifests, "ConfigMap"):
        yield from (f"{name} is in a ConfigMap" for name in each["data"].keys() & SECRETS)
    for role, group in groups(manifests).items():
        for variable in container(group).get("env", []):
            if variable["name"] in SECRETS and "secretKeyRef" not in variable.get("valueFrom", {}):
                yield f"{role}: {variable['name']} is no reference"
    password = cluster(manifests).get("gcsFaultToleranceOptions", {}).get("redisPassword", {})
    if "secretKeyRef" not in password.get("valueFrom", {}):
        yield "the password of Ray's Redis is no reference"


@rule
def every_node_has_settings_for_production(manifests: list[Manifest]) -> Iterator[str]:
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(manifests, "ConfigMap")}
    for role, group in groups(manifests).items():
        given: dict[str, str] = {}
        for source in container(group).get("envFrom", []):
            given |= maps.get(source["configMapRef"]["name"], {})
        yield from (f"{role}: {name} is no setting" for name in given if name.lower() not in Settings.model_fields)
        given |= {each["name"]: _EXAMPLES.get(each["name"], "") for each in container(group).get("env", [])}
        try:
            settings = Settings.model_validate({name.lower(): value for name, value in given.items()})
        except ValidationError as error:
            yield f"{role}: {error}"
            continue
        if settings.holdfast_env != "production":
            yield f"{role}: the market is for {settings.holdfast_env}"
        if settings.trusted_proxies != len(("our HAProxy", "the Ingress")):
            yield f"{role}: TRUSTED_PROXIES is {settings.trusted_proxies}"
        yield from (f"{role}: without {name}" for name in _EXAMPLES.keys() - given.keys())


@rule
def ray_has_the_settings_of_the_image(manifests: list[Manifest]) -> Iterator[str]:
    for role, group in groups(manifests).items():
        names = {each["name"] for each in container(group).get("env", [])}
        yield from (f"{role}: {name} is the image's" for name in names & {*RAY_SETTINGS, "HTTP_HOST"})
        if group["rayStartParams"].get("object-store-memory") != str(OBJECT_STORE_BYTES):
            yield f"{role}: another object store than everywhere else"
    (version,) = re.findall(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    if cluster(manifests)["rayVersion"] != version:
        yield f"the image has Ray {version}"


@rule
def haproxy_gets_its_key(manifests: list[Manifest]) -> Iterator[str]:
    for role, group in groups(manifests).items():
        (before,) = container(group).get("args", [""])
        if (
            _exported(before, _EXAMPLE_KEY).get("HOLDFAST_INGRESS_KEY")
            != Settings(jwt_key=_EXAMPLE_KEY).ingress_keys[0]
        ):
            yield f"{role}: replicas do not know the HAProxy that is started after {before!r}"
        if _exported(before, SecretStr("short")):
            yield f"{role}: goes on with settings that cannot be used"


@cache
def _exported(before: str, key: SecretStr) -> dict[str, str]:
    """Run what a container does first, with what KubeRay adds, and return its environment then. None: it ended."""
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **_EXAMPLES}
    environment["JWT_KEY"] = key.get_secret_value()
    # convertCmdToString and BuildPod in KubeRay's pod.go; `env` stands for `ray start`.
    bash = ["/bin/bash", "-c", "--", f" {before}  && ulimit -n >/dev/null; env -0"]
    ran = subprocess.run(bash, env=environment, cwd=ROOT, capture_output=True, check=False)
    return dict(each.split("=", 1) for each in ran.stdout.decode().split("\0") if each)


@rule
def memory_is_reserved(manifests: list[Manifest]) -> Iterator[str]:
    autoscaler = cluster(manifests).get("autoscalerOptions")
    given = {role: container(group)["resources"] for role, group in groups(manifests).items()}
    given |= {} if autoscaler is None else {"autoscaler": autoscaler["resources"]}
    for role, resources in given.items():
        if resources["requests"].get("memory") is None or "cpu" not in resources["requests"]:
            yield f"{role}: requests nothing"
        if resources["requests"].get("memory") != resources.get("limits", {}).get("memory"):
            yield f"{role}: may be ended for memory that it was promised"


@rule
def nothing_is_privileged(manifests: list[Manifest]) -> Iterator[str]:
    (namespace,) = of_kind(manifests, "Namespace")
    if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "the namespace admits privileged pods"
    autoscaler = cluster(manifests).get("autoscalerOptions")
    contexts = {role: container(group).get("securityContext", {}) for role, group in groups(manifests).items()}
    contexts |= {} if autoscaler is None else {"autoscaler": autoscaler.get("securityContext", {})}
    for role, context in contexts.items():
        if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{role}: has privileges"
    for role, group in groups(manifests).items():
        context = pod(group).get("securityContext", {})
        if context.get("runAsNonRoot") is not True or context.get("runAsUser") != 1000:
            yield f"{role}: is not the image's user"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{role}: may use every system call"
    if pod(groups(manifests)["worker"]).get("automountServiceAccountToken") is not False:
        yield "workers may ask Kubernetes"


@rule
def both_roles_run_one_image(manifests: list[Manifest]) -> Iterator[str]:
    images = {container(group)["image"] for group in groups(manifests).values()}
    if len(images) != 1:
        yield f"several images: {sorted(images)}"
    yield from (f"{image} can become another" for image in images if not re.search(r"(:[\d.]+|@sha256:\w{64})$", image))


@rule
def probes_ask_ray_and_haproxy(manifests: list[Manifest]) -> Iterator[str]:
    ray, haproxy = ("/api/healthz", 52365), ("/-/healthz", 8000)
    wanted = {
        "head": {"livenessProbe": ray, "readinessProbe": ray},
        "worker": {"livenessProbe": ray, "readinessProbe": haproxy},
    }
    for role, group in groups(manifests).items():
        for probe, (path, port) in wanted[role].items():
            if container(group).get(probe, {}).get("httpGet") != {"path": path, "port": port}:
                yield f"{role}: {probe} does not ask {path} at {port}"


@rule
def the_head_has_neither_replicas_nor_actors(manifests: list[Manifest]) -> Iterator[str]:
    head, worker = (group["resources"] for group in groups(manifests).values())
    if head != {"CPU": "0"}:
        yield f"the head has {head}"
    if worker.get("market") != "100" or worker.get("CPU", "0") == "0":
        yield f"workers have {worker}"
    if service(manifests).get("excludeHeadPodFromServeSvc") is not True:
        yield "visitors come to the head"


@rule
def a_market_has_one_cluster_that_outlives_its_head(manifests: list[Manifest]) -> Iterator[str]:
    if service(manifests).get("upgradeStrategy") != {"type": "None"}:
        yield "KubeRay starts a second market on the same database"
    if service(manifests).get("suspend") is not False:
        yield "applying does not end an upgrade"
    if cluster(manifests).get("authOptions", {}).get("mode") != "token":
        yield "anybody in the network can run code"
    if cluster(manifests).get("gcsFaultToleranceOptions", {}).get("backend") != "redis":
        yield "everything is lost with the head"


@rule
def one_worker_leaves_at_a_time(manifests: list[Manifest]) -> Iterator[str]:
    """`maxUnavailable` needs a scale subresource, which RayCluster has not: nothing could be evicted."""
    workers = groups(manifests)["worker"]["minReplicas"]
    budgets = [each["spec"] for each in of_kind(manifests, "PodDisruptionBudget")]
    if [each.get("minAvailable") for each in budgets] != ([workers - 1] if workers > 1 else []):
        yield f"of {workers} workers others may leave: {budgets}"
    yield from ("maxUnavailable is not for these pods" for each in budgets if "maxUnavailable" in each)


@rule
def every_selector_finds_pods(manifests: list[Manifest]) -> Iterator[str]:
    labels = [
        {**group["template"].get("metadata", {}).get("labels", {}), _NODE_TYPE: role}
        for role, group in groups(manifests).items()
    ]
    for selector in _selectors(manifests):
        if not any(selector.items() <= each.items() for each in labels):
            yield f"no pod has {selector}"
        if selector and selector.get(PART) != "holdfast":
            yield f"other markets' pods have {selector}"


def _selectors(content: object) -> Iterator[dict[str, str]]:
    if isinstance(content, list):
        for each in content:
            yield from _selectors(each)
    elif isinstance(content, dict):
        for key, value in content.items():
            if key in {"selector", "podSelector", "labelSelector"}:
                yield value.get("matchLabels", {})
            else:
                yield from _selectors(value)


def broken(manifests: list[Manifest], name: str) -> list[str]:
    """Return what breaks the rule of this name."""
    return list(RULES[name](manifests))
