"""A report as Markdown, which is also what the terminal shows."""

from collections.abc import Iterable, Iterator, Sequence

from cli.load.report.comparison import Compared
from cli.load.report.schema import LatencyView, OperationView, Report

_REASONS_SHOWN = 8
PERCENTILES = ("p50", "p90", "p95", "p99", "p99_9", "max")


def markdown(report: Report, compared: Sequence[Compared] = ()) -> str:
    """Return the report for people."""
    return "\n\n".join(_parts(report, compared)) + "\n"


def _parts(report: Report, compared: Sequence[Compared]) -> Iterator[str]:
    load, verdict = report["load"], report["verdict"]
    yield f"# Load test: {load['scenario']}"
    yield f"**{verdict['result']}**" + "".join(f"\n- {reason}" for reason in verdict["reasons"])
    yield _header(report)
    yield _starts(report)
    if len(report["stages"]) > 1:
        yield "## Stages\n\n" + _stages(report)
    yield f"## Latencies, ms\n\n{_latencies(report)}\n\n{_READING[load['model']]}"
    yield "## Answers\n\n" + _outcomes(report)
    if reasons := _reasons(report):
        yield reasons
    if report["wrong"]:
        yield "Wrong answers:\n" + "".join(f"\n- {each}" for each in report["wrong"])
    if report["scaleEvents"]:
        changes = (f"\n- {each['second']:.1f} s: membership {each['version']}" for each in report["scaleEvents"])
        yield "## Changes of the market's members\n" + "".join(changes)
    if compared:
        yield "## Compared with the earlier report\n\n" + _comparison(compared)


_READING = {
    "open": "Corrected latencies count from when a visit was meant to begin, uncorrected ones from when it did.",
    "closed": "A closed model asks less while the market is slow, so its percentiles are those of patient users.",
}


def _header(report: Report) -> str:
    load, machine = report["load"], report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    size = f"{machine['cores']} cores, {machine['memoryGb']} GB, {machine['architecture']}"
    lines = [
        ("model", load["inWords"]),
        ("target", load["target"]),
        ("generators", f"{load['generators']} in {load['place']}, {load['connections']} connections in all"),
        ("seed", str(load["seed"])),
        ("machine", f"{size}, load average {machine['loadAverage']:.1f}"),
        ("software", f"Python {machine['python']}, {versions}, commit {machine['commit']}"),
        ("at", machine["at"]),
        ("verification", f"{report['verification']['state']}: {report['verification']['detail']}"),
    ]
    if report["settings"] is not None:
        lines.append(("settings", ", ".join(f"{name}={value}" for name, value in report["settings"].items())))
    return _table(("", ""), lines)


def _starts(report: Report) -> str:
    starts, generator = report["starts"], report["generator"]
    busy = f"{generator['cpuShare']:.0%} of a core"
    row = (
        f"{starts['asked']:,}", f"{starts['askedPerSecond']:,.1f}", f"{starts['started']:,}",
        f"{starts['achievedPerSecond']:,.1f}", f"{starts['late']:,}", f"{starts['dropped']:,}",
        f"{report['answersPerSecond']:,.1f}", busy,
    )  # fmt: skip
    headings = ("visits asked", "a second", "begun", "a second", "late", "dropped", "answers a second", "generator")
    return _table(headings, [row])


def _stages(report: Report) -> str:
    return _table(
        ("stage", "s", "asked/s", "achieved/s", "dropped", "answers", "p50", "p99", "errors"),
        [
            (
                stage["name"] if stage["isMeasured"] else f"{stage['name']}, does not count",
                f"{stage['seconds']:g}",
                f"{stage['starts']['askedPerSecond']:,.1f}",
                f"{stage['starts']['achievedPerSecond']:,.1f}",
                f"{stage['starts']['dropped']:,}",
                f"{stage['answers']:,}",
                _ms(stage["corrected"]["p50"]),
                _ms(stage["corrected"]["p99"]),
                f"{sum(stage['outcomes'][kind] for kind in ('unavailable', 'unknown', 'wrong')):,}",
            )
            for stage in report["stages"]
        ],
    )


def _latencies(report: Report) -> str:
    rows = []
    for name, operation in _operations(report):
        rows.append((name, "corrected", *_percentiles(operation["corrected"])))
        rows.append(("", "uncorrected", *_percentiles(operation["uncorrected"])))
    return _table(("", "", *(name.replace("_", ".") for name in PERCENTILES)), rows)


def _outcomes(report: Report) -> str:
    kinds = tuple(report["all"]["outcomes"])
    rows = [(name, *(f"{each['outcomes'][kind]:,}" for kind in kinds)) for name, each in _operations(report)]
    return _table(("", *kinds), rows)


def _reasons(report: Report) -> str:
    """Return why answers were refusals, limits, or missing."""
    reasons = list(report["all"]["reasons"].items())[:_REASONS_SHOWN]
    return _table(("reason", "answers"), [(reason, f"{count:,}") for reason, count in reasons]) if reasons else ""


def _operations(report: Report) -> Iterable[tuple[str, OperationView]]:
    yield from report["operations"].items()
    if len(report["operations"]) > 1:
        yield "all", report["all"]


def _comparison(compared: Sequence[Compared]) -> str:
    rows = [
        (
            each.name,
            f"{each.before:,.1f}",
            f"{each.now:,.1f}",
            f"{each.ratio:.2f}",
            "**worse**" if each.is_worse else "",
        )
        for each in compared
    ]
    return _table(("", "before", "now", "ratio", ""), rows)


def _percentiles(view: LatencyView) -> list[str]:
    values = (view["p50"], view["p90"], view["p95"], view["p99"], view["p99_9"], view["max"])
    return [_ms(value) for value in values]


def _ms(value: float) -> str:
    return f"{value:,.1f}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns are aligned, so that it is readable as it is."""
    widths = [max(len(row[index]) for row in (headings, *rows)) for index in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(headings), rule, *(line(row) for row in rows)])
