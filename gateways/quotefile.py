"""Recorded quotes: CSV or CSV.gz whose first line names time, symbol, bid and ask.

The columns stand in any order, with others beside them; blank lines, quotes around fields, blanks around values,
CRLF and a byte order mark are what programs write and mean nothing. It promises that every other line is handed
out, in the file's order, or is an error with the line's number. Whether a price is good is not judged here: the
engine refuses bad ones and counts them by cause.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dealing.columns import EPOCH

HEADER = ("time", "symbol", "bid", "ask")
END_MS = 4_102_444_800_000  # the year 2100
MS = timedelta(milliseconds=1)
LONGEST_FIELD = 40
# What may stand in a line of the stream: no comma, no blank, nothing that ends a line.
PLAIN = re.compile(r"[!-+\--~]{1,40}")
NUMBER = re.compile(r"(\d{1,19})(?:\.(\d+))?")
# Numbers tell their unit by their size: each is wrong for the others by thousands of years.
UNITS = ((10**11, 1000, 1), (10**14, 1, 1), (10**17, 1, 1000), (10**20, 1, 1_000_000))

Quote = tuple[int, str, str, str]


class BadQuoteFile(Exception):
    """The file is not one of recorded quotes; the text names file, line and reason."""


def time_ms(text: str) -> int:
    """Return a time as ms UTC: ISO 8601 (without a zone it is UTC), or seconds, ms, us or ns since 1970.

    Raises:
        ValueError: it is none of these, or not between 1970 and 2100.
    """
    number = NUMBER.fullmatch(text)
    # Eight digits are a date, which has no time in it.
    if number and len(number[1]) != 8:
        whole, part = int(number[1]), (number[2] or "")[:3].ljust(3, "0")
        times, by = next((times, by) for below, times, by in UNITS if whole < below)
        found = whole * times // by + (int(part) if times == 1000 else 0)
    else:
        if text[4:5] == text[7:8] == ".":  # 2014.05.02 00:00:00.046
            text = f"{text[:4]}-{text[5:7]}-{text[8:]}"
        if len(text) < 12:
            raise ValueError("write it like 2014-05-02T00:00:00.046Z")
        moment = datetime.fromisoformat(text)
        found = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // MS
    if not 0 <= found < END_MS:
        raise ValueError("it is not between 1970 and 2100")
    return found


def _is_usual(price: str) -> bool:
    """Return whether a price is digits with at most one point among them, so that it may stand in the stream."""
    return len(price) <= LONGEST_FIELD and price.replace(".", "", 1).isdecimal()


class QuoteFile:
    """An open file of quotes, read once from its beginning."""

    def __init__(self, path: Path) -> None:
        """Open it and check the header.

        Raises:
            BadQuoteFile: it cannot be read, or the header lacks a column.
        """
        self.path = path
        try:
            self._raw = path.open("rb")
            packed = self._raw.read(2) == b"\x1f\x8b"
        except OSError as error:
            raise BadQuoteFile(f"{path}: {error.strerror}") from None
        self._raw.seek(0)
        self.size = path.stat().st_size
        text = io.TextIOWrapper(
            gzip.GzipFile(fileobj=self._raw) if packed else self._raw, encoding="utf-8-sig", newline=""
        )
        self._rows = csv.reader(text, strict=True, skipinitialspace=True)
        self.line = 0
        self._columns = self._read_header()

    def _read_header(self) -> tuple[int, int, int, int]:
        """Return in which columns time, symbol, bid and ask stand.

        Raises:
            BadQuoteFile: one of them is missing or there twice.
        """
        row = next(self._safely(), None)
        if row is None:
            self.close()
            raise BadQuoteFile(f"{self.path}: the file is empty")
        found = [name.strip().lower() for name in row]
        if any(found.count(name) != 1 for name in HEADER):
            self.close()
            raise BadQuoteFile(
                f"{self.path}, line {self.line}: the header must name {', '.join(HEADER)}, found {','.join(row)[:80]!r}"
            )
        self._width = len(row)
        time, symbol, bid, ask = map(found.index, HEADER)
        return time, symbol, bid, ask

    @property
    def position(self) -> int:
        """Return how many bytes of the file (as it lies on the disk) have been read."""
        return self._raw.tell()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def _safely(self) -> Iterator[list[str]]:
        """Return the rows that hold anything.

        Raises:
            BadQuoteFile: the file cannot be read on.
        """
        try:
            for row in self._rows:
                self.line = self._rows.line_num
                if row and (len(row) > 1 or row[0].strip()):
                    yield row
        except UnicodeDecodeError:
            raise BadQuoteFile(f"{self.path}, after line {self.line}: this is not text in UTF-8") from None
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise BadQuoteFile(f"{self.path}, after line {self.line}: {error}") from None

    def quotes(self) -> Iterator[Quote]:
        """Return (time in ms, symbol, bid, ask) of each line.

        Raises:
            BadQuoteFile: a line is malformed.
        """
        of_time, of_symbol, of_bid, of_ask = self._columns
        width, known, read = self._width, set[str](), datetime.fromisoformat
        for row in self._safely():
            if len(row) != width:
                raise BadQuoteFile(f"{self.path}, line {self.line}: {len(row)} fields instead of {width}")
            text, symbol, bid, ask = row[of_time], row[of_symbol], row[of_bid], row[of_ask]
            # Files have millions of lines in the usual form; all else takes the longer way.
            when = -1
            if len(text) == 24 and text[23] == "Z":
                try:
                    moment = read(text)
                    when = int(moment.timestamp()) * 1000 + moment.microsecond // 1000
                except ValueError:
                    pass  # the longer way says what is wrong
            if not 0 <= when < END_MS:
                when = self._time(text.strip())
            if symbol not in known or not (_is_usual(bid) and _is_usual(ask)):
                symbol, bid, ask = self._plain(symbol, bid, ask)
                known.add(symbol)
            yield when, symbol, bid, ask

    def _time(self, text: str) -> int:
        try:
            return time_ms(text)
        except ValueError as error:
            raise BadQuoteFile(f"{self.path}, line {self.line}: time {text[:60]!r}: {error}") from None

    def _plain(self, *fields: str) -> tuple[str, str, str]:
        """Return symbol, bid and ask as they may stand in the stream; a price that is not there is nan.

        Raises:
            BadQuoteFile: one of them cannot.
        """
        symbol, bid, ask = (field.strip() for field in fields)
        bid, ask = bid or "nan", ask or "nan"
        for name, value in (("symbol", symbol), ("bid", bid), ("ask", ask)):
            if not PLAIN.fullmatch(value):
                raise BadQuoteFile(
                    f"{self.path}, line {self.line}: {name} {value[:60]!r} is not a plain word of up to {LONGEST_FIELD} signs"
                )
        return symbol, bid, ask
