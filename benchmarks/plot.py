"""The plot: reservations a second and their latency by the number of connections, beside the peers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

COLOURS = {"Holdfast": "#0b6e4f", "PostgreSQL": "#336791", "MongoDB": "#b5651d", "empty endpoint": "#999999"}
_WIDTH, _HEIGHT, _DOTS = 12.0, 4.8, 140


def draw(summary: Sequence[dict[str, Any]], generator: str, file: Path) -> None:
    """Write the plot of the scenario `reservations` as PNG."""
    figure, (rates, latencies) = plt.subplots(1, 2, figsize=(_WIDTH, _HEIGHT), layout="constrained")
    connections = sorted({line["connections"] for line in summary})
    for who in dict.fromkeys(line["who"] for line in summary):
        lines = [line for line in summary if line["who"] == who]
        at = [line["connections"] for line in lines]
        colour = COLOURS.get(who)
        rates.plot(at, [line["per_second"] for line in lines], marker="o", color=colour, label=who)
        latencies.plot(at, [line["p50_ms"] for line in lines], marker="o", color=colour, label=f"{who}, p50")
        latencies.plot(at, [line["p99_ms"] for line in lines], marker="^", ls="--", color=colour, label=f"{who}, p99")
    _label(rates, connections, "successes a second")
    _label(latencies, connections, "latency, ms")
    rates.set_ylim(bottom=0)
    latencies.set_yscale("log")
    latencies.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    latencies.yaxis.set_major_formatter(ScalarFormatter())
    latencies.yaxis.set_minor_formatter(NullFormatter())
    figure.suptitle(f"POST /api/orders on distinct tickets: medians of the rounds (load from {generator})")
    figure.savefig(file, dpi=_DOTS)
    plt.close(figure)


def _label(axes: Axes, connections: Sequence[int], what: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(connections, [str(count) for count in connections])
    axes.set_xlabel("connections")
    axes.set_ylabel(what)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
