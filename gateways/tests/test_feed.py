"""The two feeds against a real Redis, and the replay against what a desk leaves in database and Redis.

The reader here stands in for the desk at its two published edges only: the cursor in dealing_engineshard
and the counts in td:ticks:0. The desk itself reads the feeds in tests/desk and tests/system.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import psycopg
import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection

from gateways import replay
from gateways.replay import Rebase
from gateways.simulator import last_quotes, now_ms, simulate
from gateways.stream import STREAM, StreamWriter, parse_id
from gateways.walk import UNIT, Walk

HEADER = "time,symbol,bid,ask\n"


def stream_lines(client: "redis.Redis") -> list[str]:
    return [line for _, fields in client.xrange(STREAM) for line in fields["d"].split("\n")]


def quote_file(folder: Path, count: int) -> Path:
    path = folder / "quotes.csv"
    rows = (
        f"2014-05-02T00:00:{n // 1000:02d}.{n % 1000:03d}Z,EURUSD,1.1,{'1.0' if n % 10 == 0 else '1.2'}\n"
        for n in range(count)
    )
    path.write_text(HEADER + "".join(rows))
    return path


class Reader(threading.Thread):
    """Reads the stream as a desk does: counts by cause, cursor in dealing_engineshard."""

    def __init__(self, url: str, *, pause_s: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.url, self.pause_s = url, pause_s
        self.most_waiting = 0
        self.ending = threading.Event()

    def run(self) -> None:
        client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
        place = "0-0"
        with psycopg.connect(self.url, autocommit=True) as rows:
            while not self.ending.is_set():
                entries = (client.xread({STREAM: place}, count=10, block=50) or [["", []]])[0][1]
                if not entries:
                    continue
                self.most_waiting = max(self.most_waiting, len(client.xrange(STREAM, f"({place}")))
                time.sleep(self.pause_s)
                lines = [line for _, fields in entries for line in fields["d"].split("\n")]
                crossed = sum(line.split(",")[2] < line.split(",")[1] for line in lines)
                place = entries[-1][0]
                rows.execute("UPDATE dealing_engineshard SET tick_cursor = %s WHERE shard = 0", [place])
                client.hincrby("td:ticks:0", "accepted", len(lines) - crossed)
                client.hincrby("td:ticks:0", "crossed", crossed)


@pytest.fixture
def shard_row(transactional_db: None) -> Iterator[str]:
    """Yield the address of the database, in which shard 0 has a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('dealing_engineshard')")
        assert cursor.fetchone()[0], "the desk's table dealing_engineshard is missing"
    from dealing.models import EngineShard

    EngineShard.objects.update_or_create(shard=0, defaults={"tick_cursor": "0-0"})
    facts = connection.settings_dict
    yield f"postgres://{facts['USER']}:{facts['PASSWORD']}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


def test_simulate_when_run_for_a_second_then_ticks_of_now_are_in_the_stream(redis_db: "redis.Redis") -> None:
    begun = now_ms()
    walk = Walk(seed=1, start_ms=begun, rate=4 * UNIT)

    sent = simulate(redis_db, walk, stopped=lambda: now_ms() > begun + 1_000)

    lines = stream_lines(redis_db)
    assert sent == len(lines) > 40
    assert {line.split(",")[0] for line in lines} == {
        "EURUSD",
        "USDJPY",
        "XAUUSD",
        "BTCUSDT",
        "ETHUSDT",
        "SOLUSDT",
    }
    assert all(begun <= int(line.split(",")[3]) <= begun + 2_000 for line in lines)


def test_simulate_when_the_desk_published_quotes_then_it_goes_on_from_them(redis_db: "redis.Redis") -> None:
    redis_db.hset("td:quotes", mapping={"EURUSD": '["1.20000", "1.20010", 1]', "OTHER": '["5", "6", 1]'})

    assert last_quotes(redis_db) == {"EURUSD": ("1.20000", "1.20010")}


def test_simulate_when_behind_then_old_prices_are_left_out(redis_db: "redis.Redis") -> None:
    begun = now_ms()
    walk = Walk(seed=1, start_ms=begun - 600_000)

    simulate(redis_db, walk, stopped=lambda: now_ms() > begun + 600)

    assert all(int(line.split(",")[3]) >= begun - 2_500 for line in stream_lines(redis_db))


def test_feed_when_asked_to_stop_then_it_ends_at_once_with_status_0(
    redis_db: "redis.Redis", stack_env: dict[str, str]
) -> None:
    feed = subprocess.Popen(
        [sys.executable, "manage.py", "feed", "simulate", "--seed", "1", "--symbols", "EURUSD"], env=stack_env
    )
    try:
        end = time.monotonic() + 30
        while not redis_db.xlen(STREAM) and time.monotonic() < end:
            time.sleep(0.05)
        assert redis_db.xlen(STREAM)

        feed.send_signal(signal.SIGTERM)

        assert feed.wait(5) == 0
    finally:
        feed.kill()
        feed.wait()


@pytest.mark.parametrize("pace", [["--max"], ["--speed", "100"]])
def test_replay_when_it_ends_then_every_quote_was_sent_once_and_the_desks_counts_are_told(
    tmp_path: Path, redis_db: "redis.Redis", shard_row: str, pace: list[str]
) -> None:
    redis_db.hset("td:ticks:0", mapping={"accepted": 1000, "crossed": 50})  # of the time before this run
    reader = Reader(shard_row)
    reader.start()
    told = StringIO()

    call_command("feed", "replay", str(quote_file(tmp_path, 3_000)), *pace, stdout=told)
    reader.ending.set()
    reader.join()

    lines = stream_lines(redis_db)
    assert len(lines) == 3_000
    assert lines[1] == "EURUSD,1.1,1.2,1398988800001"
    assert "accepted 2700\n" in told.getvalue()
    assert "refused  300 (crossed 300)" in told.getvalue()
    if pace == ["--max"]:
        assert redis_db.xlen(STREAM) == 60


def test_replay_when_the_desk_is_slow_then_it_never_runs_far_ahead(
    tmp_path: Path, redis_db: "redis.Redis", shard_row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BEHIND_LIMIT", 5)
    reader = Reader(shard_row, pause_s=0.02)
    reader.start()

    call_command("feed", "replay", str(quote_file(tmp_path, 5_000)), "--max", stdout=StringIO())
    reader.ending.set()
    reader.join()

    assert len(stream_lines(redis_db)) == 5_000
    assert reader.most_waiting <= 5 + replay.ENTRIES_A_TRIP


def test_replay_when_no_desk_moves_then_it_says_so(
    tmp_path: Path, redis_db: "redis.Redis", shard_row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "SILENCE_LIMIT_S", 0.3)

    with pytest.raises(CommandError, match="the desks have not moved") as failure:
        call_command("feed", "replay", str(quote_file(tmp_path, 10)), "--max", stdout=StringIO())

    assert failure.value.returncode == 1


def test_replay_when_rebased_then_the_first_quote_is_now(
    tmp_path: Path, redis_db: "redis.Redis", shard_row: str
) -> None:
    reader = Reader(shard_row)
    reader.start()
    begun = now_ms()

    call_command("feed", "replay", str(quote_file(tmp_path, 20)), "--max", "--rebase", stdout=StringIO())
    reader.ending.set()
    reader.join()

    times = [int(line.split(",")[3]) for line in stream_lines(redis_db)]
    assert begun <= times[0] <= now_ms()
    assert times == sorted(times)


def test_rebase_when_sent_faster_than_recorded_then_no_time_is_of_the_future_and_the_order_stays() -> None:
    now = iter([1_000, 1_000, 1_001, 1_002, 1_003, 9_000])
    rebase = Rebase(lambda: next(now))

    times = [
        rebase.time_of(symbol, when)
        for symbol, when in [
            ("A", 50),
            ("A", 90_050),
            ("B", 90_060),
            ("A", 80_000),
            ("A", 90_050),
            ("B", 90_061),
        ]
    ]

    assert times == [1_000, 1_000, 1_001, 999, 1_003, 9_000]


def test_rebase_when_sent_as_recorded_then_times_are_shifted_alone() -> None:
    now = iter([1_000, 1_500, 2_000])
    rebase = Rebase(lambda: next(now))

    assert [rebase.time_of("A", when) for when in (50, 550, 1_040)] == [1_000, 1_500, 1_990]


@pytest.mark.parametrize("pace", [["--max"], ["--speed", "100"]])
def test_replay_when_a_line_is_malformed_then_all_before_it_is_sent_and_counted_and_its_number_told(
    tmp_path: Path, redis_db: "redis.Redis", shard_row: str, pace: list[str]
) -> None:
    path = quote_file(tmp_path, 70)
    path.write_text(path.read_text() + "2014-05-02T00:00:00Z,EURUSD,1.1\n" + path.read_text())
    reader = Reader(shard_row)
    reader.start()
    told = StringIO()

    with pytest.raises(CommandError, match="line 72: 3 fields") as failure:
        call_command("feed", "replay", str(path), *pace, stdout=told)
    reader.ending.set()
    reader.join()

    assert failure.value.returncode == 2
    assert len(stream_lines(redis_db)) == 70
    assert "accepted 63\nrefused  7 (crossed 7)\nthe desk has no symbol EURUSD\n" in told.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        ["simulate", "--symbols", "NOPE"],
        ["simulate", "--rate", "0"],
        ["simulate", "--rate", "x"],
        ["replay", "none.csv"],
        ["replay", "."],
    ],
)
def test_feed_when_words_are_wrong_then_status_2(
    redis_db: "redis.Redis", transactional_db: None, words: list[str]
) -> None:
    with pytest.raises(CommandError) as failure:
        call_command("feed", *words, stdout=StringIO())

    assert failure.value.returncode == 2


def test_writer_when_entries_are_read_then_only_the_rest_is_behind(
    redis_db: "redis.Redis", shard_row: str
) -> None:
    writer = StreamWriter(redis_db, tracks=True)
    for n in range(5):
        writer.send([f"EURUSD,1.{n},1.9,{n}"])
    third = redis_db.xrange(STREAM)[2][0]

    with connection.cursor() as cursor:
        cursor.execute("UPDATE dealing_engineshard SET tick_cursor = %s", [third])

    assert writer.behind() == 2


def test_ids_when_compared_then_by_number_not_by_letter() -> None:
    assert parse_id("999-10") > parse_id("999-9")
    assert parse_id("1000-0") > parse_id("999-10")
    assert parse_id("1000-5:17") == (1000, 5)
