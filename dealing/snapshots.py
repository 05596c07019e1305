"""Snapshots: an engine's whole state as of one place among the inputs, from which a replay can begin.

Rows say what is, not what was, so the state is kept: whenever a book is loaded, and shortly before each UTC day. A fork
of the desk packs and writes it beside the trading. Promises: a desk waits for none of them but a moment when it ends; one
that does not come to its end leaves nothing. A snapshot is read back by the classes of the engine that stands here.
"""

import io
import json
import os
import pickle
import time
import traceback
import zlib
from dataclasses import dataclass, field, fields
from datetime import UTC
from typing import Any

import structlog
from django.conf import settings

from dealing import clock, forking
from dealing.batch import Batch
from dealing.lease import Lease, open_session
from dealing.plugins import load_plugins
from dealing.rehearsal import NICE, reap
from engine.calendar import DAY_MS, Calendar
from engine.engine import Engine
from engine.state import State

log = structlog.get_logger(__name__)
BEFORE_DAY_MS = 60_000  # so that a day's first batch is behind it, whatever the database's clock says
MOST_AN_HOUR = 20  # of one shard: a desk that is loaded again and again must not fill the disk
CALENDAR = "calendar"
WRITTEN_WITHIN_S = 2.0  # how long a desk that ends waits for one
#: Fields of a state that are made anew from the others.
_INDICES = frozenset({"books", "pairs", "paths", "terms", "deal_settings"})
_INSERT = """
INSERT INTO dealing_enginesnapshot (key, shard, seq, state, state_hash, build, plugins, at)
SELECT %s, %s, %s, %s, %s, %s, %s, clock_timestamp()
WHERE (SELECT count(*) FROM dealing_enginesnapshot WHERE shard = %s AND at > clock_timestamp() - interval '1 hour') < %s
"""


class NoSnapshot(Exception):
    """Bytes are no snapshot that this engine can go on from; the text says why."""


class _Writer(pickle.Pickler):
    """Writes records, without the calendars that symbols make of their settings: a zone cannot be written."""

    def persistent_id(self, record: Any) -> str | None:
        """Return what stands for a calendar."""
        return CALENDAR if isinstance(record, Calendar) else None


class _Reader(pickle.Unpickler):
    """Reads records of the engine and plain values, and makes nothing else of what stands in a row."""

    def persistent_load(self, name: str) -> Any:
        """Return an empty calendar, until the engine has its symbols make theirs.

        Raises:
            NoSnapshot: it is none.
        """
        if name != CALENDAR:
            raise NoSnapshot(f"it holds a {name}, which no state does")
        return Calendar(UTC, None, frozenset())

    def find_class(self, module: str, name: str) -> Any:
        """Return a class of the engine, or one of the few others that records hold.

        Raises:
            NoSnapshot: it is another one.
        """
        if module.split(".")[0] == "engine" or (module, name) in (
            ("fractions", "Fraction"),
            ("builtins", "set"),
            ("builtins", "frozenset"),
        ):
            return super().find_class(module, name)
        raise NoSnapshot(f"it holds a {module}.{name}, which no state does")


def packed(engine: Engine) -> tuple[bytes, str]:
    """Return an engine's state and its digest. The engine is worth nothing afterwards: call it on a copy."""
    digest = engine.state_hash()
    state = engine.state
    for smart in state.smarts.values():
        smart.group = None  # its mark is in the record by now
    values = {f.name: getattr(state, f.name) for f in fields(State) if f.name not in _INDICES}
    memories = {name: json.loads(text) for name, text in engine.core.hooks.memories.items()}
    values["plugin_states"] = {**state.plugin_states, **memories}
    written = io.BytesIO()
    _Writer(written, protocol=5).dump(values)
    return zlib.compress(written.getvalue(), 1), digest


def unpacked(raw: bytes, shard: int) -> Engine:
    """Return the engine whose state was packed, with the plugins of the settings, armed.

    Raises:
        NoSnapshot: it was made by another engine than this.
    """
    try:
        values = _Reader(io.BytesIO(zlib.decompress(raw))).load()
    except (AttributeError, ImportError, TypeError, pickle.UnpicklingError, zlib.error) as error:
        raise NoSnapshot(f"the snapshot was made by another engine than this: {error}") from error
    if unknown := sorted(values.keys() - {f.name for f in fields(State)}):
        raise NoSnapshot(f"the snapshot has {', '.join(unknown)}, which a state has no more")
    state = State(**values)
    passed_ms = state.passed_ms
    arrived = {name: quote.arrived_ms for name, quote in state.quotes.items()}
    registrations, _ = load_plugins()
    engine = Engine(state, registrations, shard=shard, shards=state.shards)
    engine.recover()
    # What only memory has: recovery counts quotes as having arrived at their own times.
    state.passed_ms = passed_ms
    for name, arrived_ms in arrived.items():
        state.quotes[name].arrived_ms = arrived_ms
    return engine


def plugins_text() -> str:
    """Return the plugins of the settings, to be held against those of a replay."""
    return json.dumps(settings.DESK_PLUGINS, sort_keys=True)


@dataclass(slots=True)
class Keeper:
    """Keeps the snapshots of one desk."""

    pids: set[int] = field(default_factory=set)
    day: int = -1  # the UTC day that the last one stands before
    made: int = 0

    def loaded(self, engine: Engine, batch: Batch, lease: Lease, wall_ms: int | None) -> None:
        """Note that a book was loaded, and keep it as it is now."""
        if settings.DESK_DAYS_KEPT:
            key = self._next_key(lease)
            batch.inputs.load(key, wall_ms, engine.state.unloaded)
            self._keep(engine, lease, key)

    def look(self, engine: Engine, batch: Batch, lease: Lease) -> None:
        """Call it between batches: keep the state where a new day is near, and forget what is written."""
        if self.pids:
            reap(self.pids)
        if settings.DESK_DAYS_KEPT and batch.is_empty and self.day != _day():
            key = self._next_key(lease)
            batch.inputs.snapshot(key)
            self._keep(engine, lease, key)

    def end(self, *, wait: bool = True) -> None:
        """Wait a moment for what is being written, and end what is not done by then."""
        until = time.monotonic() + WRITTEN_WITHIN_S
        while wait and self.pids and time.monotonic() < until:
            reap(self.pids)
            time.sleep(0.01 if self.pids else 0)
        forking.end(self.pids)
        self.pids.clear()

    def _next_key(self, lease: Lease) -> str:
        self.made += 1
        return f"{lease.shard}-{lease.epoch}-{self.made}"

    def _keep(self, engine: Engine, lease: Lease, key: str) -> None:
        self.end(
            wait=False
        )  # what an older load is being kept for has no batch any more, or soon none that counts
        self.day = _day()
        forking.flush()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            log.error("no snapshot is kept", shard=lease.shard, error=repr(error))
            return
        if pid:
            self.pids.add(pid)
            return
        try:
            forking.leave_the_desk(parent)
            os.nice(NICE)
            _write(engine, lease, key)
        except BaseException:  # noqa: BLE001 - whatever it is, this process ends here and the desk must not follow it
            traceback.print_exc()
            os._exit(1)
        os._exit(0)


def _day() -> int:
    return (clock.wall_ms() + BEFORE_DAY_MS) // DAY_MS


def _write(engine: Engine, lease: Lease, key: str) -> None:
    raw, digest = packed(engine)
    with open_session("tradingdesk-snapshot") as conn:
        written = conn.execute(
            _INSERT,
            (
                key, lease.shard, lease.seq, raw, digest, settings.BUILD_ID, plugins_text(), lease.shard,
                MOST_AN_HOUR,
            ),
        ).rowcount  # fmt: skip
    if not written:
        log.warning("no snapshot was kept, there are too many", shard=lease.shard, an_hour=MOST_AN_HOUR)
