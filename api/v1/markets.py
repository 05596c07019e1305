"""REST of the market: symbols with what an order ticket needs, last quotes, candles.

Quotes are those that the account's group sees: its spread is in them. Candles are of the bid, without it.
"""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.errors import Refused, invalid
from api.http.fields import instant_param, text_param, whole_param, word_param
from api.http.scope import ACCOUNT, account_of, short_name
from api.http.symbols import symbol_named
from dealing.columns import iso, ms_of, plain
from engine.calendar import local_date, next_day_end
from engine.codes import Code
from engine.rounding import to_text
from engine.settings import Group, Server
from live.quotes import Spread, spread_of
from live.schema import nullable, page_of, thing
from markets.candles import DAY, INTERVALS
from markets.choices import Interval
from markets.models import Candle, Quote, Symbol
from markets.selectors import candles, quotes, server, symbols

USUAL_CANDLES = 500
MAX_CANDLES = 1_000


QUOTE = thing(bid="decimal", ask="decimal", time="time", time_ms="int")
SYMBOL = thing(
    symbol="text", description="text", security="text", digits="int", contract_size="decimal",
    volume_min="decimal", volume_max="decimal", volume_step="decimal", base_currency="text",
    profit_currency="text", margin_currency="text", calc_mode="text", tick_size="decimal?", tick_value="decimal?",
    stops_level="int", quotes_timeout="int", freeze_level="int", trade_mode="text", execution="text", spread_diff="int",
    swap_mode="text", swap_long="decimal", swap_short="decimal", session_open="flag", allow_negative="flag", quote=nullable(QUOTE),
)  # fmt: skip
ASSET = thing(symbol="text", name="text", description="text", digits="int", base="text", quote="text")
CANDLE = thing(
    time="time", time_ms="int", date="text?", open="decimal", high="decimal", low="decimal", close="decimal",
    ticks="int",
)  # fmt: skip


def show_quote(quote: Quote, spread: Spread) -> dict[str, Any]:
    """Return a quote widened by the group's spread, as the engine does (§2.3)."""
    bid, ask = spread.seen(quote.bid, quote.ask)
    return {
        "bid": to_text(bid, spread.digits),
        "ask": to_text(ask, spread.digits),
        "time": iso(quote.time),
        "time_ms": ms_of(quote.time),
    }


def show_symbol(
    row: Symbol, group: Group, quote: Quote | None, now_ms: int, *, server_zone: str
) -> dict[str, Any]:
    """Return a symbol as a group's account sees it at this time."""
    terms = group.terms(row.security_id)
    settings = row.to_engine(index=row.position)
    settings.follow(server_zone)
    return {
        "symbol": row.name,
        "description": row.description,
        "security": row.security_id,
        "digits": row.digits,
        "contract_size": plain(row.contract_size),
        "volume_min": plain(row.volume_min),
        "volume_max": plain(row.volume_max),
        "volume_step": plain(row.volume_step),
        "base_currency": row.base_currency,
        "profit_currency": row.profit_currency,
        "margin_currency": row.margin_currency,
        "calc_mode": row.calc_mode,
        "tick_size": plain(row.tick_size),
        "tick_value": plain(row.tick_value),
        "stops_level": row.stops_level,
        "quotes_timeout": row.quotes_timeout,
        "freeze_level": row.freeze_level,
        "trade_mode": row.trade_mode,
        "execution": terms.execution.value,
        "spread_diff": terms.spread_diff,
        "swap_mode": row.swap_mode,
        "swap_long": plain(row.swap_long),
        "swap_short": plain(row.swap_short),
        "session_open": settings.in_session(now_ms),
        "allow_negative": row.allow_negative,
        "quote": quote and show_quote(quote, spread_of(group, row)),
    }


class Symbols(APIView):
    """What may be traded."""

    @extend_schema(parameters=[ACCOUNT], responses={200: page_of(SYMBOL)})
    def get(self, request: Request) -> Response:
        """Return all symbols in list order, with the last quote that the account's group sees."""
        group = account_of(request).group.to_engine()
        last = quotes()
        now_ms = ms_of(datetime.now(UTC))
        zone = server().time_zone
        shown = [show_symbol(row, group, last.get(row.name), now_ms, server_zone=zone) for row in symbols()]
        return Response({"results": shown, "next": None})


class Assets(APIView):
    """The supported assets under their short names."""

    plain_errors = True

    @extend_schema(responses={200: thing(assets=[ASSET])})
    def get(self, request: Request) -> Response:
        """Return the symbols by their short names: btc, eth, eurusd."""
        assets = [
            {
                "symbol": short_name(row.name),
                "name": row.name,
                "description": row.description,
                "digits": row.digits,
                "base": row.base_currency,
                "quote": row.profit_currency,
            }
            for row in symbols()
        ]
        return Response({"assets": assets})


class Candles(APIView):
    """Open, high, low and close of the bid."""

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "symbol",
                {"type": "string", "minLength": 1},
                required=True,
                description="btc, BTC or BTCUSDT.",
            ),
            OpenApiParameter("interval", str, enum=Interval.values, default="1m"),
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_CANDLES}),
            OpenApiParameter(
                "before", str, description="Time, ISO 8601 or ms: only candles that began earlier."
            ),
        ],
        responses={
            200: thing(
                symbol="text", interval="text", digits="int", results=[CANDLE], ends_ms="int?", next="time?"
            )
        },
    )
    def get(self, request: Request) -> Response:
        """Return candles, the oldest first; `next` is the `before` of the page of older ones.

        Daily ones are the server's trading days, `date` is the day that each of them is; `ends_ms` is when the newest
        candle of the page ends, or ended.
        """
        named = text_param(request, "symbol")
        if not named:
            raise invalid("symbol: it is needed")
        symbol = symbol_named(named)
        if symbol is None:
            raise Refused(Code.SYMBOL_NOT_FOUND, f"there is no symbol {named!a}")
        interval = word_param(request, "interval", Interval.values, "1m")
        limit = whole_param(request, "limit", USUAL_CANDLES, low=1, high=MAX_CANDLES)
        rows = candles(symbol.name, interval, until=instant_param(request, "before"))
        newest_first = list(rows[: limit + 1])
        more, found = len(newest_first) > limit, newest_first[:limit][::-1]
        clock = server().to_engine()
        return Response(
            {
                "symbol": symbol.name,
                "interval": interval,
                "digits": symbol.digits,
                "results": [_show_candle(row, clock) for row in found],
                "ends_ms": _end_ms(found[-1], clock) if found else None,
                "next": iso(found[0].time) if more else None,
            }
        )


def _end_ms(row: Candle, server: Server) -> int:
    """Return when a candle ends; a daily one does where its trading day does, by the settings of now."""
    start_ms = ms_of(row.time)
    if row.interval == DAY:
        return next_day_end(server.zone, server.day_end_ms, start_ms)
    return start_ms + INTERVALS[row.interval]


def _show_candle(row: Candle, server: Server) -> dict[str, Any]:
    is_daily = row.interval == DAY
    return {
        "time": iso(row.time),
        "time_ms": ms_of(row.time),
        "date": str(local_date(server.zone, _end_ms(row, server) - 1)) if is_daily else None,
        "open": f"{row.open:f}",
        "high": f"{row.high:f}",
        "low": f"{row.low:f}",
        "close": f"{row.close:f}",
        "ticks": row.ticks,
    }
