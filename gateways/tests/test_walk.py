"""The walk: the same for the same seed, believable, and going on where it was."""

import hashlib
from decimal import Decimal

import pytest

from gateways.walk import PROFILES, UNIT, Dice, Walk, points_of, price_text

HOUR_MS = 3_600_000


def test_walk_when_seeds_are_equal_then_every_tick_is() -> None:
    one, other = (list(Walk(seed=7, start_ms=1_000).until(120_000)) for _ in range(2))

    assert one == other
    assert one != list(Walk(seed=8, start_ms=1_000).until(120_000))


def test_walk_when_seed_is_seven_then_the_ticks_are_those_of_ever() -> None:
    ticks = Walk(seed=7, start_ms=0).until(60_000)

    text = "\n".join(f"{tick.symbol},{tick.bid},{tick.ask},{tick.time_ms}" for tick in ticks)

    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "308a37796ae89cada6538373cb772ebb974f1b31b07764c12f5ae7802cf1374a"
    )


def test_walk_when_an_hour_passes_then_prices_are_believable() -> None:
    first: dict[str, Decimal] = {}
    count: dict[str, int] = dict.fromkeys(PROFILES, 0)
    before = 0

    for tick in Walk(seed=3, start_ms=0).until(HOUR_MS):
        profile, bid, ask = PROFILES[tick.symbol], Decimal(tick.bid), Decimal(tick.ask)
        first.setdefault(tick.symbol, bid)
        count[tick.symbol] += 1
        assert tick.time_ms >= before
        assert 0 < bid < ask
        assert -bid.as_tuple().exponent == profile.digits
        assert (ask - bid).scaleb(profile.digits) <= 4 * profile.spread
        assert abs(bid / first[tick.symbol] - 1) < Decimal("0.05")
        before = tick.time_ms

    assert all(2 * 3600 < ticks < 8 * 3600 for ticks in count.values())


def test_walk_when_last_quotes_are_known_then_it_goes_on_from_them() -> None:
    walk = Walk(seed=1, start_ms=0, symbols=["XAUUSD"], last={"XAUUSD": ("1284.06", "1284.40")})

    ticks = list(walk.until(600_000))

    assert all(Decimal("1270") < Decimal(tick.bid) < Decimal("1300") for tick in ticks)


def test_walk_when_a_symbol_is_left_out_then_the_others_stay_as_they_were() -> None:
    both = Walk(seed=5, start_ms=0, symbols=["EURUSD", "USDJPY"]).until(60_000)
    alone = list(Walk(seed=5, start_ms=0, symbols=["USDJPY"]).until(60_000))

    assert [tick for tick in both if tick.symbol == "USDJPY"] == alone


def test_walk_when_rate_is_ten_then_ten_times_the_ticks() -> None:
    usual = len(list(Walk(seed=5, start_ms=0).until(60_000)))
    often = len(list(Walk(seed=5, start_ms=0, rate=10 * UNIT).until(60_000)))

    assert 8 * usual < often < 12 * usual


def test_walk_when_time_is_skipped_then_no_old_tick_comes() -> None:
    walk = Walk(seed=5, start_ms=0)

    walk.skip_to(HOUR_MS)

    assert all(tick.time_ms >= HOUR_MS for tick in walk.until(HOUR_MS + 5_000))


def test_dice_when_drawn_often_then_the_bell_has_its_mean_and_width() -> None:
    dice = Dice(1)

    drawn = [dice.bell() for _ in range(20_000)]

    mean = sum(drawn) / len(drawn) / UNIT
    width = (sum(value * value for value in drawn) / len(drawn)) ** 0.5 / UNIT
    assert abs(mean) < 0.03
    assert abs(width - 1) < 0.03


@pytest.mark.parametrize(
    ("text", "digits", "points"),
    [
        ("1.08512", 5, 108512),
        ("150", 3, 150000),
        ("0.5", 2, 50),
        ("-37.63", 2, -3763),
        ("1.085129", 5, 108512),
    ],
)
def test_points_when_text_is_a_price_then_both_ways_agree(text: str, digits: int, points: int) -> None:
    assert points_of(text, digits) == points
    assert points_of(price_text(points, digits), digits) == points


@pytest.mark.parametrize("text", ["", "nan", "1e5", "1.2.3", "abc"])
def test_points_when_text_is_no_price_then_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a price"):
        points_of(text, 2)
