"""What the documents name is there: tests, files, headings, and the protections that have a negative control."""

import ast
import re
from pathlib import Path

import pytest

from tests.simulation.sabotage import CONTROLS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("tests/*.md")])
PATH = re.compile(
    r"`((?:tests|actors|serve_app|cli|config|benchmarks|docs|examples|deploy|holdfast)/[\w./-]+)(?:::(\w+))?`"
)
# Beside one that is named in full.
BARE = re.compile(r"`(test_\w+\.py)`")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
# Of a row of the tables of logs: names of fields are no events.
LOGGED = re.compile(r"(?<!with )`([a-z]+(?:_[a-z]+)+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# Of releases that are told of, not of today's tree.
HISTORY = "CHANGELOG.md"
GENERATED = {"benchmarks/results/"}


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one.name != HISTORY], ids=lambda one: one.name)
def test_every_file_and_test_that_a_document_names_exists(document: Path) -> None:
    missing = []
    for path, test in PATH.findall(document.read_text()):
        there = ROOT / path
        if path in GENERATED:
            continue
        if not there.exists() or (test and f"def {test}(" not in there.read_text()):
            missing.append(f"{path}::{test}" if test else path)
    missing += [name for name in BARE.findall(document.read_text()) if not any(ROOT.glob(f"tests/*/{name}"))]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    lost = []
    for path, fragment in LINK.findall(document.read_text()):
        target = document.parent / path if path else document
        if not target.exists() or (fragment and fragment not in map(anchor, HEADING.findall(target.read_text()))):
            lost.append(f"{path}#{fragment}")
    assert lost == []


def test_the_table_of_negative_controls_is_that_of_the_simulation() -> None:
    _, _, section = (ROOT / "docs" / "reliability.md").read_text().partition("### Negative controls")
    section, _, _ = section.partition("\n## ")
    rows = re.findall(r"^\| ([^|]+?) \| (\d+) \|$", section, re.MULTILINE)
    assert [(name, int(seeds)) for name, seeds in rows] == [(control.protection, control.seeds) for control in CONTROLS]


def told_of() -> set[str]:
    """The events of the tables of logs."""
    operations = (ROOT / "docs/operations.md").read_text()
    tables = re.findall(r"^\| in the logs \|.*\n\|.*\n((?:\|.*\n)+)", operations, re.MULTILINE)
    return {name for table in tables for row in table.splitlines() for name in LOGGED.findall(row.split("|")[1])}


def sources() -> list[str]:
    return [file.read_text() for room in ("actors", "serve_app") for file in (ROOT / room).rglob("*.py")]


def test_every_log_event_that_operators_are_told_of_is_logged() -> None:
    source = "".join(sources())
    assert len(told_of()) >= 60
    assert {name for name in told_of() if f'"{name}"' not in source} == set()


def test_operators_are_told_of_every_log_event_of_actors_and_replicas() -> None:
    calls = [node for source in sources() for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    logged = {
        call.args[0].value
        for call in calls
        if ast.unparse(call.func).partition(".")[0] in {"logger", "_log", "report"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    # It has a document of its own.
    assert {str(event) for event in logged} - told_of() == {"security"}
