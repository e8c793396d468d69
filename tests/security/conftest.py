"""The world of tests/api."""

import pytest

from serve_app.security.rate_limits import RateLimits
from tests.api.conftest import api, opened, settings, world
from tests.api.world import World

__all__ = ["api", "opened", "settings", "world"]


@pytest.fixture
def unlimited(world: World) -> World:
    """A world in which sign-ins may fail as often as they like."""
    return world.serving(limits=RateLimits("redis://127.0.0.1:1/0", enabled=False))
