"""The plots: reservations by the number of connections, beside the peers, and the journal by the size of a commit."""

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
    _label(rates, connections, "connections", "successes a second")
    _label(latencies, connections, "connections", "latency, ms")
    rates.set_ylim(bottom=0)
    _in_powers_of_ten(latencies)
    figure.suptitle(f"POST /api/orders on distinct tickets: medians of the rounds (load from {generator})")
    figure.savefig(file, dpi=_DOTS)
    plt.close(figure)


def draw_journal(summary: Sequence[dict[str, Any]], database: str, file: Path) -> None:
    """Write the plot of the scenario `journal` as PNG."""
    figure, (rates, costs) = plt.subplots(1, 2, figsize=(_WIDTH, _HEIGHT), layout="constrained")
    sizes = sorted({line["events_a_commit"] for line in summary})
    for writers in sorted({line["writers"] for line in summary}):
        lines = [line for line in summary if line["writers"] == writers and line["claims"] == "none"]
        at = [line["events_a_commit"] for line in lines]
        label = f"{writers} writer{'s' if writers > 1 else ''}"
        rates.plot(at, [line["events_per_second"] for line in lines], marker="o", label=label)
        microseconds = [line["database_cpu_ms"] * 1_000 / line["events_a_commit"] for line in lines]
        costs.plot(at, microseconds, marker="o", label=label)
    _label(rates, sizes, "events in a commit", "events a second")
    _label(costs, sizes, "events in a commit", "processor time of the database for an event, µs")
    _in_powers_of_ten(rates)
    _in_powers_of_ten(costs)
    figure.suptitle(f"The journal by itself, on {database}: medians of the rounds")
    figure.savefig(file, dpi=_DOTS)
    plt.close(figure)


def _in_powers_of_ten(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _label(axes: Axes, places: Sequence[int], by: str, what: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, [str(place) for place in places])
    axes.set_xlabel(by)
    axes.set_ylabel(what)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
