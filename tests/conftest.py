"""What all tests share: embedded servers, and the rule that a skipped test is a failed one where it has to run."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from cli.up.embedded_servers import start_database, start_redis
from config import ports
from config.settings import Settings
from tests.support import database_choice
from tests.support.counting import HOSTILE_REQUESTS

_NO_SKIPS = "HOLDFAST_NO_SKIPS"
_TESTS = Path(__file__).parent
# Where `make test` looks for tests with a mark: the folders of the Makefile.
_FOLDERS = {"cluster": {"cluster", "operations", "load", "browser"}, "browser": {"browser"}}


def pytest_configure() -> None:
    _share_the_ports()
    # Tracebacks in colors, with the variables of each frame, take half of the time of tests in which much goes wrong.
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])
    # What a shell starts in the background ignores Ctrl-C, and so would the commands that tests end with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A developer's own settings are not those of the tests.
    Settings.model_config["env_file"] = None
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    # Whoever asks Ray before there is one would start a cluster here, in the process of the tests.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"


def _share_the_ports() -> None:
    """Give each worker ports of its own: two that take one at the same moment would get the same."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first, share = ports.FIRST, (ports.LAST + 1 - ports.FIRST) // workers
    ports.FIRST, ports.LAST = first + worker * share, first + (worker + 1) * share - 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests with a mark where `make test` does not look for them. Files that take long come first.

    Otherwise xdist begins with those of many tests, and at the end one worker has a long one while the others idle.
    """
    for item in items:
        for mark, folders in _FOLDERS.items():
            if item.get_closest_marker(mark) and item.path.relative_to(_TESTS).parts[0] not in folders:
                raise pytest.UsageError(
                    f"{item.nodeid}: tests with the mark {mark} are in {', '.join(sorted(folders))}"
                )
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path], item.path))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    config.option.loadscopereorder = False  # in the order above
    return _ByMarket(config, log) if config.getvalue("dist") == "loadfile" else None


class _ByMarket(LoadFileScheduling):  # type: ignore[misc]  # without types
    """Keeps the tests of a file on one worker, and those of the folder that has one market for all.

    xdist's own groups do nothing with pytest 9, where the field is gone by which they rename tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        return str(file.parent if file.parent.name == "one_market" else file)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    hostile = sum(
        int(str(count))
        for report in terminalreporter.getreports("")  # of set-ups and tear-downs
        for name, count in getattr(report, "user_properties", [])
        if name == HOSTILE_REQUESTS and report.when == "teardown"
    )
    if hostile:
        terminalreporter.write_line(f"{hostile:,} hostile requests: no crash, no status that is not described")
    if skipped := _skipped(config):
        terminalreporter.write_line(f"{skipped} skipped, and {_NO_SKIPS}=1 says that every test has to run", red=True)


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(_NO_SKIPS) != "1" or not isinstance(reporter, pytest.TerminalReporter):
        return 0
    return len(reporter.getreports("skipped"))


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Commands that a test runs in this process silence the logs, in which later tests look for lines."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database that lives as long as the test run. Use a database name of your own in it."""
    with database_choice.another_server() as url:
        if url is not None:
            yield url
            return
    server = start_database(Settings(data_dir=tmp_path_factory.mktemp("database")))
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis that lives as long as the test run."""
    server = start_redis(Settings(data_dir=tmp_path_factory.mktemp("redis")))
    yield server.url
    server.stop()
