"""Ticks as they stood in the stream, kept in Parquet files by day and symbol.

    FOLDER/2026-11-29/FIRST_LAST/EURUSD.parquet

A folder FIRST_LAST is a piece of the stream from one entry to another, both with it. It is written under another name and
renamed when it is whole, so its name is also the place from which the next piece goes on: who dies in between has neither
holes nor doubles. A day that is over is joined into one piece. Prices are the text that came, times ms UTC; the day is that
of the entry's number, so of the moment at which Redis took it. A line that is no tick keeps its place, with a time of -1.
One writer at a time.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from dealing.ticks import Tick, id_key, id_ms

SCHEMA = pa.schema(
    [
        ("entry_ms", pa.int64()), ("entry_seq", pa.int64()), ("line", pa.int32()), ("is_last", pa.bool_()),
        ("symbol", pa.string()), ("bid", pa.string()), ("ask", pa.string()), ("time_ms", pa.int64()),
    ]
)  # fmt: skip
ROWS_AT_ONCE = 10_000
MOST_NAME = 150  # bytes of a symbol in a file's name
UNFINISHED = ".part-"
Row = tuple[int, int, int, bool, str, str, str, int]


class HeldElsewhere(Exception):
    """Another process keeps ticks in this folder."""


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """A folder with the ticks of one stretch of the stream."""

    first: tuple[int, int]
    last: tuple[int, int]
    path: Path

    def rows(self, since: tuple[int, int]) -> Iterator[Row]:
        """Yield its ticks in the order of the stream, from an entry on."""
        with ExitStack() as files:
            opened = [files.enter_context(pq.ParquetFile(path)) for path in sorted(self.path.iterdir())]
            for row in merge(*map(_rows, opened)):
                if row[:2] >= since:
                    yield row


def _rows(file: Any) -> Iterator[Row]:
    for batch in file.iter_batches(ROWS_AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


class TickFolder:
    """The folder of all ticks that are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hold(self) -> IO[bytes]:
        """Return the lock of whoever writes, made ready for it; it holds until it is closed.

        Raises:
            HeldElsewhere: somebody else has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / ".lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise HeldElsewhere(f"another process keeps ticks in {self.folder}") from None
        for left in self.folder.glob(f"*/{UNFINISHED}*"):
            shutil.rmtree(left)
        for piece, wider in self._doubled():
            if wider:
                shutil.rmtree(piece.path)
        return lock

    def pieces(self, day: str = "*") -> list[Piece]:
        """Return the pieces in the order of the stream, without those that a wider one holds as well."""
        return [piece for piece, wider in self._doubled(day) if not wider]

    def _doubled(self, day: str = "*") -> list[tuple[Piece, bool]]:
        """Return all pieces, and of each whether a wider one holds the same."""
        found = []
        for path in self.folder.glob(f"{day}/*_*"):
            if not path.name.startswith(UNFINISHED):
                first, last = path.name.split("_")
                found.append(Piece(id_key(first), id_key(last), path))
        found.sort(key=lambda piece: (piece.first, (-piece.last[0], -piece.last[1])))
        told = []
        reached = (-1, -1)
        for piece in found:
            told.append((piece, piece.last <= reached))
            reached = max(reached, piece.last)
        return told

    def place(self) -> str:
        """Return the last entry that is kept, "0-0" where there is none."""
        newest = max((piece.last for piece in self.pieces()), default=(0, 0))
        return f"{newest[0]}-{newest[1]}"

    def write(self, ticks: Iterable[Tick], last: str) -> None:
        """Keep ticks that follow the last that were kept, in the order of the stream, up to the end of an entry.

        last: the last entry that was looked at.
        """
        by_day = [(day, list(found)) for day, found in groupby(ticks, key=lambda tick: _day(tick.entry))]
        for number, (day, found) in enumerate(by_day):
            until = last if number == len(by_day) - 1 and _day(last) == day else found[-1].entry
            by_symbol: dict[str, list[Tick]] = {}
            for tick in found:
                by_symbol.setdefault(tick.symbol, []).append(tick)
            part = self._begun(day)
            for symbol, its in by_symbol.items():
                with pq.ParquetWriter(part / _file(symbol), SCHEMA, compression="zstd") as writer:
                    writer.write_table(_table(its))
            _finish(part, f"{found[0].entry}_{until}")

    def join(self, day: str) -> None:
        """Make one piece of a day's, a file a symbol."""
        pieces = self.pieces(day)
        if len(pieces) < 2:
            return
        part = self._begun(day)
        names = sorted({path.name for piece in pieces for path in piece.path.iterdir()})
        for name in names:
            with pq.ParquetWriter(part / name, SCHEMA, compression="zstd") as writer:
                for piece in pieces:
                    if (piece.path / name).exists():
                        with pq.ParquetFile(piece.path / name) as file:
                            for batch in file.iter_batches():
                                writer.write_batch(batch)
        (first, _), (_, last) = (piece.path.name.split("_") for piece in (pieces[0], pieces[-1]))
        _finish(part, f"{first}_{last}")
        for piece in pieces:
            shutil.rmtree(piece.path)

    def join_until(self, day: str) -> None:
        """Join every day before this one."""
        for path in self.folder.glob("*-*-*"):
            if path.name < day:
                self.join(path.name)

    def forget(self, before: datetime) -> None:
        """Delete the days before the day of a moment."""
        for path in self.folder.glob("*-*-*"):
            if path.name < before.strftime("%Y-%m-%d"):
                shutil.rmtree(path)

    def ticks(self, since: str) -> Iterator[Tick]:
        """Yield what is kept from an entry on, with it."""
        key = id_key(since)
        for piece in self.pieces():
            if piece.last >= key:
                for ms, seq, line, is_last, symbol, bid, ask, time_ms in piece.rows(key):
                    raw = f"{symbol},{bid},{ask},{time_ms}"
                    yield Tick(f"{ms}-{seq}", line, is_last, raw, symbol, bid, ask, time_ms)

    def _begun(self, day: str) -> Path:
        part = self.folder / day / f"{UNFINISHED}{os.getpid()}"
        part.mkdir(parents=True)
        return part


def _day(entry: str) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=id_ms(entry))).strftime("%Y-%m-%d")


def _file(symbol: str) -> str:
    """Return the file of a symbol, which may be any text that stood in the stream."""
    name = quote(symbol, safe="") or "%"
    if len(name) > MOST_NAME:
        name = hashlib.sha256(symbol.encode()).hexdigest()
    return f"{name}.parquet"


def _table(ticks: list[Tick]) -> Any:
    keys = [id_key(tick.entry) for tick in ticks]
    columns = [
        [ms for ms, _ in keys], [seq for _, seq in keys], [t.line for t in ticks], [t.is_last for t in ticks],
        [t.symbol for t in ticks], [t.bid for t in ticks], [t.ask for t in ticks], [t.time_ms for t in ticks],
    ]  # fmt: skip
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def _finish(part: Path, name: str) -> None:
    """Let a piece be seen once all of it is on the disk."""
    for path in [*part.iterdir(), part]:
        _sync(path)
    part.rename(part.with_name(name))
    _sync(part.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
