"""Candles of the bid, built from accepted ticks.

The desk of shard 0 hands every accepted tick to `CandleBook.add` and writes what changed with the batch, so
that candles and the tick cursor move together: after a crash the book is loaded again and goes on as if nothing
had been. A tick touches its one-minute candle only; the longer ones are folded from it when they are written.
Times are those of the ticks, in milliseconds UTC; a candle is named by its start. Daily candles are the server's
trading days (§10.1): one begins at the moment at which the day before ended, so that around a change of the clocks it
is an hour shorter or longer. All others begin at multiples of their length in UTC.
"""

from dataclasses import dataclass

from dealing.columns import Cursor, Table, decimal_text, moment, ms_of, units_of
from dealing.loading import fetch_each
from engine.calendar import last_day_end, next_day_end
from engine.settings import Server
from engine.state import State

MINUTE_MS = 60_000
INTERVALS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
}
DAY = "1d"
ALL = (*INTERVALS, DAY)
CANDLES = Table(
    "markets_candle",
    ("symbol", "interval", "time"),
    {
        "symbol": "text", "interval": "text", "time": "timestamptz", "open": "numeric", "high": "numeric",
        "low": "numeric", "close": "numeric", "ticks": "bigint",
    },
)  # fmt: skip


@dataclass(slots=True)
class Candle:
    """One candle, prices in points."""

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    ticks: int = 1


class TradingDays:
    """When each trading day begins, by the server's settings; a change counts from the next moment on (§10.4)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._server: Server = state.server
        self._start_ms = self._end_ms = 0

    def start_of(self, time_ms: int) -> int:
        """Return the moment at which the trading day of a time began."""
        server = self._state.server
        if server is not self._server:
            self._server = server
            if self._start_ms <= time_ms < self._end_ms:  # this day goes on, and ends by the new settings
                self._end_ms = next_day_end(server.zone, server.day_end_ms, time_ms - 1)
        if not self._start_ms <= time_ms < self._end_ms:
            self._start_ms = last_day_end(server.zone, server.day_end_ms, time_ms)
            self._end_ms = next_day_end(server.zone, server.day_end_ms, time_ms)
        return self._start_ms


class CandleBook:
    """The candles that are still growing, by symbol and interval."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._days = TradingDays(state)
        self._digits: dict[str, int] = {}
        self._minutes: dict[str, Candle] = {}
        self._longer: dict[tuple[str, str], Candle] = {}
        self._folded: dict[str, int] = {}  # ticks of the current minute that the longer ones hold already
        self._ended: list[tuple[str, str, Candle, int]] = []
        self._changed: set[str] = set()
        self._last_ms: dict[str, int] = {}

    def add(self, symbol: str, bid: int, time_ms: int, digits: int) -> None:
        """Take an accepted tick's bid in points of `digits` decimals.

        One older than a tick that was taken since the load is late by the stream, whatever the engine has seen of it.
        """
        if time_ms < self._last_ms.get(symbol, time_ms):
            return
        self._last_ms[symbol] = time_ms
        minute = self._minutes.get(symbol)
        start = time_ms - time_ms % MINUTE_MS
        if minute is None or start > minute.start_ms or self._digits[symbol] != digits:
            if minute is not None:
                self._fold(symbol)
                self._ended.append((symbol, "1m", minute, self._digits[symbol]))
                if self._digits[symbol] != digits:
                    self._forget(symbol)
            self._digits[symbol] = digits
            self._folded[symbol] = 0
            self._minutes[symbol] = Candle(start, bid, bid, bid, bid)
        else:
            if bid > minute.high:
                minute.high = bid
            elif bid < minute.low:
                minute.low = bid
            minute.close = bid
            minute.ticks += 1
        self._changed.add(symbol)

    def _fold(self, symbol: str) -> None:
        """Bring the longer candles up to the current minute."""
        minute = self._minutes[symbol]
        new = minute.ticks - self._folded[symbol]
        if not new:
            return
        self._folded[symbol] = minute.ticks
        for interval in ALL[1:]:
            if interval == DAY:
                start = self._days.start_of(minute.start_ms)
            else:
                start = minute.start_ms - minute.start_ms % INTERVALS[interval]
            candle = self._longer.get((symbol, interval))
            if candle is None or candle.start_ms < start:
                if candle is not None:
                    self._ended.append((symbol, interval, candle, self._digits[symbol]))
                self._longer[symbol, interval] = Candle(
                    start, minute.open, minute.high, minute.low, minute.close, new
                )
            else:
                candle.high = max(candle.high, minute.high)
                candle.low = min(candle.low, minute.low)
                candle.close = minute.close
                candle.ticks += new

    def _forget(self, symbol: str) -> None:
        """End all candles of a symbol whose digits changed: points of two sizes do not mix."""
        for interval in ALL:
            candle = self._longer.pop((symbol, interval), None)
            if candle is not None:
                self._ended.append((symbol, interval, candle, self._digits[symbol]))

    def write(self, cursor: Cursor) -> None:
        """Write every candle that changed since the last call, in the caller's transaction."""
        rows: dict[tuple[str, str, int], tuple[Candle, int]] = {}
        for symbol in sorted(self._changed):
            self._fold(symbol)
        for symbol, interval, candle, digits in self._ended:
            rows[symbol, interval, candle.start_ms] = (candle, digits)
        for symbol in sorted(self._changed):
            digits = self._digits[symbol]
            minute = self._minutes[symbol]
            rows[symbol, "1m", minute.start_ms] = (minute, digits)
            for interval in ALL:
                longer = self._longer.get((symbol, interval))
                if longer is not None:
                    rows[symbol, interval, longer.start_ms] = (longer, digits)
        CANDLES.upsert(
            cursor,
            [
                (
                    symbol,
                    interval,
                    moment(start_ms),
                    decimal_text(candle.open, digits),
                    decimal_text(candle.high, digits),
                    decimal_text(candle.low, digits),
                    decimal_text(candle.close, digits),
                    candle.ticks,
                )
                for (symbol, interval, start_ms), (candle, digits) in rows.items()
            ],
        )
        self._ended.clear()
        self._changed.clear()

    def load(self, cursor: Cursor) -> None:
        """Read the newest candle of every interval of the state's symbols, so that it grows on."""
        digits = {name: symbol.digits for name, symbol in self._state.symbols.items()}
        cursor.execute(
            "SELECT s.symbol, i.interval, c.time, c.open, c.high, c.low, c.close, c.ticks "
            "FROM unnest(%s::text[]) AS s(symbol) CROSS JOIN unnest(%s::text[]) AS i(interval) "
            "CROSS JOIN LATERAL (SELECT * FROM markets_candle c WHERE c.symbol = s.symbol "
            "AND c.interval = i.interval ORDER BY c.time DESC LIMIT 1) c",
            (list(digits), list(ALL)),
        )
        for symbol, interval, time, *prices, ticks in fetch_each(cursor)[0]:
            try:
                first, high, low, last = (units_of(price, digits[symbol]) for price in prices)
                candle = Candle(ms_of(time), first, high, low, last, ticks)
            except (ValueError, OverflowError, TypeError):
                continue  # of the time when the symbol had more digits, or no candle at all: it stays as it is
            if interval == "1m":
                self._minutes[symbol] = candle
                self._digits[symbol] = digits[symbol]
                self._folded[symbol] = ticks  # rows are written together, so the longer ones hold it
            else:
                self._longer[symbol, interval] = candle
