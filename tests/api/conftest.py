"""One world for all tests of the doors: its database, desk and daphne live as long as the session."""

from collections.abc import Iterator

import pytest

from tests.api.world import World
from tests.services import Services


@pytest.fixture(scope="session")
def world(services: Services) -> Iterator[World]:
    """Return the running world, every symbol at its usual price."""
    with World(services) as world:
        yield world
