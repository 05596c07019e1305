"""Questions from outside: is the site up, has every shard a desk, do quotes flow, who has a port, and what is
wrong with the servers that the environment names.

Each answers at once, and no failure is more than a "not yet". No answer shows a password.
"""

import os
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import redis

#: What health asks after (tradingdesk/vitals.py), where HEALTH_PARTS names nothing else.
EVERY_PART = ("database", "redis", "desk", "workers", "beat", "feed")
ANSWER_LIMIT_S = 5
OLDEST_POSTGRES, OLDEST_REDIS = 15, (6, 2)
# No proxy: what we ask is on this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def site_ready(address: str) -> bool:
    """Return whether daphne serves, whatever there is behind it."""
    try:
        with DIRECT.open(f"{address}/health/live", timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 429  # it serves so many that this one has to wait
    except OSError:
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


def shards_of(database_url: str) -> int:
    """Return among how many desks the database divides the accounts, 0 where nobody has said so yet.

    Raises:
        psycopg.Error: it does not answer, or has no tables.
    """
    with psycopg.connect(database_url, connect_timeout=ANSWER_LIMIT_S) as connection:
        row = connection.execute("SELECT shards FROM dealing_enginecontrol WHERE id = 1").fetchone()
        return int(row[0]) if row else 0


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


def database_fault(url: str) -> tuple[str, bool]:
    """Return what is wrong with the server of DATABASE_URL ("" when nothing is), and whether to ask again."""
    if not url.startswith(("postgres://", "postgresql://")):
        return "it is not an address like postgres://USER:PASSWORD@HOST:PORT/NAME", False
    try:
        with psycopg.connect(url, connect_timeout=ANSWER_LIMIT_S) as connection:
            if connection.info.server_version < OLDEST_POSTGRES * 10_000:
                found = connection.info.server_version // 10_000
                return f"PostgreSQL {OLDEST_POSTGRES} or newer is needed, this is {found}", False
            return "", False
    except psycopg.OperationalError as error:
        # Who gets no answer may be early; who is turned away is not.
        return first_line(error), "FATAL" not in str(error)
    except (psycopg.Error, ValueError):
        # The driver would quote the piece that it cannot read, which may be the password.
        return (
            "it cannot be read as an address (signs such as % and @ in a password are written %25 and %40)",
            False,
        )


def redis_fault(url: str) -> tuple[str, bool]:
    """Return what is wrong with the server of REDIS_URL ("" when nothing is), and whether to ask again."""
    if not url.startswith(("redis://", "rediss://")):
        return "it is not an address like redis://:PASSWORD@HOST:PORT/0", False
    limit = {"socket_timeout": ANSWER_LIMIT_S, "socket_connect_timeout": ANSWER_LIMIT_S}
    try:
        with redis.Redis.from_url(url, **limit) as client:
            version = str(client.info("server")["redis_version"])
            if tuple(map(int, version.split(".")[:2])) < OLDEST_REDIS:
                return (
                    f"Redis {'.'.join(map(str, OLDEST_REDIS))} or newer is needed, this is {version}",
                    False,
                )
            return "", False
    except (redis.AuthenticationError, redis.ResponseError) as error:
        return first_line(error), False
    except redis.ConnectionError as error:
        return first_line(error), True
    except (redis.RedisError, ValueError) as error:
        return first_line(error), isinstance(error, redis.TimeoutError)


def find_fault(variable: str, url: str) -> tuple[str, bool]:
    """Return what is wrong with the server that DATABASE_URL or REDIS_URL names, and whether to ask again."""
    return database_fault(url) if variable == "DATABASE_URL" else redis_fault(url)


def first_line(error: Exception) -> str:
    """Return the first line of an error, which the drivers keep free of passwords."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def without_password(url: str) -> str:
    """Return an address as it may be shown."""
    before, at, after = url.rpartition("@")
    scheme, mark, who = before.partition("://")
    return f"{scheme}{mark}{who.partition(':')[0]}:***@{after}" if at else url


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
