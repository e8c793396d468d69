"""The report as files."""

import json
from importlib.util import find_spec
from pathlib import Path

from cli.load.report.schema import Report

WITHOUT_PICTURE = "no report.png: it needs matplotlib, which `pip install 'holdfast[load]'` brings"


def can_draw() -> bool:
    """Return whether there is what draws the picture."""
    return find_spec("matplotlib") is not None


def write(report: Report, text: str, folder: Path) -> list[Path]:
    """Write report.json, report.md and, where it can be drawn, report.png; return them. Raises OSError."""
    as_json, as_text, picture = (folder / f"report.{ending}" for ending in ("json", "md", "png"))
    as_json.write_text(json.dumps(report, indent=2) + "\n")
    as_text.write_text(f"{text}\n![over time](report.png)\n" if can_draw() else text)
    if not can_draw():
        return [as_json, as_text]
    from cli.load.report.plot import draw  # noqa: PLC0415 - an optional dependency

    draw(report, picture)
    return [as_json, as_text, picture]
