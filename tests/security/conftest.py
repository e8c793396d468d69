"""The world of tests/api."""

from tests.api.conftest import opened, settings, world

__all__ = ["opened", "settings", "world"]
