"""The list of cases that assert nothing finds them, and no others."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = """
import pytest

@pytest.mark.parametrize("number", [1, 2, 3])
def test_number(number):
    if number == 1:
        assert number == 1
    if number == 2:
        with pytest.raises(ZeroDivisionError):
            number / 0

def test_without_parameters():
    pass
"""


def run(folder: Path, cases: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_cases.py").write_text(cases)
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "tests.support.executed_assertions",
        "-o", "enable_assertion_pass_hook=true", str(folder / "test_cases.py"),
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_parametrised_case_without_an_executed_assertion_is_listed_and_fails_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, CASES)
    listed = [line for line in done.stdout.splitlines() if line.startswith("without an executed assertion")]
    assert len(listed) == 1
    assert listed[0].endswith("test_cases.py::test_number[3]")
    assert done.returncode == 1


def test_a_run_whose_cases_all_assert_passes(tmp_path: Path) -> None:
    done = run(tmp_path, CASES.replace("[1, 2, 3]", "[1, 2]"))
    assert "without an executed assertion" not in done.stdout
    assert done.returncode == 0
