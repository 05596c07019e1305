"""What takes longer than a desk may be silent: a tick that is slow to compute, a batch that is long to write."""

import json
import time

import psycopg
from django.db import connection

from dealing import lease
from dealing.batch import LARGE_ROWS, Batch, beat
from dealing.changes import Changes, Pending
from dealing.models import EngineShard
from engine.hooks import Plugin
from engine.state import State
from tests.desk.conftest import LIMIT_S, World, assert_clean, deposit


class Slow(Plugin):
    """A plugin that thinks about a price of 2 for longer than a desk may be silent."""

    name = "slow"

    def on_tick(self, symbol: str, bid: str, ask: str, time_ms: int) -> None:
        if bid == "2.00000":
            time.sleep(lease.SILENCE_LIMIT_S + 0.4)


def test_tick_when_it_takes_longer_than_the_desk_may_be_silent_then_it_is_written_all_the_same(
    world: World,
) -> None:
    desk = world.serving(DESK_PLUGINS=json.dumps([{"path": "tests.desk.test_long.Slow"}]))
    deposit()

    world.quoted("2.00000", "2.00010")

    assert desk.poll() is None
    assert world.epoch() == 1
    world.drain(desk)
    assert_clean()


def test_owner_when_something_long_begins_then_its_silence_means_nothing_for_a_while(world: World) -> None:
    held = lease.take(0)
    assert held is not None

    beat(held, published=0, ahead_s=lease.LOAD_LIMIT_S)

    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM quiet_until - clock_timestamp()) FROM dealing_engineshard")
        assert cursor.fetchone()[0] > lease.LOAD_LIMIT_S - LIMIT_S
    assert lease.take(0) is None
    assert EngineShard.objects.get(shard=0).epoch == held.epoch
    held.close()


def test_session_when_a_long_transaction_is_allowed_then_only_that_one_may_pause(world: World) -> None:
    held = lease.take(0)
    assert held is not None

    with held.conn.transaction():
        lease.allow_long(held.conn.cursor())
        inside = _limits(held.conn)

    assert inside == ("1min", "0")
    assert _limits(held.conn) == ("3s", "30s")
    held.close()


def _limits(conn: "psycopg.Connection[tuple[str, str]]") -> tuple[str, str]:
    row = conn.execute(
        "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('statement_timeout')"
    ).fetchone()
    assert row is not None
    return row


def test_batch_when_it_has_thousands_of_rows_then_it_is_large() -> None:
    changes = Changes(state=State())
    batch = Batch(changes, "0-0", 0)

    changes.outbox = [Pending(1, 1, "deal", 0, {})] * LARGE_ROWS
    small = batch.is_large
    changes.outbox.append(Pending(1, 2, "deal", 0, {}))

    assert (small, batch.is_large) == (False, True)
