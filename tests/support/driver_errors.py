"""Everything that the driver of the database raises, as it is installed: an election has many faces."""

import inspect
from collections.abc import Iterator

import pymongo.errors
from pymongo.errors import PyMongoError


def driver_errors() -> Iterator[PyMongoError]:
    """One of each class; those that differ in what they need are made without."""
    for kind in vars(pymongo.errors).values():
        if inspect.isclass(kind) and issubclass(kind, PyMongoError):
            yield kind.__new__(kind)
