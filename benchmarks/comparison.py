"""Ours beside the others: medians over the rounds, and ratios."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.load.result import ratio

OURS = "Holdfast"


def middle(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The medians of the rounds; of what was never answered no latency."""
    names = ("per_second", "p50_ms", "p99_ms") if any(row["per_second"] for row in rows) else ("per_second",)
    medians = {name: median(row[name] for row in rows) for name in names}
    refused = sum(sum(row["refusals"].values()) for row in rows)
    return {**medians, "refused": refused, "wrong": sum(row["wrong"] for row in rows)}


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians over the rounds, and ours for each of theirs, each ratio taken within its round before its median."""
    lines = []
    for connections in sorted({row["connections"] for row in rows}):
        rounds = [row for row in rows if row["connections"] == connections]
        ours = {row["round"]: row["per_second"] for row in rounds if row["who"] == OURS}
        for who in dict.fromkeys(row["who"] for row in rounds):
            theirs = [row for row in rounds if row["who"] == who]
            lines.append(
                {
                    "connections": connections,
                    "who": who,
                    "per_second": median(row["per_second"] for row in theirs),
                    "p50_ms": median(row["p50_ms"] for row in theirs),
                    "p99_ms": median(row["p99_ms"] for row in theirs),
                    "holdfast_ratio": median(ratio(ours[row["round"]], row["per_second"]) for row in theirs),
                    "wrong": sum(row["wrong"] for row in theirs),
                }
            )
    return lines
