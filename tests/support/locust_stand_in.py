"""As much of Locust as examples/locustfile.py uses. Locust itself brings gevent and a web server.

As there, the client is a session of `requests` that counts each request by its name, and by why it failed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import requests

Task = TypeVar("Task", bound=Callable[[Any], None])


class HttpSession(requests.Session):
    """Asks one market. `answered` and `failures` are by the names of requests."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []
        self._host = host

    def request(self, method: str, url: str, *args: Any, name: str, catch_response: bool = False, **more: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 - as requests has it
        response = super().request(method, self._host + url, *args, **more)
        self.answered[name] += 1
        if not response.ok:
            self.failures.append(f"{name}: {response.status_code}")
        return self._caught(name, response) if catch_response else response

    @contextmanager
    def _caught(self, name: str, response: requests.Response) -> Iterator[requests.Response]:
        response.failure = lambda reason: self.failures.append(f"{name}: {reason}")  # type: ignore[attr-defined]
        yield response


class HttpUser:
    """A user with a session of its own."""

    def __init__(self, host: str) -> None:
        self.client = HttpSession(host)

    def on_start(self) -> None:
        """Do nothing, unless a user says otherwise."""

    def does_each_task_once(self) -> None:
        tasks = [each for each in vars(type(self)).values() if getattr(each, "is_task", False)]
        assert tasks
        self.on_start()
        for each in tasks:
            each(self)


def task(what: Task | int) -> Any:  # noqa: ANN401 - a task, or what makes one
    """Mark a task, as `@task` or `@task(weight)`."""
    if isinstance(what, int):
        return task
    what.is_task = True  # type: ignore[attr-defined]
    return what


def between(least_seconds: float, most_seconds: float) -> tuple[float, float]:
    """Return how long a user waits between two tasks; nobody does here."""
    return least_seconds, most_seconds
