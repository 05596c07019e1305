"""The feeds with the real desk behind the stream: what is sent arrives, and is counted by cause."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.services import Services
from tests.stack import Stack, wait_until

HEADER = "time,symbol,bid,ask\n"


@pytest.fixture(scope="module")
def desk(services: Services) -> Iterator[Stack]:
    """Return a desk of two shards with the demo's symbols, that cuts no gap and lives in the quotes' time."""
    with Stack(
        services, shards=2, web=False, environment={"DESK_GAP_LIMIT_S": "0", "DESK_CLOCK": "events"}
    ) as stack:
        stack.manage("demo", "--wait", "0")
        yield stack


def test_replay_when_the_desk_reads_it_then_the_report_is_what_the_desk_did(
    desk: Stack, tmp_path: Path
) -> None:
    good = [
        f"2014-05-02T00:{n // 60:02d}:{n % 60:02d}Z,EURUSD,1.16{n % 100:03d},1.16{n % 100 + 8:03d}\n"
        for n in range(1800)
    ]
    bad = [
        "2014-05-02T01:00:00Z,EURUSD,1.16010,1.16000\n",
        "2014-05-02T01:00:01Z,EURUSD,1.16010,1.16000\n",
        "2014-05-02T01:00:02Z,EURUSD,nan,1.16000\n",
        "2014-05-02T00:00:01Z,EURUSD,1.16000,1.16010\n",
        "2014-05-02T01:00:03Z,NOSUCH,1.16000,1.16010\n",
    ]
    path = tmp_path / "day.csv"
    path.write_text(HEADER + "".join(good) + "".join(bad))

    told = desk.manage("feed", "replay", str(path), "--max").splitlines()

    assert told[0].startswith("quotes   1805 in ")
    assert told[1:3] == ["accepted 1800", "refused  5 (invalid 1, crossed 2, stale 1, unknown 1)"]
    assert told[3:] == ["the desk has no symbol NOSUCH"]
    last = desk.rows("SELECT bid, ask FROM markets_quote WHERE symbol = 'EURUSD'")
    assert last == [(Decimal("1.16099"), Decimal("1.16107"))]


def test_simulate_when_the_desk_reads_it_then_every_symbol_is_published(desk: Stack) -> None:
    desk.start("feed", ["python", "manage.py", "feed", "simulate", "--seed", "5", "--rate", "3"])
    try:
        with desk.redis() as client:
            quotes = wait_until(
                lambda: len(found := client.hgetall("td:quotes")) >= 6 and found, "six quotes"
            )
    finally:
        assert desk.stop("feed") == 0

    bid, ask, _ = json.loads(quotes["XAUUSD"])
    assert 3_900 < Decimal(bid) < Decimal(ask) < 4_200
