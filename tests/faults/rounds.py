"""One round: traffic, a number of faults of one kind, then silence and every check.

A round begins with an empty book and ends with the desk drained, killed while it recovers and drained again, so that
the state in memory, the state after a crash and the state that was recorded can be compared. Promises: a fault is
over, and the desk commits again, before the next one comes; each has a time limit. What a fault does is in `kinds`.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import redis
from django.contrib.auth import get_user_model
from django.db import Error as DatabaseError
from django.db import connection

from accounts.models import Account
from accounts.setup import put_accounts, put_groups
from dealing import services
from markets.setup import put_symbols
from tests.faults import checks, triggers
from tests.faults.log import Log
from tests.faults.traffic import SYMBOLS, Client, Market, RestClient, ServiceClient
from tests.faults.world import World

LOGINS = (1001, 1002, 1003, 1004)
TICK_PAUSE_S = 0.03
CLIENT_PAUSE_S = 0.08
SHOWN_BREACHES = 5


@dataclass
class Round:
    """What one round is given and what came of it."""

    world: World
    log: Log
    chance: random.Random
    wanted: int
    deadline: float
    show: Callable[[int], None]
    done: int = 0
    recoveries: list[float] = field(default_factory=list)  # s from the fault to the first commit after it
    faults_at: list[tuple[float, int]] = field(default_factory=list)  # (wall clock, epoch before)
    judged: int = 0
    missed: int = 0
    deals: int = 0
    unavailable: int = 0

    def more(self) -> bool:
        """Return whether another fault is wanted and there is time for it."""
        return self.done < self.wanted and time.monotonic() < self.deadline

    def did(self) -> None:
        """Count a fault."""
        self.done += 1
        self.show(self.done)

    def note_fault(self) -> int:
        """Keep the moment of a fault after which a new epoch has to commit; return the epoch before."""
        epoch = self.world.epoch()
        self.faults_at.append((time.time(), epoch))
        return epoch

    def recovered(self, epoch: int) -> None:
        """Wait until an epoch after that one has committed a batch."""
        self.world.until(
            lambda: self.world.sql("SELECT 1 FROM dealing_enginebatch WHERE epoch > %s LIMIT 1", (epoch,)),
            f"a commit after epoch {epoch}",
        )

    def committing(self) -> None:
        """Wait until the desk commits something new from now on."""
        seen = self.world.until(
            lambda: self.world.sql("SELECT coalesce(max(seq), 0) FROM dealing_enginebatch"), "rows"
        )
        self.world.until(
            lambda: self.world.sql("SELECT 1 FROM dealing_enginebatch WHERE seq > %s", seen[0]), "a commit"
        )


def prepare(world: World) -> None:
    """Write symbols, accounts, users and deposits into an empty book."""
    world.empty()
    connection.close()
    put_symbols([{"name": name} for name in SYMBOLS])
    put_groups([{"name": "retail"}])
    put_accounts([{"login": login, "group": "retail"} for login in LOGINS])
    for login in LOGINS:
        user = get_user_model().objects.create(username=f"client{login}")
        Account.objects.filter(login=login).update(user=user)
        services.balance_operation(login, "deposit", "1000000", caller=services.Caller(wait_s=0))


@contextmanager
def traffic(world: World, log: Log, seed: int, *, web: bool) -> Iterator[list[Client]]:
    """Let prices and clients stream inside the block; afterwards every request has its acknowledgement."""
    market = Market(world.redis.url, log, seed, pause_s=TICK_PAUSE_S)
    for _ in range(8):
        market.send()
    market.start()
    clients: list[Client] = [
        ServiceClient(login, log, market, seed * 100 + login, pause_s=CLIENT_PAUSE_S) for login in LOGINS[:3]
    ]
    if web:
        clients.append(
            RestClient(LOGINS[3], log, market, seed * 100, pause_s=CLIENT_PAUSE_S, port=world.web_port)
        )
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.over.set()
        end = time.monotonic() + 60
        while any(client.is_alive() for client in clients) and time.monotonic() < end:
            world.rest(0.05)
        market.over.set()
        market.join(5)
        for client in clients:
            if client.is_alive():
                log.breach(f"client {client.login} is still waiting for an acknowledgement")


def settle(round_: Round) -> None:
    """Wait until no command waits and every tick was read."""
    world, log = round_.world, round_.log

    def quiet() -> bool:
        waiting = world.sql("SELECT count(*) FROM dealing_command WHERE status = 'pending'")
        place = world.sql("SELECT tick_cursor FROM dealing_engineshard WHERE shard = 0")
        try:
            with redis.Redis.from_url(world.redis.url, decode_responses=True) as client:
                last = client.xrevrange("ticks", count=1)
        except redis.RedisError:
            return False
        return bool(waiting and place and waiting[0][0] == 0 and (not last or place[0][0] == last[0][0]))

    world.until(quiet, f"the end of {len(log.acks)} commands and {len(log.ticks)} ticks")


def hashes(world: World) -> list[str]:
    """Drain the desk, kill one while it recovers, and recover twice; return the state's digest each time."""
    world.stop_parts(tuple(name for name in world.parts if name != "daphne"))
    world.stop_parts(("daphne",))

    def last() -> str:
        query = "SELECT state_hash FROM dealing_enginebatch WHERE shard = 0 ORDER BY seq DESC LIMIT 1"
        return str(world.sql(query)[0][0])

    found = [last()]
    if not found[0]:  # it did not drain: a kill came too late to be replaced
        found = []
    world.run("desk", DESK_FAILPOINT="after_load:1")
    for _ in range(2):
        world.run("desk", "--until-idle")
        found.append(last())
    return found


def check(round_: Round) -> list[str]:
    """Return every breach of a round that is over, the desk being drained."""
    log = round_.log
    history, told = checks.history_of(log)
    found = [*log.breaches, *told]
    for lines in (
        checks.acknowledgements(log), checks.effects(), checks.triggers_once(), checks.fenced(history),
        checks.counted(history), checks.audited(),
    ):  # fmt: skip
        found += list(lines)
    try:
        breaches, round_.judged = triggers.judge(history)
    except LookupError as error:  # named above already: a row of no batch, or one that is missing
        breaches = [f"triggers cannot be judged, the rows do not hang together: {error!r}"]
    round_.missed = history.missed
    round_.deals = checks.rows("SELECT count(*) FROM positions_deal")[0][0]
    for at, epoch in round_.faults_at:
        first = checks.rows(
            "SELECT extract(epoch FROM min(at))::float FROM dealing_enginebatch WHERE epoch > %s", epoch
        )[0][0]
        if first is not None:
            round_.recoveries.append(first - at)
    return found + breaches


def play(
    round_: Round,
    fault: Callable[[Round], None],
    *,
    host: str,
    variables: dict[str, str],
    web: bool,
    seed: int,
) -> list[str]:
    """Play a round and return its breaches."""
    world = round_.world
    prepare(world)
    if host == "celery":
        world.start_celery(**variables)
    elif host == "clocks":
        world.start_clocks(**variables)
    else:
        world.start_pair(**variables)
    if web:
        world.start_web()
        world.until(lambda: _answers(world.web_port), "the pages")
    if not variables:
        world.until(world.owner, "a desk")
    with traffic(world, round_.log, seed, web=web) as clients:
        while round_.more():
            fault(round_)
        if variables:  # these desks die by themselves for ever: the last ones must not
            world.stop_parts(("engine", "beat", "desk-a", "desk-b"))
            for pid in world.stopped():
                os.kill(pid, 18)
            world.start_celery()
        round_.committing()
        world.rest(0.3)
    round_.unavailable = sum(getattr(client, "unavailable", 0) for client in clients)
    settle(round_)
    found = hashes(world)
    connection.close()  # it may be older than the last stop of PostgreSQL
    try:
        breaches = check(round_)
    except DatabaseError as error:
        breaches = [f"the rows cannot be read: {error}"]
    if len(set(found)) != 1 or not found[0]:
        breaches.append(f"state recorded and recovered differ: {found}")
    connection.close()
    return breaches


def _answers(port: int) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
