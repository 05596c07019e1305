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
        ("2014-05-02,XAUUSD,1,2", "line 3: time '2014-05-02': write it like"),
        ("20140502,XAUUSD,1,2", "line 3: time '20140502': write it like"),
        ("1.39e12,XAUUSD,1,2", "line 3: time '1.39e12'"),
        ("1969-12-31T23:59:59Z,XAUUSD,1,2", "it is not between 1970 and 2100"),
        ("2014-05-02T00:00:99.046Z,XAUUSD,1,2", "line 3: time '2014-05-02T00:00:99.046Z'"),
        ("2014-05-02T00:00:00Z,XAUUSD,1,2,3", "line 3: 5 fields instead of 4"),
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


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("symbol,bid,ask\n", "line 1: the header must name time, symbol, bid, ask, found 'symbol,bid,ask'"),
        ("time,symbol,bid,ask,bid\n", "the header must name"),
        ("time;symbol;bid;ask\n", "found 'time;symbol;bid;ask'"),
        (LINE, "the header must name"),
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
    ],
)
def test_file_when_the_header_is_another_then_it_is_told(tmp_path: Path, header: str, told: str) -> None:
    with pytest.raises(BadQuoteFile) as refusal:
        QuoteFile(written(tmp_path, header))

    assert told in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + LINE,
        (HEADER + LINE).replace("\n", "\r\n"),
        HEADER + "\n" + LINE + "\n  \n",
        'time,symbol,bid,ask\n"2014-05-02T00:00:00.046Z","XAUUSD","1284.065","1284.405"\n',
        "time, symbol, bid, ask\n2014-05-02T00:00:00.046Z, XAUUSD , 1284.065, 1284.405 \n",
        "Symbol,BID,Ask,volume,Time\nXAUUSD,1284.065,1284.405,7,2014-05-02T00:00:00.046Z\n",
        (HEADER + LINE).rstrip("\n"),
    ],
)
def test_file_when_another_program_wrote_it_then_the_same_quotes(tmp_path: Path, text: str) -> None:
    file = QuoteFile(written(tmp_path, text))

    assert list(file.quotes()) == [(1398988800046, "XAUUSD", "1284.065", "1284.405")]


def test_file_when_a_price_is_missing_then_it_is_the_engines_to_refuse(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "2014-05-02T00:00:00Z,XAUUSD,,1284.405\n")

    assert list(QuoteFile(path).quotes()) == [(1398988800000, "XAUUSD", "nan", "1284.405")]


def test_file_when_times_share_a_minute_then_each_is_its_own(tmp_path: Path) -> None:
    times = [
        "2014-05-02T00:00:00.046Z",
        "2014-05-02T00:00:59.999Z",
        "2014-05-02T00:01:00.000Z",
        "2014-05-02T00:00:07Z",
    ]
    path = written(tmp_path, HEADER + "".join(f"{time},XAUUSD,1,2\n" for time in times))

    assert [when - 1398988800000 for when, *_ in QuoteFile(path).quotes()] == [46, 59_999, 60_000, 7_000]


def test_file_when_it_is_no_text_then_so_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_bytes((HEADER + LINE).encode("utf-16"))

    with pytest.raises(BadQuoteFile, match="this is not text in UTF-8"):
        QuoteFile(path)


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
        ("1398988800", 1398988800000),
        ("1398988800.046", 1398988800046),
        ("1398988800.0461", 1398988800046),
        ("1398988800046.9", 1398988800046),
        ("1398988800046123", 1398988800046),
        ("1398988800046123456", 1398988800046),
        ("2014-05-02T00:00:00.046123Z", 1398988800046),
        ("2014-05-02T00:00:00.046123456Z", 1398988800046),
        ("2014-05-02T00:00:00.046", 1398988800046),
        ("2014-05-02 00:00:00.046", 1398988800046),
        ("2014.05.02 00:00:00.046", 1398988800046),
        ("2014-05-02T02:00:00.046+02:00", 1398988800046),
        ("20140502T000000.046Z", 1398988800046),
    ],
)
def test_time_when_iso_or_a_number_then_ms_utc(text: str, expected: int) -> None:
    assert time_ms(text) == expected
