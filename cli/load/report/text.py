"""A report as Markdown, which is also what the terminal shows."""

from collections.abc import Iterable, Iterator, Sequence

from cli.load.report.comparison import Compared
from cli.load.report.schema import ActorsView, LatencyView, MarketView, MeanAndHighest, OperationView, Report

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
    if "market" in report:
        yield "## What the market did meanwhile\n\n" + _market(report["market"])
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


def _market(market: MarketView) -> str:
    if market["whyNone"] is not None:
        return market["whyNone"]
    figures = {kind: _figures(actors) for kind, actors in market["actors"].items()}
    names = next(iter(figures.values()), {})
    actors = [(name, *(of_kind[name] for of_kind in figures.values())) for name in names]
    servers = [
        (name, *_both(each["answerMilliseconds"], "{:,.1f}"), f"{each['away']:,}")
        for name, each in market["servers"].items()
    ]
    tables = (_table(("", *figures), actors), _table(("server", "answers in ms", "highest", "times away"), servers))
    return "\n\n".join((f"By {market['samples']:,} samples.", *tables))


def _figures(actors: ActorsView) -> dict[str, str]:
    """Return what there is to say of the actors of one kind, by name."""
    busy, busiest = _both(actors["busyShare"], "{:.0%}")
    commit, slowest = _both(actors["commitMilliseconds"], "{:,.1f}")
    return {
        "actors": f"{actors['actors']:,}",
        "busy, mean": busy,
        "busy, the busiest": busiest,
        "deepest mailbox": _known(actors["deepestMailbox"], "{:,}"),
        "longest wait, ms": _known(actors["longestWaitMilliseconds"], "{:,.1f}"),
        "commits behind, most": _known(actors["mostBehind"], "{:,}"),
        "messages a second": f"{actors['messagesPerSecond']:,.1f}",
        "messages a turn": _known(actors["messagesPerTurn"], "{:,.1f}"),
        "commits a second": f"{actors['commitsPerSecond']:,.1f}",
        "commit, mean ms": commit,
        "commit, highest mean ms": slowest,
        "commits fenced": f"{actors['fenced']:,}",
        "times silent": f"{actors['silent']:,}",
    }


def _both(figure: MeanAndHighest | None, form: str) -> tuple[str, str]:
    return (_known(figure and figure["mean"], form), _known(figure and figure["highest"], form))


def _known(figure: float | None, form: str) -> str:
    return "" if figure is None else form.format(figure)


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
