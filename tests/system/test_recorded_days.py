"""The benchmarks on days that they have not seen: any symbols, any digits, prices that are none."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from benchmarks import alone, ticks, workload
from benchmarks.instruments import look_at
from gateways.quotefile import BadQuoteFile

ROOT = Path(__file__).resolve().parents[2]
# Name, first price in points, digits, spread in points.
MARKET = (
    ("USDCHF", 88_100, 5, 8), ("GBPJPY", 171_200, 3, 12), ("XAGUSD", 19_400, 3, 20), ("US500", 18_815, 1, 4),
    ("BTCUSDT", 45_012_345_678, 8, 1_000_000), ("PEPE/USD", 123, 10, 1), ("eurusd", 116_000, 5, 5),
)  # fmt: skip


def day_file(folder: Path, *, odd: tuple[str, ...] = ()) -> Path:
    """Write 2,000 quotes of seven symbols; `odd` lines stand in their middle."""
    chance, points = Random(3), {name: first for name, first, *_ in MARKET}
    lines = []
    for number in range(2_000):
        name, _, digits, spread = MARKET[number % len(MARKET)]
        points[name] += chance.randint(-1, 1) * max(points[name] // 5_000, 1)
        bid, ask = (f"{value / 10**digits:.{digits}f}" for value in (points[name], points[name] + spread))
        lines.append(
            f"2023-03-12T{number // 60 // 60:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z,{name},{bid},{ask}"
        )
    lines[1000:1000] = odd
    path = folder / "day.csv"
    path.write_text("time,symbol,bid,ask\n" + "\n".join(lines) + "\n")
    return path


def test_symbols_when_nobody_knows_them_then_each_is_traded_as_what_its_name_and_money_allow(
    tmp_path: Path,
) -> None:
    seen = {symbol.name: symbol.settings() for symbol in look_at(day_file(tmp_path)).symbols}

    assert seen["USDCHF"] == {"name": "USDCHF", "digits": 5, "base_currency": "USD", "profit_currency": "CHF"}
    assert seen["eurusd"]["base_currency"] == "EUR"
    # No pair of the file turns pounds and yen into dollars.
    assert (seen["GBPJPY"]["calc_mode"], seen["GBPJPY"]["profit_currency"]) == ("cfd_leverage", "USD")
    assert (seen["XAGUSD"]["contract_size"], seen["XAGUSD"]["security"]) == ("100", "metals")
    assert (seen["BTCUSDT"]["digits"], seen["BTCUSDT"]["contract_size"]) == (8, "1")
    assert (seen["PEPE/USD"]["digits"], seen["PEPE/USD"]["contract_size"]) == (10, "100000000000")


def test_symbols_when_some_prices_are_none_then_digits_follow_the_others_and_the_rest_is_left_out(
    tmp_path: Path,
) -> None:
    odd = (
        "2023-03-12T00:00:00Z,USDCHF,0.8810000000001,0.8820000000001", "2023-03-12T00:00:00Z,NOPE,nan,1",
        "2023-03-12T00:00:00Z,NOPE,2,1", f"2023-03-12T00:00:00Z,{'X' * 33},1,2",
    )  # fmt: skip

    day = look_at(day_file(tmp_path, odd=odd))

    assert {symbol.name: symbol.digits for symbol in day.symbols} == {
        name: digits for name, _, digits, _ in MARKET
    }
    assert day.left_out == ["NOPE: no quote of it is good", f"{'X' * 33}: longer than 32 signs"]
    assert day.quotes == 2_004


@pytest.mark.parametrize("features", ["basic", "smart", "everything"])
def test_day_when_it_is_another_then_the_engine_takes_its_orders_and_counts_every_quote(
    tmp_path: Path, features: str
) -> None:
    path = day_file(tmp_path, odd=("2023-03-12T00:00:00Z,USDCHF,nan,1", "2023-03-12T00:00:00Z,NOPE,,"))
    day = {
        "basic": lambda: workload.basic(path, accounts=5, positions=50),
        "smart": lambda: workload.smart(path, accounts=5, plans=50),
        "everything": lambda: workload.everything(path, accounts=6, positions=60),
    }[features]()

    out = alone.run(day, path)

    assert sum(out.counts.values()) == 2_002 + len(MARKET)
    assert (out.counts["invalid"], out.counts["unknown"]) == (1, 1)
    assert out.codes["done"] > 0.8 * sum(out.codes.values())
    assert any(out.deals.values())


def test_day_when_cut_into_parts_then_every_quote_is_in_one_of_them(tmp_path: Path) -> None:
    from benchmarks.instruments import quotes
    from benchmarks.stacked import split

    path = day_file(tmp_path, odd=("", '2023-03-12T00:00:00.046Z,"USDCHF",-1,1e5'))

    parts = split(path, [700, 700, 601], tmp_path)

    assert [quote for part in parts for quote in quotes(part)] == list(quotes(path))


def test_day_when_the_file_is_none_then_one_line_and_status_2(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text("time,symbol,bid,ask\n2023-03-12T00:00:00Z,USDCHF\n")

    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.real_day", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 2
    assert told.stderr == f"{path}, line 2: 2 fields instead of 4\n"


def test_ticks_when_the_symbol_is_not_named_then_one_of_the_file_is_taken(tmp_path: Path) -> None:
    seen, quotes = ticks.read_quotes(day_file(tmp_path), None, 100)

    assert (seen.name, seen.digits, len(quotes)) == ("BTCUSDT", 8, 100)
    assert all(ticks.cost(kind, 20, seen, quotes)[0] > 0 for kind in ("positions", "pendings", "smart"))
    with pytest.raises(BadQuoteFile, match="there is no good quote of EURUSD; there are BTCUSDT, GBPJPY"):
        ticks.read_quotes(day_file(tmp_path), "EURUSD", 100)
