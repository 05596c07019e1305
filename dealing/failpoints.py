"""Named places at which a test lets the desk die, stand still or raise, to prove that nothing is lost there.

`DESK_FAILPOINT=name[:count[:how]]` in the environment ends this process with SIGKILL at the count-th passing of
that name; with `stop` as `how` it is paused with SIGSTOP instead, once, until somebody continues it.
`DESK_POISON=seed:one_in` makes every `one_in`-th item poisonous: at one seam of its path, always the same one, it
raises an exception of a class of its own. `DESK_POISON=seed:one_in:passings` lets every seam raise once in so many
passings as well, whatever the item. Without the variables a failpoint is one comparison; nothing else turns it on.
"""

import asyncio
import hashlib
import os
import random
import signal
from collections.abc import Iterable

import psycopg
import redis

NAMES = (
    "after_lease",
    "after_load",
    "in_recovery",
    "before_fence",
    "after_fence",
    "after_orders",
    "after_deals",
    "after_ledger",
    "before_commit",
    "after_commit",
    "after_publish",
)
#: While ticks are passed over after a long absence.
GAP_NAMES = ("in_gap", "after_gap")
#: Where an item can be poisonous, in the order of its path.
TICK_SEAMS = ("decode", "engine", "collect", "columns", "copy", "write")
COMMAND_SEAMS = ("row", "make", *TICK_SEAMS[1:])
#: Where there is no item in hand: what raises there, raises in passing.
PASSING_SEAMS = ("read", "poll", "time", "publish", "resume", "show", "beat", "plugin", "load", "gap")
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_armed, _count, _how = [*os.environ.get("DESK_FAILPOINT", "").split(":"), "", ""][:3]
_left = {_armed: int(_count or 1)} if _armed else {}
_signal = SIGNALS[_how or "kill"]


class Unheard(BaseException):
    """An exception that is no Exception: who catches only those is not yet safe."""


def _undecodable() -> BaseException:
    return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "poison")


#: What is thrown; makers, because some classes want arguments.
THROWN = (
    lambda: ValueError("poison \x00 \ud800"),
    lambda: KeyError("poison"),
    lambda: TypeError("poison"),
    lambda: OverflowError("poison"),
    lambda: ZeroDivisionError("poison"),
    lambda: RecursionError("poison"),
    lambda: MemoryError("poison"),
    lambda: AssertionError("poison"),
    lambda: StopIteration("poison"),
    lambda: AttributeError("poison"),
    lambda: TimeoutError("poison"),
    lambda: BrokenPipeError("poison"),
    lambda: LookupError("poison"),
    lambda: NotImplementedError("poison"),
    _undecodable,
    lambda: asyncio.CancelledError("poison"),
    lambda: GeneratorExit("poison"),
    lambda: Unheard("poison"),
    lambda: psycopg.OperationalError("poison"),
    lambda: psycopg.InterfaceError("poison"),
    lambda: psycopg.InternalError("poison"),
    lambda: psycopg.DataError("poison"),
    lambda: psycopg.errors.SerializationFailure("poison"),
    lambda: psycopg.errors.AdminShutdown("poison"),
    lambda: psycopg.Rollback(),
    lambda: redis.ConnectionError("poison"),
    lambda: redis.ResponseError("poison"),
)


class Poison:
    """Which items raise, where and what: the same in every process that is given the same words."""

    def __init__(self, words: str) -> None:
        """Read `seed:one_in[:passings]`."""
        seed, one_in, passings = [*words.split(":"), "0"][:3]
        self.seed = seed
        self.one_in = int(one_in)
        self.passings = int(passings)
        self.draw_anew()

    def draw_anew(self) -> None:
        """Begin the chance of what is thrown in passing: each process has its own."""
        self.chance = random.Random(f"{self.seed}-{os.getpid()}")

    def seam_of(self, key: str) -> str:
        """Return the seam at which an item raises, "" where it is a good one."""
        drawn = self._drawn(key)
        if not self.one_in or drawn % self.one_in:
            return ""
        seams = TICK_SEAMS if key.startswith("tick") else COMMAND_SEAMS
        return seams[drawn // self.one_in % len(seams)]

    def thrown_by(self, key: str) -> BaseException:
        """Return what an item raises."""
        return THROWN[self._drawn(key) // 7919 % len(THROWN)]()

    def _drawn(self, key: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed} {key}".encode()).digest()[:8])

    def pass_by(self, name: str, keys: Iterable[str]) -> None:
        """Raise where one of these items is poisonous here, or where chance wants it."""
        for key in keys:
            if self.seam_of(key) == name:
                raise self.thrown_by(key)
        if self.passings and self.chance.randrange(self.passings) == 0:
            raise self.chance.choice(THROWN)()


_poison = Poison(os.environ["DESK_POISON"]) if os.environ.get("DESK_POISON") else None


def _draw_anew() -> None:
    """Give a fork a chance of its own: what was thrown in passing would else be thrown at the same item each time."""
    if _poison is not None:
        _poison.draw_anew()


os.register_at_fork(after_in_child=_draw_anew)


def disarm() -> None:
    """Pass all failpoints by from now on: a desk dies at its failpoints, and the forks in which it tries things do not."""
    _left.clear()


def failpoint(name: str) -> None:
    """Die, or stand still, here if this is the place and the passing that was asked for."""
    if name not in _left:
        return
    _left[name] -= 1
    if _left[name] == 0:
        os.kill(os.getpid(), _signal)


def seam(name: str, keys: Iterable[str] = ()) -> None:
    """Raise here where a test wants it; `keys`: the items that are in hand."""
    if _poison is not None:
        _poison.pass_by(name, keys)
