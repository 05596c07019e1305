"""Daphne's pool of connections: after PostgreSQL was away it is there again soon, however long that took."""

import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.services import Services
from tests.stack import ROOT
from tradingdesk.embedded import free_port

SCRIPT = """
import socket, sys, time
import django
django.setup()
from django.db import OperationalError, connection
from tests.faults.proxy import Proxy

def asks():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except OperationalError:
        return False
    finally:
        connection.close()

begun = time.monotonic()
while time.monotonic() - begun < 16:
    assert not asks()
proxy = Proxy(int(sys.argv[1]), port=int(sys.argv[2]))
begun = time.monotonic()
while not asks():
    assert time.monotonic() - begun < 10, "the pool does not come back"
"""


@pytest.mark.slow
def test_pool_when_the_database_was_away_for_long_then_it_comes_back_soon(
    services: Services, stack_env: dict[str, str]
) -> None:
    url = urlsplit(stack_env["DATABASE_URL"])
    port = free_port()
    away = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}").geturl()

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(url.port), str(port)], cwd=ROOT, capture_output=True, text=True,
        env={**stack_env, "DATABASE_URL": away, "DATABASE_POOL": "1"}, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
