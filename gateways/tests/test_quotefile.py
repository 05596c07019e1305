"""Files of recorded quotes: what is read, and what is told about a line that is not one."""

import gzip
from pathlib import Path

import pytest

from gateways.quotefile import BadQuoteFile, QuoteFile, time_ms

HEADER = "time,symbol,bid,ask\n"
LINE = "2014-05-02T00:00:00.046Z,XAUUSD,1284.065,1284.405\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "quotes.csv"
    path.write_text(text)
    return path


def test_file_when_plain_or_gzipped_then_the_same_quotes(tmp_path: Path) -> None:
    plain = written(tmp_path, HEADER + LINE)
    packed = tmp_path / "quotes.csv.gz"
    packed.write_bytes(gzip.compress((HEADER + LINE).encode()))

    assert list(QuoteFile(plain).quotes()) == [(1398988800046, "XAUUSD", "1284.065", "1284.405")]
    assert list(QuoteFile(packed).quotes()) == list(QuoteFile(plain).quotes())


def test_file_when_a_price_is_bad_then_it_is_the_engines_to_refuse(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "2014-05-02T00:00:00Z,XAUUSD,nan,-1\n")

    assert list(QuoteFile(path).quotes()) == [(1398988800000, "XAUUSD", "nan", "-1")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2014-05-02T00:00:00Z,XAUUSD,1284.065", "line 3: 3 fields instead of 4"),
        ("yesterday,XAUUSD,1,2", "line 3: time 'yesterday'"),
        ("2014-05-02T00:00:00,XAUUSD,1,2", "line 3: time '2014-05-02T00:00:00': a time zone is missing"),
        ("2014-05-02T00:00:00Z,,1,2", "line 3: symbol ''"),
        ("2014-05-02T00:00:00Z,XAU USD,1,2", "line 3: symbol 'XAU USD'"),
        ('2014-05-02T00:00:00Z,"XAU\nUSD",1,2', "symbol 'XAU\\nUSD'"),
        ("2014-05-02T00:00:00Z,XAUUSD,1," + "9" * 50, "line 3: ask"),
        ('2014-05-02T00:00:00Z,"XAUUSD,1,2', "after line"),
    ],
)
def test_file_when_a_line_is_malformed_then_its_number_is_told(tmp_path: Path, line: str, told: str) -> None:
    file = QuoteFile(written(tmp_path, HEADER + LINE + line + "\n"))

    with pytest.raises(BadQuoteFile) as refusal:
        list(file.quotes())

    assert told in str(refusal.value)


def test_file_when_the_header_is_another_then_line_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadQuoteFile, match="line 1: the header must be time,symbol,bid,ask"):
        QuoteFile(written(tmp_path, "symbol,time,bid,ask\n"))


def test_file_when_gzip_is_cut_off_then_the_last_good_line_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    lines = "".join(f"2014-05-02T00:00:00.{n:03d}Z,XAUUSD,{n}.{n * n},{n}.9\n" for n in range(1000))
    path.write_bytes(gzip.compress((HEADER + lines).encode())[:-200])

    with pytest.raises(BadQuoteFile, match="after line"):
        list(QuoteFile(path).quotes())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2014-05-02T00:00:00.046Z", 1398988800046),
        ("1398988800046", 1398988800046),
    ],
)
def test_time_when_iso_or_ms_then_ms_utc(text: str, expected: int) -> None:
    assert time_ms(text) == expected
