"""One world for all tests of the doors: its database, desk and daphne live as long as the session."""

import json
import os
from collections.abc import Iterator

import psycopg
import pytest

from tests.api.world import World, with_database
from tests.services import Services


@pytest.fixture(scope="session")
def world(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the running world, every symbol at its usual price."""
    admin_url = os.environ["DATABASE_URL"]
    name = f"doors_{os.getpid()}"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    world = World(
        folder=tmp_path_factory.mktemp("doors"),
        database_url=with_database(admin_url, name),
        redis_url=with_database(os.environ["REDIS_URL"], "7"),
    )
    try:
        world.run("manage.py", "migrate", "--verbosity", "0")
        world.logins = json.loads(world.run("-m", "tests.api.seed"))
        world.start_desk()
        world.start_daphne()
        world.usual_market()
        yield world
    finally:
        world.close()
        with world.redis() as client:
            client.flushdb()
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
