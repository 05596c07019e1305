"""PostgreSQL and Redis for the length of one command, in a temporary folder.

For commands that play on the whole stack where DATABASE_URL and REDIS_URL are not set. They promise to be gone, with
everything they held, when the command ends.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradingdesk.embedded import Postgres, Redis


@contextmanager
def temporary_services(*, durable: bool = False) -> Iterator[None]:
    """Start the servers that the environment does not name, and name them there, until the block ends.

    durable: let them wait for the disk, as in production.
    """
    folder = Path(tempfile.mkdtemp(prefix="tradingdesk-"))
    folder.chmod(0o755)  # PostgreSQL's account, when we are root, has to get in
    started: list[Postgres | Redis] = []
    try:
        for variable, service in (("DATABASE_URL", Postgres), ("REDIS_URL", Redis)):
            if not os.environ.get(variable):
                server = service(folder / service.name, durable=durable)
                started.append(server)
                server.start()
                os.environ[variable] = server.url
        yield
    finally:
        for server in reversed(started):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
