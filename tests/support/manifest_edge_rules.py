"""Rules of the Kubernetes manifests about who reaches the market, and about what is watched."""

from collections.abc import Iterator
from urllib.parse import urlsplit

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
def alerts_are_those_of_every_prometheus(manifests: list[Manifest]) -> Iterator[str]:
    (rules,) = of_kind(manifests, "PrometheusRule")
    if rules["spec"]["groups"] != yaml.safe_load((ROOT / "deploy/monitoring/alerts.yml").read_text())["groups"]:
        yield "the alerts are others than those of deploy/monitoring/alerts.yml: copy its groups"
