"""The simulated past: before now, in order, and the present goes on from where it ends."""

import redis

from gateways.simulator import now_ms, write_past
from gateways.stream import STREAM

HOUR_MS = 3_600_000


def test_past_when_written_then_it_fills_its_hours_in_order_and_ends_before_now(
    redis_db: "redis.Redis",
) -> None:
    begun_ms = now_ms()

    last = write_past(redis_db, seed=3, hours=2, symbols=["EURUSD", "XAUUSD"], patience_s=0)

    lines = [line.split(",") for _, entry in redis_db.xrange(STREAM) for line in entry["d"].split("\n")]
    times = [int(time_ms) for _, _, _, time_ms in lines]
    assert times == sorted(times)
    assert begun_ms - 2 * HOUR_MS - 1_000 <= times[0] <= begun_ms - 2 * HOUR_MS + 60_000
    assert begun_ms - 60_000 <= times[-1] < now_ms()
    assert {symbol for symbol, *_ in lines} == {"EURUSD", "XAUUSD"}
    newest = {symbol: (bid, ask) for symbol, bid, ask, _ in lines}
    assert newest == last


def test_past_when_the_seed_is_another_then_the_prices_are_others(redis_db: "redis.Redis") -> None:
    first = write_past(redis_db, seed=3, hours=1, symbols=["EURUSD"], patience_s=0)
    second = write_past(redis_db, seed=4, hours=1, symbols=["EURUSD"], patience_s=0)

    assert first != second
    bid, ask = first["EURUSD"]
    assert bid < ask


def test_past_when_the_desk_does_not_know_a_symbol_yet_then_it_is_offered_again(
    redis_db: "redis.Redis",
) -> None:
    redis_db.hset("td:quotes", "XAUUSD", '["4050.00", "4050.20", 1]')

    write_past(redis_db, seed=3, hours=1, symbols=["EURUSD", "XAUUSD"], patience_s=0.6)

    offered = [entry["d"] for _, entry in redis_db.xrange(STREAM) if "\n" not in entry["d"]]
    assert len(offered) >= 2
    assert {line.split(",")[0] for line in offered} == {"EURUSD"}
