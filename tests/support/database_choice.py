"""Which database server the tests run on: `make test DATABASE=…`, otherwise the embedded one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from benchmarks.support import databases

_VARIABLE = "HOLDFAST_TEST_DATABASE"


def choice() -> str:
    """What was asked for. Raises ValueError with what to do if it is not there."""
    return databases.chosen(os.environ.get(_VARIABLE) or databases.EMBEDDED)


@contextmanager
def another_server() -> Iterator[str | None]:
    """The URL of the server that was asked for, None for the embedded one.

    Of a server of yours all tests use databases of their own, and leave them there.
    """
    asked = choice()
    if asked in {databases.FAST, databases.EMBEDDED}:
        with databases.running(asked) as server:
            yield server.url if server else None
    else:
        # Tests put another name in this one's place.
        there = urlsplit(asked)
        yield there._replace(path="/holdfast", query=there.query or "appname=holdfast").geturl()
