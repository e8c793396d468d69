"""The API's worlds serve for pages as well: the same app, read as a browser without JavaScript reads it."""

from tests.api.conftest import api, opened, settings, world

__all__ = ["api", "opened", "settings", "world"]
