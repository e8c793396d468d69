"""The world of tests/api."""

from dataclasses import replace

import pytest

from serve_app.api import create_api
from serve_app.security.rate_limits import RateLimits
from tests.api.conftest import opened, settings, world
from tests.api.world import World

__all__ = ["opened", "settings", "world"]


@pytest.fixture
def unlimited(world: World) -> World:
    """A world in which sign-ins may fail as often as they like."""
    services = replace(world.services, limits=RateLimits("redis://127.0.0.1:1/0", enabled=False))
    return replace(world, services=services, api=create_api(services))
