"""A plugin of pytest: lists parametrised cases that passed without an executed assertion, and fails if there are any.

Such a case is green whatever the product does. What counts is an `assert` of any module of tests that held, and an
exception that was expected. `make asserted` runs the quick tests with it.
"""

import sys
from collections.abc import Generator
from pathlib import Path
from types import TracebackType

import pytest

TESTS = Path(__file__).parents[1]
MODULES = {".".join(path.relative_to(TESTS.parent).with_suffix("").parts) for path in TESTS.rglob("*.py")}
# Pytest warns of those that are imported by now: this one and its packages.
pytest.register_assert_rewrite(*MODULES - sys.modules.keys())
# Modules that were compiled for other runs do not tell of their asserts.
sys.pycache_prefix = str(TESTS.parent / ".pytest_cache" / "executed_assertions")
WITHOUT_ASSERTION = "without an executed assertion"
executed = 0


def pytest_assertion_pass() -> None:
    """Pytest calls it for every assert that holds, with `enable_assertion_pass_hook`."""
    global executed  # noqa: PLW0603 - hooks have no other place
    executed += 1


def pytest_configure(config: pytest.Config) -> None:
    if not config.getini("enable_assertion_pass_hook"):
        raise pytest.UsageError("give -o enable_assertion_pass_hook=true as well")
    ends = pytest.RaisesExc.__exit__

    def counted(
        self: "pytest.RaisesExc[BaseException]",
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        is_expected = ends(self, kind, error, traceback)
        pytest_assertion_pass()
        return is_expected

    pytest.RaisesExc.__exit__ = counted  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    before = executed
    yield
    if hasattr(item, "callspec") and executed == before:
        item.user_properties.append((WITHOUT_ASSERTION, True))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With xdist what was found is in the reports that come back from the workers."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if (
        isinstance(terminal, pytest.TerminalReporter)
        and cases_without(terminal)
        and session.exitstatus == pytest.ExitCode.OK
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for case in cases_without(terminalreporter):
        terminalreporter.line(f"{WITHOUT_ASSERTION}: {case}")


def cases_without(terminal: pytest.TerminalReporter) -> list[str]:
    passed = terminal.stats.get("passed", [])
    return [one.nodeid for one in passed if one.when == "call" and (WITHOUT_ASSERTION, True) in one.user_properties]
