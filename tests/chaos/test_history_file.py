"""What the load tool writes down is what the checker reads."""

import json
from pathlib import Path

import pytest

from cli.history.file import HistoryFile, Record, told
from cli.history.operations import NEVER, HistoryError, Kind, read_history
from cli.main import app
from config.settings import Settings


def record(
    operation: Kind, invoked: float, answered: float | None, status: int | None, answer: dict[str, object]
) -> Record:
    arguments = {"price": 20} if operation is Kind.LIST else {}
    return Record("sam.0", "sam", operation, "ticket-1", None, arguments, invoked, answered, status, answer)


TICKET: dict[str, object] = {
    "id": "ticket-1",
    "price": 20.0,
    "status": "available",
    "orderId": None,
    "version": 1,
    "createdAt": "",
}


def written(path: Path, *records: Record) -> Path:
    with HistoryFile(path, Settings(reservation_seconds=30, payment_grace_seconds=7, offer_seconds=9)) as file:
        for each in records:
            file.add(each)
    return path


def test_a_history_reads_as_it_was_written_in_the_order_of_asking(tmp_path: Path) -> None:
    later = record(Kind.READ_TICKET, 3.0, 4.0, 200, TICKET)
    first = record(Kind.LIST, 1.0, 2.5, 201, TICKET)
    history = read_history(written(tmp_path / "h.jsonl", later, first))
    assert [one.kind for one in history.operations] == [Kind.LIST, Kind.READ_TICKET]
    assert (history.reservation_seconds, history.grace_seconds, history.offer_seconds) == (30, 7, 9)
    assert history.operations[0].answer == TICKET
    assert history.instant(history.wall + 5) == history.monotonic + 5


def test_an_unknown_outcome_may_take_effect_at_any_later_time(tmp_path: Path) -> None:
    (lost,) = read_history(written(tmp_path / "h.jsonl", record(Kind.EDIT, 1.0, None, 503, {}))).operations
    assert (lost.answered, lost.is_certain, lost.status) == (NEVER, False, 503)


def test_only_the_fields_that_matter_are_written_down() -> None:
    order = {"id": "o", "status": "created", "userId": "u", "ticket": {"id": "t", "title": "Hot", "price": 20.0}}
    assert told(Kind.OWN_ORDERS, [order]) == {"items": [{"id": "o", "status": "created", "ticket": "t"}]}
    assert told(Kind.EDIT, {"errors": [{"message": "No.", "field": "price"}]}) == {"message": "No."}
    assert told(Kind.CANCEL, None) == {}


def exit_status(path: Path) -> int:
    """Check the history as `holdfast check-history` does."""
    status: object = app(["check-history", str(path)], standalone_mode=False)
    return int(status) if isinstance(status, int) else 0


@pytest.mark.parametrize("content", ["", "{}", '{"history": 2}', "no json", '{"history": 1}\n{"process": 1}'])
def test_file_that_is_no_history_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(content)
    with pytest.raises(HistoryError, match=r"h\.jsonl"):
        read_history(path)
    assert exit_status(path) == 2


def test_the_command_says_what_it_checked_and_that_it_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "h.jsonl", record(Kind.LIST, 1.0, 2.0, 201, TICKET))
    assert exit_status(path) == 0
    said = capsys.readouterr().out
    assert "1 list" in said
    assert "0 violations" in said


def test_the_command_shows_what_cannot_be_explained_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = record(Kind.LIST, 1.0, 2.0, 201, TICKET)
    wrong = record(Kind.READ_TICKET, 3.0, 4.0, 200, {**TICKET, "price": 99.0})
    path = written(tmp_path / "h.jsonl", listed, wrong)
    assert exit_status(path) == 1
    said = capsys.readouterr().out
    assert ">>" in said
    assert "price=99.0" in said


def test_the_lines_of_a_file_are_json(tmp_path: Path) -> None:
    path = written(tmp_path / "h.jsonl", record(Kind.LIST, 1.0, 2.0, 201, TICKET))
    header, line = map(json.loads, path.read_text().splitlines())
    assert set(header) == {
        "history", "wall", "monotonic", "reservationSeconds", "paymentGraceSeconds", "offerSeconds",
    }  # fmt: skip
    assert line["operation"] == "list"
