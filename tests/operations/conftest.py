"""The world of tests/api, for tests of what stands in front of it."""

from tests.api.conftest import opened, settings, world

__all__ = ["opened", "settings", "world"]
