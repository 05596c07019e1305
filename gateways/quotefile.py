"""Recorded quotes: CSV or CSV.gz with the header time,symbol,bid,ask.

It promises a clear error with the line's number for what is not such a line. Whether a price is
good is not judged here: the engine refuses bad ones and counts them by cause.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

HEADER = ["time", "symbol", "bid", "ask"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
LONGEST_FIELD = 40


class BadQuoteFile(Exception):
    """The file is not one of recorded quotes; the text names file, line and reason."""


def time_ms(text: str) -> int:
    """Return an ISO 8601 time (with Z or an offset) or a number of ms as ms UTC.

    Raises:
        ValueError: it is neither.
    """
    if text.isdecimal():
        return int(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time zone is missing (write ...Z)")
    return (moment - EPOCH) // MS


class QuoteFile:
    """An open file of quotes, read once from its beginning."""

    def __init__(self, path: Path) -> None:
        """Open it and check the header.

        Raises:
            BadQuoteFile: it cannot be read, or the header is another.
        """
        self.path = path
        try:
            self._raw = path.open("rb")
        except OSError as error:
            raise BadQuoteFile(f"{path}: {error.strerror}") from None
        packed = self._raw.read(2) == b"\x1f\x8b"
        self._raw.seek(0)
        self.size = path.stat().st_size
        text = io.TextIOWrapper(
            gzip.GzipFile(fileobj=self._raw) if packed else self._raw, encoding="utf-8", newline=""
        )
        self._rows = csv.reader(text, strict=True)
        self.line = 0
        if next(self._safely(), None) != HEADER:
            raise BadQuoteFile(f"{path}, line 1: the header must be {','.join(HEADER)}")

    @property
    def position(self) -> int:
        """Return how many bytes of the file (as it lies on the disk) have been read."""
        return self._raw.tell()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def _safely(self) -> Iterator[list[str]]:
        try:
            for row in self._rows:
                self.line = self._rows.line_num
                yield row
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise BadQuoteFile(f"{self.path}, after line {self.line}: {error}") from None

    def quotes(self) -> Iterator[tuple[int, str, str, str]]:
        """Return (time in ms, symbol, bid, ask) of each line.

        Raises:
            BadQuoteFile: a line is malformed.
        """
        for row in self._safely():
            if len(row) != 4:
                raise BadQuoteFile(f"{self.path}, line {self.line}: {len(row)} fields instead of 4")
            moment, symbol, bid, ask = row
            try:
                when = time_ms(moment)
            except ValueError as error:
                raise BadQuoteFile(f"{self.path}, line {self.line}: time {moment!r}: {error}") from None
            for name, value in (("symbol", symbol), ("bid", bid), ("ask", ask)):
                if (
                    not value
                    or len(value) > LONGEST_FIELD
                    or not value.isprintable()
                    or "," in value
                    or " " in value
                ):
                    raise BadQuoteFile(
                        f"{self.path}, line {self.line}: {name} {value[:60]!r} is not a plain word"
                    )
            yield when, symbol, bid, ask
