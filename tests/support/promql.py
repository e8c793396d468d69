"""What expressions of Prometheus ask for, and which metrics there are: the market's own, Ray's and Serve's."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import promql_parser
import ray

from actors.metrics.registry import METRICS

_SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}
_RAY = Path(ray.__file__).parent
OWN = {metric.exported: metric for metric in METRICS.values()}
# Which process and node a series is from: Ray adds them.
OF_EVERY_SERIES = {"WorkerId", "NodeAddress", "Component", "SessionName", "Version"}


@dataclass(frozen=True)
class Asked:
    """A metric in an expression, the values that its labels are compared with, and the labels that it is summed by."""

    name: str
    values: dict[str, tuple[str, ...]]
    grouped_by: frozenset[str]


def asked(expression: str) -> list[Asked]:
    """Return the metrics of an expression. Raises ValueError for one that Prometheus does not understand."""
    return list(_walk(promql_parser.parse(expression.replace("$__rate_interval", "5m")), frozenset()))


def mistakes(expression: str) -> Iterator[str]:
    """Yield what an expression asks that nobody measures."""
    try:
        found = asked(expression)
    except ValueError as error:
        yield str(error)
        return
    for one in found:
        if one.name in OWN:
            yield from _own_mistakes(one)
        elif one.name not in ray_metrics():
            yield f"there is no {one.name}"
        elif (known := ray_metrics()[one.name]) is not None and not one.values.keys() <= known:
            yield f"{one.name} has only the labels {sorted(known)}"
    if not found:
        yield "asks nothing"


def _own_mistakes(one: Asked) -> Iterator[str]:
    labels = OWN[one.name].labels
    for label in (*one.values, *one.grouped_by):
        if label not in labels and label not in OF_EVERY_SERIES:
            yield f"{one.name} has no label {label}"
    for label, values in one.values.items():
        allowed = labels.get(label)
        if allowed is not None and not set(values) <= allowed:
            yield f"{label} of {one.name} is never one of {values}"


def _walk(expression: object, grouped_by: frozenset[str]) -> Iterator[Asked]:
    if isinstance(expression, promql_parser.AggregateExpr) and expression.modifier is not None:
        grouped_by |= set(expression.modifier.labels)
    if isinstance(expression, promql_parser.VectorSelector):
        matchers = {each.name: tuple(each.value.split("|")) for each in expression.matchers.matchers}
        yield Asked(expression.name or "", matchers, grouped_by)
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        if (part := getattr(expression, name, None)) is not None:
            yield from _walk(part, grouped_by)
    for part in getattr(expression, "args", []):
        yield from _walk(part, grouped_by)


@cache
def ray_metrics() -> dict[str, set[str] | None]:
    """Return the series that Ray's own source declares, with their labels where these stand beside them."""
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
