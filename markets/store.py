"""Symbols, quotes and extremes: rows to the engine's records and back.

`load` reads what the engine starts from, `record` writes what a batch changed, in the caller's transaction and
one statement a table. Quotes are the same in every shard and written by shard 0 alone; extremes belong to the
shard whose smart orders need them. Only the desk calls it.
"""

from typing import Any

import structlog

from dealing.columns import (
    Cursor,
    Table,
    decimal_text,
    json_of,
    json_text,
    moment,
    ms_of,
    units_of,
    update_row,
)
from dealing.loading import fetch_each, load_settings, make_each
from engine.records import Quote
from engine.state import Extremes
from markets.models import SYMBOL_DECIMALS, SYMBOL_PLAIN, Server, Symbol

log = structlog.get_logger(__name__)
QUOTES = Table(
    "markets_quote",
    ("symbol",),
    {
        "symbol": "text", "bid": "numeric", "ask": "numeric", "time": "timestamptz", "seq": "bigint",
        "deviating": "int", "digits": "int", "refusals": "int",
    },
)  # fmt: skip
EXTREMES = Table(
    "markets_extremes", ("shard", "symbol"), {"shard": "smallint", "symbol": "text", "data": "jsonb"}
)


def load(cursor: Cursor, state: Any, *, shard: int, shards: int) -> None:
    """Read all symbols in list order, their last quotes, and this shard's extremes into `state`."""
    load_quoted(cursor, state)
    load_extremes(cursor, state, shard=shard)


def load_quoted(cursor: Cursor, state: Any) -> None:
    """Read the server's settings, all symbols in list order and their last quotes into `state`.

    A symbol that cannot be loaded is noted there; a quote that cannot waits for the symbol's next tick.
    """

    def take_server(row: Server) -> None:
        state.server = row.to_engine()

    clocks = load_settings(cursor, state, Server, key="id", kind="server", order_by="id")
    make_each(state, "server", clocks, lambda row: str(row.pk), take_server)
    listed = load_settings(cursor, state, Symbol, key="name", kind="symbol", order_by="position, name")
    index_of = {row.name: index for index, row in enumerate(listed)}

    def take(row: Symbol) -> None:
        state.symbols[row.name] = row.to_engine(index=index_of[row.name])

    make_each(state, "symbol", listed, lambda row: str(row.name), take)
    names = ", ".join(QUOTES.columns)
    cursor.execute(f"SELECT {names} FROM markets_quote ORDER BY symbol")
    for row in fetch_each(cursor)[0]:
        symbol = state.symbols.get(row[0])
        quote = symbol and quote_of(row, symbol.digits)
        if quote:
            state.quotes[row[0]] = quote


def load_extremes(cursor: Cursor, state: Any, *, shard: int) -> None:
    """Read the extremes of a shard into `state`."""
    cursor.execute("SELECT symbol, data FROM markets_extremes WHERE shard = %s ORDER BY symbol", (shard,))
    for name, data in fetch_each(cursor)[0]:
        if name in state.symbols:
            try:
                state.extremes[name] = Extremes.from_json(json_of(data))
            except (ValueError, TypeError, LookupError) as error:
                # Trailing stops of this symbol go on from the marks that their plans hold.
                log.error("the extremes of a symbol cannot be loaded", symbol=name, error=repr(error))


def record(cursor: Cursor, changes: Any) -> None:
    """Write the quotes (shard 0) and extremes that a batch changed."""
    if changes.shard == 0:
        digits = {name: changes.state.symbols[name].digits for name in changes.quotes}
        QUOTES.upsert(
            cursor, [quote_row(name, changes.quotes[name], digits[name]) for name in sorted(changes.quotes)]
        )
    _write_settings(cursor, changes)
    kept = changes.state.extremes
    gone = sorted(name for name in changes.extremes if name not in kept)
    if gone:
        cursor.execute(
            "DELETE FROM markets_extremes WHERE shard = %s AND symbol = ANY(%s)", (changes.shard, gone)
        )
    EXTREMES.upsert(
        cursor,
        [
            (changes.shard, name, json_text(kept[name].to_json()))
            for name in sorted(changes.extremes)
            if name in kept
        ],
    )


def _write_settings(cursor: Cursor, changes: Any) -> None:
    """Write what was changed of symbols; a new one's row is there before the desk hears of it."""
    for event in changes.settings_written_here():
        if event.kind == "symbol" and not event.is_new:
            known = {
                key: value for key, value in event.after.items() if key in (*SYMBOL_PLAIN, *SYMBOL_DECIMALS)
            }
            if "security" in event.after:
                known["security"] = event.after["security"]
            update_row(cursor, Symbol, event.key, known)
        elif event.kind == "server":
            cursor.execute(
                "INSERT INTO markets_server (id, day_end, time_zone) VALUES (1, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET day_end = EXCLUDED.day_end, time_zone = EXCLUDED.time_zone",
                (changes.state.server.values["day_end"], changes.state.server.time_zone),
            )


def move_extremes(cursor: Cursor, before: int, after: int) -> None:
    """Give every shard the extremes of all: a trailing stop goes on from its mark wherever its account goes.

    All shards number a symbol's quotes alike, so entries of several lists make one that reaches as far back as the
    longest of them.
    """
    cursor.execute("SELECT symbol, data FROM markets_extremes ORDER BY symbol, shard")
    points: dict[str, dict[str, set[tuple[int, int]]]] = {}
    for symbol, data in cursor.fetchall():
        own = points.setdefault(symbol, {"highs": set(), "lows": set()})
        for key, entries in json_of(data).items():
            own[key].update((seq, price) for seq, price in entries)
    cursor.execute("DELETE FROM markets_extremes")
    rows = []
    for symbol, own in points.items():
        whole = Extremes(highs=_suffix_best(own["highs"], 1), lows=_suffix_best(own["lows"], -1))
        rows += [(shard, symbol, json_text(whole.to_json())) for shard in range(after)]
    EXTREMES.upsert(cursor, rows)


def _suffix_best(points: set[tuple[int, int]], sign: int) -> list[tuple[int, int]]:
    """Return the points that no later one reaches, in order: what `Extremes` keeps."""
    kept: list[tuple[int, int]] = []
    for seq, price in sorted(points):
        while kept and kept[-1][1] * sign <= price * sign:
            kept.pop()
        kept.append((seq, price))
    return kept


def symbol_values(key: str) -> dict[str, Any]:
    """Return the settings of a symbol's row as reload commands carry them.

    Raises:
        LookupError: there is no such symbol.
    """
    row = Symbol.objects.filter(name=key).first()
    if row is None:
        raise LookupError(f"no symbol {key}")
    return row.values()


def server_values(key: str) -> dict[str, Any]:
    """Return the server's settings as reload commands carry them; `key` is not needed."""
    del key
    row = Server.objects.first()
    return (row or Server()).values()


def quote_row(symbol: str, q: Quote, digits: int) -> tuple[Any, ...]:
    """Return a quote as a row in the order of `QUOTES.columns`."""
    return (
        symbol, decimal_text(q.bid, digits), decimal_text(q.ask, digits), moment(q.time_ms), q.seq,
        q.deviating, digits, q.refusals,
    )  # fmt: skip


def quote_of(row: Any, digits: int) -> Quote | None:
    """Return the quote of a row in the order of `QUOTES.columns`, in points of `digits` decimals.

    None where the symbol has fewer digits now than the quote needs, or the row holds no price: it waits for its
    next tick.
    """
    _symbol, bid, ask, time, seq, deviating, _digits, refusals = row
    try:
        return Quote(units_of(bid, digits), units_of(ask, digits), ms_of(time), seq, deviating, refusals)
    except (ValueError, OverflowError, TypeError) as error:  # Inexact among them; NaN, an endless number
        log.warning("a quote is left out", symbol=_symbol, error=repr(error))
        return None
