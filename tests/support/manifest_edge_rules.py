"""Rules of the Kubernetes manifests about who reaches the market, and about what is watched."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import promql_parser
import ray
import yaml

from config.ray_environment import RAY_SETTINGS
from tests.support.manifest_rules import PART, RULES, rule
from tests.support.manifests import ROOT, Manifest, container, groups, of_kind, service

__all__ = ["RULES"]  # those of tests/support/manifest_rules.py and of this file

_MARKET = {"podSelector": {"matchLabels": {PART: "holdfast"}}}
# What may come from which namespace, to which ports of which role (None: both).
_OPEN = {
    ("ingress-nginx", "worker"): {8000},
    ("kuberay-system", "head"): {8265},
    ("monitoring", None): {8080, 44217, 44227},
}
_NEEDED = {53, 443, 465, 587, 6379, 27017}
_METADATA = "169.254.0.0/16"  # where clouds answer whoever asks with the credentials of the machine
_SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}
_RAY = Path(ray.__file__).parent


@rule
def everything_is_denied_that_is_not_allowed(manifests: list[Manifest]) -> Iterator[str]:
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if deny not in [each["spec"] for each in of_kind(manifests, "NetworkPolicy")]:
        yield "no policy denies both directions for all pods"


@rule
def other_namespaces_reach_their_ports_only(manifests: list[Manifest]) -> Iterator[str]:
    found: dict[tuple[str, str | None], set[int]] = {}
    for policy in (each["spec"] for each in of_kind(manifests, "NetworkPolicy")):
        role = policy["podSelector"].get("matchLabels", {}).get("ray.io/node-type")
        for allowed in policy.get("ingress", []):
            if allowed == {"from": [_MARKET]}:
                continue
            for peer in allowed.get("from", [{}]):
                namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
                ports = {each["port"] for each in allowed.get("ports", [{"port": "every"}])}
                found.setdefault((namespace, role), set()).update(ports)
    if found != _OPEN:
        yield f"open are {found}"


@rule
def the_market_reaches_its_servers_and_no_metadata(manifests: list[Manifest]) -> Iterator[str]:
    reached: set[int] = set()
    for policy in (each["spec"] for each in of_kind(manifests, "NetworkPolicy")):
        for allowed in policy.get("egress", []):
            ports = {each["port"] for each in allowed.get("ports", [])}
            reached |= ports
            if allowed.get("to") == [_MARKET]:
                continue
            blocks = [each["ipBlock"].get("except", []) for each in allowed.get("to", []) if "ipBlock" in each]
            unbounded = "to" not in allowed and bool(ports & {80, 443})
            if not ports or unbounded or any(_METADATA not in each for each in blocks):
                yield f"receivers of webhooks may be inside: {allowed}"
    yield from (f"nothing reaches port {port}" for port in sorted(_NEEDED - reached))


@rule
def visitors_come_to_the_service_of_the_market(manifests: list[Manifest]) -> Iterator[str]:
    (market,) = of_kind(manifests, "RayService")
    # KubeRay gives that Service the ports of the head whose name is "serve".
    ports = [each["containerPort"] for each in container(groups(manifests)["head"])["ports"] if each["name"] == "serve"]
    if ports != [yaml.safe_load(market["spec"]["serveConfigV2"])["http_options"]["port"]]:
        yield f"the Service of the market has the ports {ports}"
    wanted = {"name": f"{market['metadata']['name']}-serve-svc", "port": {"number": 8000}}
    (settings,) = of_kind(manifests, "ConfigMap")
    host = urlsplit(settings["data"]["PUBLIC_URL"]).netloc
    for ingress in of_kind(manifests, "Ingress"):
        name = ingress["metadata"]["name"]
        for each in ingress["spec"]["rules"]:
            if any(path["backend"]["service"] != wanted for path in each["http"]["paths"]):
                yield f"{name}: goes elsewhere"
            if each["host"] != host or host not in ingress["spec"]["tls"][0]["hosts"]:
                yield f"{name}: is not for {host} with TLS"


@rule
def streams_are_not_buffered(manifests: list[Manifest]) -> Iterator[str]:
    applications = yaml.safe_load(service(manifests)["serveConfigV2"])["applications"]
    streams = {each["route_prefix"] for each in applications if each["import_path"].endswith(":live_builder")}
    unbuffered: set[str] = set()
    for ingress in of_kind(manifests, "Ingress"):
        annotations = ingress["metadata"]["annotations"]
        timeout = int(annotations.get("nginx.ingress.kubernetes.io/proxy-read-timeout", 60))
        paths = {path["path"] for each in ingress["spec"]["rules"] for path in each["http"]["paths"]}
        if annotations.get("nginx.ingress.kubernetes.io/proxy-buffering") == "off":
            unbuffered |= paths
            if timeout <= int(RAY_SETTINGS["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"]):
                yield "the Ingress gives a stream up before HAProxy does"
        elif annotations.get("nginx.ingress.kubernetes.io/proxy-body-size") != "1m":
            yield "the Ingress takes other bodies than HAProxy"
    if unbuffered != streams:
        yield f"unbuffered are {unbuffered} of {streams}"


@rule
def prometheus_finds_the_ports(manifests: list[Manifest]) -> Iterator[str]:
    ports = {each["name"] for group in groups(manifests).values() for each in container(group)["ports"]}
    (monitor,) = of_kind(manifests, "PodMonitor")
    asked = {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]}
    if asked - ports or "metrics" not in asked:
        yield f"Prometheus asks {asked}"


@rule
def alerts_ask_what_ray_measures(manifests: list[Manifest]) -> Iterator[str]:
    (rules,) = of_kind(manifests, "PrometheusRule")
    (group,) = rules["spec"]["groups"]
    runbooks = _anchors((ROOT / "docs/kubernetes.md").read_text())
    for each in group["rules"]:
        if {*each} != {"alert", "expr", "for", "labels", "annotations"}:
            yield f"{each['alert']}: has {sorted(each)}"
        if each["annotations"].get("runbook") not in runbooks:
            yield f"{each['alert']}: has no runbook"
        try:
            selectors = list(_selectors(promql_parser.parse(each["expr"])))
        except ValueError as error:
            yield f"{each['alert']}: {error}"
            continue
        for name, labels in selectors:
            if name not in _metrics():
                yield f"{each['alert']}: Ray has no {name}"
            elif (known := _metrics()[name]) is not None and not labels <= known:
                yield f"{each['alert']}: {name} has only the labels {sorted(known)}"
    if not group["rules"]:
        yield "nobody is called"


def _anchors(page: str) -> set[str]:
    return {f"docs/kubernetes.md#{title.lower()}" for title in re.findall(r"^#+ (\w+)$", page, re.MULTILINE)}


def _selectors(expression: object) -> Iterator[tuple[str, set[str]]]:
    """The metrics that an expression asks, and the labels by which it chooses among their series."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression.name or "", {each.name for each in expression.matchers.matchers}
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        if (part := getattr(expression, name, None)) is not None:
            yield from _selectors(part)
    for part in getattr(expression, "args", []):
        yield from _selectors(part)


@cache
def _metrics() -> dict[str, set[str] | None]:
    """The series that Ray's own source declares, with their labels where these stand beside them."""
    found: dict[str, set[str] | None] = {}
    files = [*(_RAY / "serve/_private").glob("*.py"), _RAY / "dashboard/modules/reporter/reporter_agent.py"]
    calls = (node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
    for call in calls:
        kind = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if kind in _SUFFIXES and call.args and (name := _text(call.args[0])) is not None:
            labels = next((_texts(each.value) for each in call.keywords if each.arg == "tag_keys"), None)
            found |= {f"ray_{name}{suffix}": labels for suffix in _SUFFIXES[kind]}
    return found


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.JoinedStr):  # serve_num_{protocol_name}_requests
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "http" for each in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _texts(node: ast.expr) -> set[str] | None:
    return {_text(each) or "" for each in node.elts} if isinstance(node, ast.Tuple) else None
