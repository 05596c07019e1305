"""One writer a shard: paused owners, second desks, drains, kill switches, a Redis that loses everything."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import psycopg
import pytest
from django.db.models import F

from accounts.models import Group
from dealing import bus, lease, services
from dealing.batch import beat
from dealing.loop import POLL_MS
from dealing.models import Command, EngineBatch, EngineControl, EngineShard, Gap, Halt, Outbox
from positions.models import Deal
from tests.desk.conftest import AT_ONCE, LIMIT_S, LOGIN, PATIENT, ROOT, World, assert_clean, deposit, until
from tests.services import Services


@pytest.fixture
def services_of_session(services: Services) -> Services:
    """Return the session's servers, if Redis is one of them: somebody else's is not ours to stop."""
    if services.redis is None:
        pytest.skip("REDIS_URL names a Redis that is not ours")
    return services


def buy(**given: object) -> services.Outcome:
    return services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", caller=PATIENT, **given)


def test_second_desk_when_the_shard_is_held_then_it_leaves(world: World) -> None:
    world.serving()
    deposit()

    second = world.start()

    assert second.wait(LIMIT_S) == 1
    assert world.epoch() == 1
    assert services.balance_operation(LOGIN, "deposit", "1").ok


def test_paused_owner_when_another_took_over_then_it_writes_nothing(world: World) -> None:
    Group.objects.update(ttl=120)  # on a busy machine the silence may last longer than an order's patience
    old = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    os.kill(old.pid, signal.SIGSTOP)
    waiting = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", caller=AT_ONCE)
    until(
        lambda: (
            EngineShard.objects.filter(shard=0)
            .extra(where=["heartbeat_at < clock_timestamp() - interval '5 seconds'"])
            .exists()
        ),
        "the silence",
    )

    new = world.serving()
    world.settled()
    os.kill(old.pid, signal.SIGCONT)
    assert old.wait(LIMIT_S) != 0
    assert buy().ok

    assert services.command_outcome(waiting.command_id).ok
    epochs = list(EngineBatch.objects.order_by("seq").values_list("epoch", flat=True))
    assert epochs == sorted(epochs)
    assert Deal.objects.count() == 2
    world.drain(new)
    assert_clean()


def test_owner_when_its_backend_is_ended_then_it_takes_the_lease_anew_and_goes_on(world: World) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    pid = EngineShard.objects.get(shard=0).backend_pid
    with psycopg.connect(str(world.env["DATABASE_URL"]), autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(%s)", (pid,))

    assert buy().ok

    assert world.epoch() == 2
    assert_clean()


def test_desk_when_told_to_stop_then_it_drains_within_seconds_and_gives_the_shard_back(world: World) -> None:
    desk = world.serving()
    deposit()
    begun = time.monotonic()

    world.drain(desk)

    assert time.monotonic() - begun < 5
    row = EngineShard.objects.get(shard=0)
    assert (row.owner, row.heartbeat_at) == ("", None)


def test_lease_when_the_epoch_has_moved_on_then_a_beat_is_refused(world: World) -> None:
    world.serving("--until-idle").wait(LIMIT_S)
    held = lease.take(0)
    assert held is not None
    EngineShard.objects.filter(shard=0).update(epoch=held.epoch + 1)

    with pytest.raises(lease.LeaseLost):
        beat(held, published=0)
    held.close()


def test_lease_when_another_build_is_expected_then_it_is_not_taken(world: World) -> None:
    EngineControl.objects.update_or_create(pk=1, defaults={"expected_build": "next"})

    assert lease.take(0, build_id="this") is None


def test_redis_when_it_loses_everything_then_commands_and_new_ticks_go_on(world: World) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    world.redis.flushall()

    assert buy().ok
    world.quoted("1.20000", "1.20010")

    assert buy().ok
    assert sorted(str(d.price) for d in Deal.objects.all()) == ["1.10010", "1.20010"]
    assert_clean()


@pytest.mark.parametrize("later_s", [0.0, 1.5])  # before and after the desk has looked at the stream
def test_redis_when_it_loses_ticks_that_were_not_read_then_a_gap_tells(world: World, later_s: float) -> None:
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    time.sleep(later_s)
    place = EngineShard.objects.get(shard=0).tick_cursor
    os.kill(desk.pid, signal.SIGSTOP)
    # Until its last read has ended with nothing; else it would still get the tick.
    time.sleep(4 * POLL_MS / 1000)
    world.tick("1.15000", "1.15010")
    world.redis.flushall()
    after = world.tick("1.20000", "1.20010")
    os.kill(desk.pid, signal.SIGCONT)

    gap = until(lambda: Gap.objects.filter(cause="lost").first(), "the gap")

    assert (gap.from_cursor, gap.to_cursor) == (place, after)
    until(lambda: EngineShard.objects.get(shard=0).tick_cursor == after, "the tick")
    assert buy().ok
    assert [str(d.price) for d in Deal.objects.all()] == ["1.20010"]
    assert Gap.objects.count() == 1
    world.drain(desk)
    assert_clean()


def test_redis_when_it_stands_still_then_orders_go_on_and_the_lease_is_kept(
    world: World, services_of_session: Services
) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    assert services_of_session.redis is not None and services_of_session.redis.process is not None
    pid = services_of_session.redis.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        while time.monotonic() - begun < 6:
            asked = time.monotonic()
            assert buy().ok
            assert time.monotonic() - asked < 6
    finally:
        os.kill(pid, signal.SIGCONT)

    world.quoted("1.20000", "1.20010")
    assert buy().ok
    assert world.epoch() == 1
    assert_clean()


def test_redis_when_its_ids_go_backwards_then_a_gap_is_written_and_reading_goes_on(world: World) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    world.redis.flushall()
    world.tick("1.30000", "1.30010", entry="1000-1")

    until(lambda: Gap.objects.filter(cause="lost").exists(), "the gap")
    until(lambda: EngineShard.objects.get(shard=0).tick_cursor == "1000-1", "the tick")
    assert buy().ok
    assert [str(d.price) for d in Deal.objects.all()] == ["1.30010"]


def test_absence_when_it_was_long_then_its_ticks_are_not_traded_on_and_the_dealer_is_told(
    world: World,
) -> None:
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    touched = buy(sl="1.09000")
    holding = buy(sl="1.09900")
    world.drain(desk)
    old = int(world.redis.time()[0] - 20) * 1000
    world.redis.delete(bus.TICKS)
    EngineShard.objects.filter(shard=0).update(tick_cursor=f"{old}-0")
    world.tick("1.10000", "1.10010", entry=f"{old}-0")
    world.tick("1.08000", "1.08010", entry=f"{old + 1}-0")
    world.tick("1.09500", "1.09510", entry=f"{old + 2}-0")

    world.serving()
    gap = until(lambda: Gap.objects.filter(cause="lag").first(), "the gap")
    world.quoted("1.09600", "1.09610")
    until(lambda: Deal.objects.filter(direction="out").exists(), "the close")

    until(lambda: not Gap.objects.get().note, "the engine's answer")
    gap = Gap.objects.get()
    assert gap.missed == 2
    assert [(line["ticket"], line["what"]) for line in gap.report] == [(touched.ticket, "sl")]
    closed = Deal.objects.filter(direction="out").values_list("position", "price")
    assert [(position, str(price)) for position, price in closed] == [(holding.ticket, "1.09600")]
    assert_clean()


def test_absence_when_it_was_short_then_its_ticks_are_replayed_at_their_own_prices(world: World) -> None:
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    buy(sl="1.09000")
    world.drain(desk)
    world.tick("1.08000", "1.08010")
    world.tick("1.12000", "1.12010")

    world.serving()
    until(lambda: Deal.objects.filter(direction="out").exists(), "the close")

    assert [str(d.price) for d in Deal.objects.filter(direction="out")] == ["1.08000"]
    assert not Gap.objects.exists()


def test_late_market_order_when_it_is_older_than_its_patience_then_it_fails_with_timeout(
    world: World,
) -> None:
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    world.drain(desk)
    late = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", caller=AT_ONCE)
    young = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", caller=AT_ONCE)
    Command.objects.filter(pk=late.command_id).update(created_at=F("created_at") - timedelta(seconds=11))

    world.serving()
    world.settled()

    assert services.command_outcome(late.command_id).code == "timeout"
    assert services.command_outcome(young.command_id).ok


def test_kill_switch_when_turned_then_the_next_order_is_refused_also_after_a_restart(world: World) -> None:
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    assert services.set_halt("server", "", "halt").ok
    assert buy().code == "halted"
    desk.kill()

    world.serving()
    assert buy().code == "halted"
    assert services.set_halt("server", "", "normal").ok
    assert buy().ok

    assert services.set_halt("symbol", "EURUSD", "no_new_positions").ok
    assert services.reload_settings("symbol", "EURUSD").ok
    assert buy().code == "halted"
    assert [(h.scope, h.key) for h in Halt.objects.all()] == [("symbol", "EURUSD")]


def test_kill_switch_when_only_the_control_row_says_so_then_it_is_obeyed(world: World) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")

    EngineControl.objects.filter(pk=1).update(halt_level="halt")

    assert buy().code == "halted"


def test_paused_owner_when_its_transaction_is_open_then_it_ends_and_another_takes_over(world: World) -> None:
    """The row lock of an open transaction must not keep everybody out: its session ends by a limit of its own."""
    world.serving("--until-idle").wait(LIMIT_S)
    held = lease.take(0)
    assert held is not None
    held.conn.execute("BEGIN")
    held.conn.execute("UPDATE dealing_engineshard SET seq = seq WHERE shard = 0")
    begun = time.monotonic()

    with pytest.raises((psycopg.OperationalError, psycopg.InternalError)):
        time.sleep(3.5)
        held.conn.execute("SELECT 1")
    world.serving()

    assert time.monotonic() - begun < 15
    deposit()


def test_paused_owner_when_it_stalls_inside_a_copy_then_another_ends_it_and_takes_over(world: World) -> None:
    """No time limit of PostgreSQL ends a COPY that waits for its client; whoever takes over has to."""
    world.serving("--until-idle").wait(LIMIT_S)
    held = lease.take(0)
    assert held is not None
    held.conn.execute(
        "UPDATE dealing_engineshard SET heartbeat_at = clock_timestamp() - interval '6 seconds',"
        " quiet_until = NULL WHERE shard = 0"
    )
    held.conn.execute("BEGIN")
    held.conn.execute("UPDATE dealing_engineshard SET seq = seq + 1 WHERE shard = 0")
    columns = "shard, login, seq, kind, time_ms, data"
    begun = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        with held.conn.cursor().copy(f"COPY dealing_outbox ({columns}) FROM STDIN") as copy:
            copy.write_row((0, LOGIN, 1, "order", 0, "{}"))
            world.serving()
            deposit()
            assert time.monotonic() - begun < 10
        held.conn.execute("COMMIT")
    held.close()

    assert not Outbox.objects.filter(login=LOGIN, kind="order").exists()
    assert_clean()


def test_second_desk_when_it_stands_by_then_it_takes_over_from_a_killed_one(world: World) -> None:
    first = world.serving()
    deposit()
    second = world.start("--wait")
    time.sleep(2.0)
    assert second.poll() is None and world.epoch() == 1

    first.kill()
    begun = time.monotonic()

    until(lambda: world.epoch() == 2, "the second desk")
    assert time.monotonic() - begun < 2
    deposit()
    world.drain(second)


def test_desk_when_a_failpoint_stops_it_then_it_goes_on_when_continued(world: World) -> None:
    desk = world.serving(DESK_FAILPOINT="after_fence:1:stop")
    services.balance_operation(LOGIN, "deposit", "1", caller=AT_ONCE)
    until(lambda: state_of(desk.pid) == "T", "a desk that stands still")

    os.kill(desk.pid, signal.SIGCONT)

    deposit()
    world.drain(desk)
    assert_clean()


def state_of(pid: int) -> str:
    """Return how the system sees a process: R, S, T (stopped) and so on."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_worker_when_told_to_stop_then_its_desk_drains_and_the_worker_ends(world: World) -> None:
    words = ["-m", "celery", "-A", "tradingdesk.celery:app", "worker", "-Q", "engine", "--concurrency=2"]
    flags = ["--without-gossip", "--without-mingle", "-n", f"desk-{os.getpid()}@%h"]
    with (world.folder / "desk.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, *words, *flags], cwd=ROOT, env=world.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )  # fmt: skip
    world.desks.append(worker)
    until(lambda: world.epoch() == 1, "the desk in the worker")
    deposit()
    begun = time.monotonic()

    worker.terminate()

    assert worker.wait(LIMIT_S) == 0, world.log()
    assert time.monotonic() - begun < 15
    assert EngineShard.objects.get(shard=0).owner == ""
    assert EngineBatch.objects.order_by("-seq")[0].state_hash


def test_row_when_a_lease_is_taken_then_its_heartbeat_is_never_ahead_and_only_deaths_count_as_crashes(
    world: World,
) -> None:
    held = lease.take(0)
    assert held is not None
    taken = EngineShard.objects.get(shard=0)
    held.release()
    again = lease.take(0)
    assert again is not None
    beat(again, published=0)
    again.close()  # as a process that dies: it gives nothing back
    last = lease.take(0)
    assert last is not None

    row = EngineShard.objects.get(shard=0)
    last.release()

    assert (taken.heartbeat_at, len(taken.takes), taken.crashes) == (None, 1, [])
    assert taken.quiet_until > taken.takes[0]
    assert (len(row.takes), row.crashes) == (3, [row.takes[0]])
    assert row.heartbeat_at is None  # that of the one before it says nothing of this one
    assert row.takes == sorted(row.takes, reverse=True)
    assert EngineShard.objects.get(shard=0).quiet_until is None
