"""Questions from outside: is the site up, has every shard a desk, do quotes flow, who has a port.

Each answers at once, and no failure is more than a "not yet".
"""

import os
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import redis

# No proxy: what we ask is on this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def site_ready(address: str) -> bool:
    """Return whether daphne serves and reaches its database and Redis.

    An answer below 500 that is not 200 counts: where ALLOWED_HOSTS does not name this machine's own
    address, daphne refuses us, and so it is up.
    """
    try:
        with DIRECT.open(f"{address}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as refusal:
        return refusal.code < 500
    except (OSError, urllib.error.URLError):
        return False


def engine_ready(database_url: str, shards: int) -> bool:
    """Return whether every shard has a desk whose heart beat within the last five seconds."""
    sql = "SELECT count(*) FROM dealing_engineshard WHERE heartbeat_at > now() - interval '5 seconds'"
    try:
        with psycopg.connect(database_url, connect_timeout=2) as connection:
            row = connection.execute(sql).fetchone()
            return row is not None and int(row[0]) >= shards
    except psycopg.Error:
        return False


def symbols_ready(database_url: str) -> bool:
    """Return whether there is anything that can be traded."""
    try:
        with psycopg.connect(database_url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1 FROM markets_symbol LIMIT 1").fetchone() is not None
    except psycopg.Error:
        return False


def quotes_ready(redis_url: str, since_ms: int) -> bool:
    """Return whether a feed has written to the stream of ticks since that time (ms UTC)."""
    try:
        with redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.xrange("ticks", min=since_ms, count=1))
    except redis.RedisError:
        return False


def port_owner(port: int) -> str:
    """Return " by NAME (pid N)" of the process that listens on a port, "" when we may not see it."""
    wanted = f"{port:04X}"
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == "0A" and columns[1].rpartition(":")[2] == wanted:
                inodes.add(f"socket:[{columns[9]}]")
    for folder in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(os.readlink(link) in inodes for link in (folder / "fd").iterdir()):
                return f" by {(folder / 'comm').read_text().strip()} (pid {folder.name})"
        except OSError:
            continue  # it ended, or belongs to somebody else
    return ""
