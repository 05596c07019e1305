"""The faults: what each does to the world, once, and how long until it is over.

A fault takes the round, does its harm at a moment of chance, mends what a machine would mend by itself (a server that
is started again, a disk that somebody clears), and returns when the desk commits again.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from dealing.failpoints import NAMES
from tests.faults.rounds import Round
from tests.faults.world import LIMIT_S

STARTING = ("after_lease", "in_recovery", "after_load")
WRITING = tuple(name for name in NAMES if name not in STARTING)
LONG_PAUSE_S = (5.5, 7.0)  # beyond the heartbeat's limit: another desk takes over
SHORT_PAUSE_S = (0.05, 2.5)


def kill(round_: Round) -> None:
    """kill -9 of the process that holds the shard."""
    world = round_.world
    world.rest(round_.chance.uniform(0.0, 0.5))
    pid = world.until(world.owner, "a desk to kill")
    epoch = round_.note_fault()
    os.kill(pid, signal.SIGKILL)
    round_.recovered(epoch)
    round_.did()


def die_at_failpoint(round_: Round) -> None:
    """Wait while desks kill themselves at the failpoint that they were started with."""
    world = round_.world
    before = world.epoch()

    def died() -> bool:
        epoch = world.epoch()
        if epoch > before:
            for _ in range(min(epoch - before, round_.wanted - round_.done)):
                round_.did()
            return True
        return False

    world.until(died, "a desk's death at its failpoint")


def pause(round_: Round) -> None:
    """SIGSTOP at a moment of chance, for so short that nobody notices or so long that another one takes over."""
    world, chance = round_.world, round_.chance
    world.rest(chance.uniform(0.0, 0.4))
    pid = world.until(world.owner, "a desk to pause")
    is_long = chance.random() < 0.25
    epoch = world.epoch()
    os.kill(pid, signal.SIGSTOP)
    world.rest(chance.uniform(*(LONG_PAUSE_S if is_long else SHORT_PAUSE_S)))
    if is_long:
        world.until(lambda: world.epoch() > epoch, "another owner")
        round_.recovered(epoch)
    _go_on(pid)
    world.rest(0.2)
    round_.committing()
    round_.did()


def pause_in_transaction(round_: Round) -> None:
    """Wait for a desk to stop itself inside a transaction; let another one take over before it goes on."""
    world, chance = round_.world, round_.chance
    before = world.epoch()
    pids = world.until(world.stopped, "a desk that stands still")
    epoch = max(before, world.epoch())
    is_long = chance.random() < 0.5
    world.rest(chance.uniform(*(LONG_PAUSE_S if is_long else SHORT_PAUSE_S)))
    if is_long:
        world.until(lambda: world.epoch() > epoch, "another owner")
    for pid in pids:
        _go_on(pid)
        round_.did()
    # It may try to write now. A process stops itself once in its life, so the next one has to be another.
    world.rest(0.3)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has left by itself


def _go_on(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass  # it was ended while it stood still


def stop_postgres(round_: Round) -> None:
    """Stop PostgreSQL as `pg_ctl stop -m immediate` does, and start it again."""
    world = round_.world
    world.rest(round_.chance.uniform(0.0, 0.6))
    epoch = round_.note_fault()
    world.stop_postgres_at_once()
    world.rest(round_.chance.choice((0.0, 0.0, 0.5)))
    world.start_postgres()
    round_.recovered(epoch)
    round_.did()


def lose_commit(round_: Round) -> None:
    """Lose the answer to the desk's next COMMIT, or the COMMIT itself; and a client's answer as well."""
    world, chance = round_.world, round_.chance
    assert world.desk_proxy and world.client_proxy
    world.rest(chance.uniform(0.0, 0.3))
    way = chance.choices(("answer", "request", "stall"), weights=(70, 25, 5))[0]
    cuts = world.desk_proxy.cuts
    epoch = round_.note_fault()
    world.client_proxy.arm(b"INSERT INTO dealing_command", chance.choice(("answer", "request")))
    world.desk_proxy.arm(b"COMMIT", way)
    world.until(lambda: world.desk_proxy.cuts > cuts, "a commit to lose")
    round_.recovered(epoch)
    world.desk_proxy.disarm()
    round_.did()


def fill_disk(round_: Round) -> None:
    """Fill the disk of PostgreSQL, data and WAL, for some seconds, then clear it."""
    world, chance = round_.world, round_.chance
    assert world.disk
    world.rest(chance.uniform(0.2, 1.0))
    ballast = world.disk / "ballast"
    end = time.monotonic() + chance.uniform(2.0, 5.0)
    with ballast.open("wb") as file:
        while time.monotonic() < end:
            try:
                os.write(file.fileno(), b"\0" * 4096)
            except OSError:
                world.rest(0.05)  # it is full, and is kept so
    ballast.unlink()
    if world.postgres.process is None or world.postgres.process.poll() is not None:
        world.start_postgres()
    world.until(lambda: world.sql("SELECT 1"), "PostgreSQL", LIMIT_S)
    round_.committing()
    round_.did()


def lose_redis(round_: Round) -> None:
    """Empty Redis, kill it and start it anew with nothing, or let it stand still for some seconds."""
    world, chance = round_.world, round_.chance
    process = world.redis.process
    assert process is not None
    world.rest(chance.uniform(0.1, 0.8))
    how = chance.choices(("empty", "kill", "pause"), weights=(60, 25, 15))[0]
    if how == "empty":
        with redis.Redis.from_url(world.redis.url) as client:
            client.flushall()
    elif how == "kill":
        process.kill()
        process.wait()
        (world.redis.folder / "dump.rdb").unlink(missing_ok=True)
        world.rest(chance.uniform(0.0, 1.0))
        world.redis.start()
    else:
        process.send_signal(signal.SIGSTOP)
        world.rest(chance.uniform(1.0, 4.0))
        process.send_signal(signal.SIGCONT)
    round_.committing()
    round_.did()


def skew_clock(round_: Round) -> None:
    """Make the clock of the desk that serves wrong: it must let go and stay away, and another one trades on."""
    world, chance = round_.world, round_.chance
    world.rest(chance.uniform(0.2, 1.0))
    wrong = world.until(lambda: world.part_of(world.owner()), "a desk whose clock to move")
    epoch = round_.note_fault()
    world.skew(wrong, chance.choice((-1, 1)) * chance.choice((4, 90, 3600, 86_400)))
    round_.recovered(epoch)
    end = time.monotonic() + chance.uniform(0.2, 1.5)
    while time.monotonic() < end:
        if world.part_of(world.owner()) == wrong:
            round_.log.breach(
                f"{wrong} holds the shard with a clock that is wrong by {world.clocks[wrong].offset_s} s"
            )
            break
        world.rest(0.05)
    world.skew(wrong, 0)
    round_.did()


@dataclass(frozen=True)
class Kind:
    """A kind of fault and how its rounds are played."""

    name: str
    inject: Callable[[Round], None]
    a_round: int
    hosts: tuple[str, ...] = ("celery",)
    failpoints: tuple[str, ...] = ()
    how: str = "kill"
    web: bool = True
    small_disk: bool = False
    proxies: bool = False
    share: int = 1  # of the number asked for, this part out of all kinds of one option


KINDS: dict[str, tuple[Kind, ...]] = {
    "kills": (
        Kind("kill -9, Celery", kill, 100, share=6),
        Kind("kill -9, standing by", kill, 60, hosts=("pair",), web=False, share=2),
        Kind("kill -9 at failpoints", die_at_failpoint, 35, failpoints=WRITING, web=False, share=3),
        Kind("kill -9 while recovering", die_at_failpoint, 30, failpoints=STARTING, web=False, share=1),
    ),
    "pauses": (
        Kind("SIGSTOP at chance", pause, 40, share=2),
        Kind("SIGSTOP in a transaction", pause_in_transaction, 14, failpoints=WRITING, how="stop", web=False),
    ),
    "pg_stops": (Kind("PostgreSQL stopped at once", stop_postgres, 50),),
    "lost_commits": (Kind("COMMIT answer lost", lose_commit, 40, proxies=True),),
    "full_disk": (Kind("disk full", fill_disk, 3, small_disk=True),),
    "clock_skews": (Kind("clock wrong", skew_clock, 25, hosts=("clocks",), web=False),),
    "redis_flushes": (Kind("Redis lost or paused", lose_redis, 25),),
}
