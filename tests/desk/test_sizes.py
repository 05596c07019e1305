"""Batches of 1, 7 and 256 and one, two and three shards: the same deals as the engine alone, field by field."""

import gzip
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.desk.conftest import ROOT
from tests.services import Services

QUOTES = 1500
START = {"EURUSD": (138_626, 5), "XAUUSD": (1_284_065, 3), "NZDUSD": (86_292, 5)}
STEP = {"EURUSD": 8, "XAUUSD": 250, "NZDUSD": 6}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of quotes that wander, now and then crossed."""
    chance = random.Random(5)
    points = {symbol: price for symbol, (price, _) in START.items()}
    time = datetime(2014, 5, 2, tzinfo=UTC)
    path = tmp_path_factory.mktemp("quotes") / "day.csv.gz"
    with gzip.open(path, "wt", encoding="ascii") as lines:
        lines.write("time,symbol,bid,ask\n")
        for _ in range(QUOTES):
            time += timedelta(milliseconds=chance.randint(1, 2000))
            symbol = chance.choice(list(START))
            points[symbol] += chance.randint(-STEP[symbol], STEP[symbol]) * 4
            digits = START[symbol][1]
            crossed = chance.random() < 0.03
            bid, ask = points[symbol], points[symbol] + (-2 if crossed else 3)
            text = [f"{price // 10**digits}.{price % 10**digits:0{digits}d}" for price in (bid, ask)]
            lines.write(
                f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z,{symbol},{text[0]},{text[1]}\n"
            )
    return path


@pytest.mark.stack
@pytest.mark.parametrize(
    ("words", "features"),
    [
        (["--batch", "1"], "basic"),
        (["--batch", "7", "--shards", "2"], "all"),
        (["--batch", "256", "--shards", "3"], "all"),
        (["--batch", "256", "--smart", "60", "--kill", "4"], "basic"),
    ],
)
def test_day_when_batches_and_shards_vary_then_the_deals_are_those_of_the_engine_alone(
    services: Services, recorded: Path, words: list[str], features: str
) -> None:
    asked = ["--accounts", "20", "--positions", "120", "--features", features, "--no-latency", *words]

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.real_day", str(recorded), *asked],
        cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "no differences" in done.stdout
    assert "audit: clean" in done.stdout
