"""The manifests of deploy/k8s. No Kubernetes runs here: what it, KubeRay and Serve would read is checked."""

import copy
from typing import Any

import pytest

from tests.support.manifest_edge_rules import RULES
from tests.support.manifest_rules import broken
from tests.support.manifests import OVERLAYS, Manifest, of_kind, rendered

_RAY = "spec.rayClusterConfig"
_HEAD, _WORKERS = f"{_RAY}.headGroupSpec", f"{_RAY}.workerGroupSpecs.0"
_HEAD_POD, _WORKER_POD = f"{_HEAD}.template.spec", f"{_WORKERS}.template.spec"
_HEAD_CONTAINER, _WORKER_CONTAINER = f"{_HEAD_POD}.containers.0", f"{_WORKER_POD}.containers.0"
_GONE = object()
_GOES_ON = "export $(python -m config.ingress)"

# Of each rule: what of the larger overlay is changed, so that the rule has to notice.
MISTAKES: list[tuple[str, str, str, object]] = [
    ("kubernetes_accepts_every_field", "RayService", f"{_HEAD}.rayStartParam", {}),
    ("kubernetes_accepts_every_field", "RayService", f"{_WORKERS}.minReplicas", "three"),
    ("kubernetes_accepts_every_field", "RayService", f"{_WORKER_CONTAINER}.livenessProb", {}),
    ("kubernetes_accepts_every_field", "RayService", f"{_HEAD_CONTAINER}.resources.requests.cpu", []),
    ("kubernetes_accepts_every_field", "Ingress holdfast", "spec.rule", []),
    ("kubernetes_accepts_every_field", "PodDisruptionBudget", "spec.minAvailabe", 2),
    ("serve_gets_the_file_of_every_cluster", "RayService", "spec.serveConfigV2", "applications: []"),
    ("serve_gets_the_file_of_every_cluster", "RayService", "spec.serveConfigV2", "applications: [{name: holdfast}]"),
    ("secrets_are_references", "RayService", f"{_WORKER_CONTAINER}.env.0", {"name": "JWT_KEY", "value": "secret"}),
    ("secrets_are_references", "RayService", f"{_RAY}.gcsFaultToleranceOptions.redisPassword", {"value": "secret"}),
    ("secrets_are_references", "ConfigMap", "data.MONGODB_URL", "mongodb://user:password@db"),
    ("secrets_are_references", "ConfigMap", "data.STRIPE_WEBHOOK_SECRET", "whsec_"),
    ("secrets_are_references", "ConfigMap", "kind", "Secret"),
    ("every_node_has_settings_for_production", "ConfigMap", "data.TICKET_ACTOR", "4"),
    ("every_node_has_settings_for_production", "ConfigMap", "data.PUBLIC_URL", "http://tickets.example.com"),
    ("every_node_has_settings_for_production", "ConfigMap", "data.HOLDFAST_ENV", "development"),
    ("every_node_has_settings_for_production", "ConfigMap", "data.TRUSTED_PROXIES", "1"),
    ("every_node_has_settings_for_production", "RayService", f"{_HEAD_CONTAINER}.envFrom", []),
    ("every_node_has_settings_for_production", "RayService", f"{_WORKER_CONTAINER}.env.6", _GONE),
    ("ray_has_the_settings_of_the_image", "RayService", f"{_HEAD_CONTAINER}.env.0.name", "RAY_worker_niceness"),
    ("ray_has_the_settings_of_the_image", "RayService", f"{_WORKERS}.rayStartParams", {}),
    ("ray_has_the_settings_of_the_image", "RayService", f"{_RAY}.rayVersion", "2.59.0"),
    ("haproxy_gets_its_key", "RayService", f"{_WORKER_CONTAINER}.args", _GONE),
    ("haproxy_gets_its_key", "RayService", f"{_HEAD_CONTAINER}.args.0", "export HOLDFAST_INGRESS_KEY=another"),
    ("haproxy_gets_its_key", "RayService", f"{_HEAD_CONTAINER}.args.0", "python -m config.no_such_module"),
    ("haproxy_gets_its_key", "RayService", f"{_HEAD_CONTAINER}.args.0", _GOES_ON),
    ("memory_is_reserved", "RayService", f"{_WORKER_CONTAINER}.resources.limits.memory", "9Gi"),
    ("memory_is_reserved", "RayService", f"{_HEAD_CONTAINER}.resources.limits", _GONE),
    ("memory_is_reserved", "RayService", f"{_RAY}.autoscalerOptions.resources.requests.cpu", _GONE),
    ("nothing_is_privileged", "Namespace", "metadata.labels", {}),
    ("nothing_is_privileged", "RayService", f"{_HEAD_CONTAINER}.securityContext.allowPrivilegeEscalation", True),
    ("nothing_is_privileged", "RayService", f"{_RAY}.autoscalerOptions.securityContext", _GONE),
    ("nothing_is_privileged", "RayService", f"{_WORKER_POD}.securityContext.runAsNonRoot", _GONE),
    ("nothing_is_privileged", "RayService", f"{_HEAD_POD}.securityContext.runAsUser", 0),
    ("nothing_is_privileged", "RayService", f"{_WORKER_POD}.securityContext.seccompProfile", _GONE),
    ("nothing_is_privileged", "RayService", f"{_WORKER_POD}.automountServiceAccountToken", _GONE),
    ("both_roles_run_one_image", "RayService", f"{_WORKER_CONTAINER}.image", "registry.example.com/holdfast:0.2.0"),
    ("both_roles_run_one_image", "RayService", f"{_WORKER_CONTAINER}.image", "registry.example.com/holdfast:latest"),
    ("probes_ask_ray_and_haproxy", "RayService", f"{_WORKER_CONTAINER}.readinessProbe.httpGet.path", "/healthz"),
    ("probes_ask_ray_and_haproxy", "RayService", f"{_HEAD_CONTAINER}.livenessProbe", _GONE),
    ("the_head_has_neither_replicas_nor_actors", "RayService", f"{_HEAD}.resources", {"CPU": "1"}),
    ("the_head_has_neither_replicas_nor_actors", "RayService", f"{_HEAD}.resources.market", "100"),
    ("the_head_has_neither_replicas_nor_actors", "RayService", f"{_WORKERS}.resources.market", _GONE),
    ("the_head_has_neither_replicas_nor_actors", "RayService", "spec.excludeHeadPodFromServeSvc", _GONE),
    ("a_market_has_one_cluster_that_outlives_its_head", "RayService", "spec.upgradeStrategy.type", "NewCluster"),
    ("a_market_has_one_cluster_that_outlives_its_head", "RayService", "spec.upgradeStrategy", _GONE),
    ("a_market_has_one_cluster_that_outlives_its_head", "RayService", "spec.suspend", _GONE),
    ("a_market_has_one_cluster_that_outlives_its_head", "RayService", f"{_RAY}.authOptions.mode", "disabled"),
    ("a_market_has_one_cluster_that_outlives_its_head", "RayService", f"{_RAY}.gcsFaultToleranceOptions", _GONE),
    ("one_worker_leaves_at_a_time", "PodDisruptionBudget", "spec.minAvailable", 1),
    ("one_worker_leaves_at_a_time", "PodDisruptionBudget", "spec.maxUnavailable", 1),
    ("one_worker_leaves_at_a_time", "PodDisruptionBudget", "kind", "Forgotten"),
    ("every_selector_finds_pods", "RayService", f"{_WORKERS}.template.metadata.labels", {}),
    ("every_selector_finds_pods", "PodDisruptionBudget", "spec.selector.matchLabels", {"ray.io/node-type": "worker"}),
    ("every_selector_finds_pods", "PodMonitor", "spec.selector.matchLabels", {"app": "holdfast"}),
    ("everything_is_denied_that_is_not_allowed", "NetworkPolicy default-deny", "spec.policyTypes.1", _GONE),
    ("everything_is_denied_that_is_not_allowed", "NetworkPolicy default-deny", "spec.ingress", [{}]),
    ("other_namespaces_reach_their_ports_only", "NetworkPolicy visitors", "spec.ingress.0.ports", _GONE),
    ("other_namespaces_reach_their_ports_only", "NetworkPolicy visitors", "spec.ingress.0.from", _GONE),
    ("other_namespaces_reach_their_ports_only", "NetworkPolicy visitors", "spec.podSelector", {}),
    ("other_namespaces_reach_their_ports_only", "NetworkPolicy kuberay", "spec.ingress.0.ports.0.port", 6379),
    ("other_namespaces_reach_their_ports_only", "NetworkPolicy market", "spec.ingress.0.from.0.podSelector", {}),
    ("the_market_reaches_its_servers_and_no_metadata", "NetworkPolicy market", "spec.egress.3.to.0.ipBlock.except", []),
    ("the_market_reaches_its_servers_and_no_metadata", "NetworkPolicy market", "spec.egress.3.to", _GONE),
    ("the_market_reaches_its_servers_and_no_metadata", "NetworkPolicy market", "spec.egress.2.ports.0", _GONE),
    ("the_market_reaches_its_servers_and_no_metadata", "NetworkPolicy market", "spec.egress.2.ports", _GONE),
    ("visitors_come_to_the_service_of_the_market", "RayService", "metadata.name", "market"),
    ("visitors_come_to_the_service_of_the_market", "RayService", f"{_HEAD_CONTAINER}.ports.0", _GONE),
    ("visitors_come_to_the_service_of_the_market", "ConfigMap", "data.PUBLIC_URL", "https://elsewhere.example.com"),
    ("visitors_come_to_the_service_of_the_market", "Ingress holdfast", "spec.tls.0.hosts.0", "elsewhere.example.com"),
    ("streams_are_not_buffered", "Ingress holdfast-streams", "metadata.annotations", {}),
    ("streams_are_not_buffered", "Ingress holdfast-streams", "spec.rules.0.http.paths.1", _GONE),
    (
        "streams_are_not_buffered",
        "Ingress holdfast-streams",
        "metadata.annotations",
        {"nginx.ingress.kubernetes.io/proxy-buffering": "off"},
    ),
    ("streams_are_not_buffered", "Ingress holdfast", "metadata.annotations", {}),
    ("prometheus_finds_the_ports", "PodMonitor", "spec.podMetricsEndpoints.0.port", "metric"),
    ("prometheus_finds_the_ports", "PodMonitor", "spec.podMetricsEndpoints", [{"port": "dash-metrics"}]),
    ("alerts_are_those_of_every_prometheus", "PrometheusRule", "spec.groups.0.rules", []),
    ("alerts_are_those_of_every_prometheus", "PrometheusRule", "spec.groups.0.rules.1.expr", "up < 1"),
    ("alerts_are_those_of_every_prometheus", "PrometheusRule", "spec.groups.0.rules.2.for", _GONE),
]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", RULES)
def test_manifests_keep_the_rule(name: str, overlay: str) -> None:
    assert broken(rendered(overlay), name) == []


@pytest.mark.parametrize(("name", "kind", "path", "value"), MISTAKES, ids=[f"{m[0]}:{m[1]}:{m[2]}" for m in MISTAKES])
def test_the_rule_notices_the_mistake(name: str, kind: str, path: str, value: object) -> None:
    manifests = rendered("production")
    unchanged = copy.deepcopy(manifests)

    _change(_find(manifests, kind), path, value)

    assert manifests != unchanged
    assert broken(manifests, name)


def test_a_mistake_is_known_for_every_rule() -> None:
    assert {name for name, *_ in MISTAKES} == RULES.keys()


def _find(manifests: list[Manifest], kind: str) -> Manifest:
    kind, _, name = kind.partition(" ")
    (found,) = (each for each in of_kind(manifests, kind) if name in {"", each["metadata"]["name"]})
    return found


def _change(manifest: Manifest, path: str, value: object) -> None:
    *way, last = (int(each) if each.isdigit() else each for each in path.split("."))
    content: Any = manifest
    for each in way:
        content = content[each]
    if value is _GONE:
        del content[last]
    else:
        content[last] = value
