"""The picture of a load test: rate, latency, answers and busy actors over time, with the changes of the members."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from cli.load.report.schema import Report, SampleView

_WIDTH, _PANEL_HEIGHT, _DOTS = 11.0, 3.0, 110
_COLOURS = {
    "made": "#0b6e4f",
    "refused": "#8fb8a8",
    "limited": "#c9a227",
    "unavailable": "#b5651d",
    "unknown": "#7a4e9e",
    "wrong": "#c1121f",
}


def draw(report: Report, file: Path) -> None:
    """Write the picture as PNG."""
    series, load = report["series"], report["load"]
    seconds = [each["second"] for each in series]
    samples = report["market"]["series"] if "market" in report else []
    panels = 4 if samples else 3
    size = (_WIDTH, _PANEL_HEIGHT * panels)
    figure, (rates, latencies, answers, *more) = plt.subplots(
        panels, 1, figsize=size, sharex=True, layout="constrained"
    )
    rates.plot(seconds, [each["started"] for each in series], color="#0b6e4f", label="visits begun")
    rates.plot(seconds, [each["dropped"] for each in series], color="#c1121f", label="dropped")
    rates.plot(seconds, [each["inFlight"] for each in series], color="#999999", ls=":", label="under way")
    asked = load.get("rates", [])
    each_seconds = load["measuredSeconds"] / max(len(asked), 1)
    for number, rate in enumerate(asked):
        begin = load["rampSeconds"] + number * each_seconds
        rates.hlines(rate, begin, begin + each_seconds, color="#333333", ls="--", label=None if number else "asked")
    latencies.plot(seconds, [each["p50"] for each in series], color="#336791", label="p50")
    latencies.plot(seconds, [each["p99"] for each in series], color="#b5651d", label="p99")
    latencies.set_yscale("log")
    kinds = [kind for kind in _COLOURS if any(each["outcomes"][kind] for each in series)]
    if kinds:
        counts = [[each["outcomes"][kind] for each in series] for kind in kinds]
        answers.stackplot(seconds, counts, labels=kinds, colors=[_COLOURS[kind] for kind in kinds])
    for axes, what in ((rates, "a second"), (latencies, "ms, corrected"), (answers, "answers a second")):
        _finish(axes, report, what)
    for busy in more:
        _draw_busy(busy, samples)
        _finish(busy, report, "busy share, 0 to 1")
    (more or [answers])[-1].set_xlabel("seconds")
    figure.suptitle(f"{load['scenario']}, {load['inWords']}\n{report['verdict']['result']}", fontsize="medium")
    figure.savefig(file, dpi=_DOTS)
    plt.close(figure)


def _draw_busy(axes: Axes, samples: Sequence[SampleView]) -> None:
    for kind in sorted({kind for each in samples for kind in each["busyShare"]}):
        known = [each for each in samples if kind in each["busyShare"]]
        shares = [each["busyShare"][kind] for each in known]
        axes.plot([each["second"] for each in known], shares, marker=".", label=f"busiest actor of {kind}")
    axes.set_ylim(0, 1.05)


def _finish(axes: Axes, report: Report, what: str) -> None:
    axes.set_ylabel(what)
    axes.grid(visible=True, alpha=0.3)
    if report["load"]["rampSeconds"]:
        axes.axvspan(0, report["load"]["rampSeconds"], color="#999999", alpha=0.15, label="ramp, does not count")
    for event in report["scaleEvents"]:
        axes.axvline(event["second"], color="#7a4e9e", lw=1)
        axes.annotate(f" v{event['version']}", (event["second"], 1), xycoords=("data", "axes fraction"), va="top")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", loc="upper left")
