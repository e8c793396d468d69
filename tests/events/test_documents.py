"""What is written down of the events is the catalogue's, and AsyncAPI as its own parser reads it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from holdfast.events import document
from holdfast.events.catalogue import BY_TYPE
from holdfast.events.event import FIELDS
from tests.browser.fetch_tools import ASYNCAPI

DOCS = Path(__file__).parents[2] / "docs"
STALE = "stale: make events"
_PARSE = """
globalThis.window = globalThis.self = globalThis
const Parser = require(process.argv[1])
new Parser().parse(require("fs").readFileSync(0, "utf8")).then(({ document, diagnostics }) =>
  console.log(JSON.stringify({
    faults: diagnostics.filter(({ code }) => code !== "asyncapi-latest-version").map(({ message }) => message),
    messages: document ? document.messages().all().map((each) => each.name()) : [],
  })))
"""


@pytest.fixture(scope="session")
def node() -> str:
    path = shutil.which("node")
    if path is None or not ASYNCAPI.path.exists():
        pytest.skip("the AsyncAPI parser is not here: make test fetches it, with npm; it runs on Node")
    return path


def parsed(node: str, text: str) -> Any:  # noqa: ANN401 - JSON
    run = subprocess.run(
        [node, "-e", _PARSE, ASYNCAPI.path], input=text, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(run.stdout)


def test_asyncapi_document_is_that_of_the_catalogue() -> None:
    assert (DOCS / "asyncapi.json").read_bytes() == document.asyncapi(), STALE


def test_tables_of_events_are_those_of_the_catalogue() -> None:
    text = (DOCS / "events.md").read_text()
    assert text == document.with_tables(text), STALE


def test_table_of_the_attributes_names_each_of_them() -> None:
    _, _, section = (DOCS / "events.md").read_text().partition("## Attributes")
    section, _, _ = section.partition("\n## ")
    assert tuple(line.split("`")[1] for line in section.splitlines() if line.startswith("| `")) == FIELDS
    assert tuple(document.ATTRIBUTES) == FIELDS


def test_stale_tables_are_noticed() -> None:
    text = (DOCS / "events.md").read_text().replace("`order.created`", "`order.made`")
    assert text != document.with_tables(text)


def test_asyncapis_own_parser_reads_every_event_and_finds_no_fault(node: str) -> None:
    found = parsed(node, document.asyncapi().decode())
    assert found["faults"] == []
    assert set(found["messages"]) == set(BY_TYPE)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [('"action": "send"', '"action": "publish"'), ("#/components/schemas/OrderData", "#/components/schemas/Nothing")],
)
def test_asyncapis_own_parser_finds_a_fault(node: str, right: str, wrong: str) -> None:
    text = document.asyncapi().decode()
    assert right in text
    assert parsed(node, text.replace(right, wrong))["faults"]
