"""Settings of symbols and groups, read from the words that files, rows and reload commands share.

`Symbol.from_values` and `Group.from_values` take the keys of scenario files (docs: tests/scenarios/README.md)
with decimal text, and are the only place that checks and converts them, so that a scenario, a row and a
manager's edit mean the same thing. Promises: a Symbol or Group that exists is consistent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from fractions import Fraction
from typing import Any

from engine.calendar import DAY_MS, Calendar, Week, zone_of
from engine.enums import (
    FOREX_MODES,
    CalcMode,
    CommissionKind,
    Conversion,
    Execution,
    FreeMarginMode,
    HaltLevel,
    MarginMode,
    StopOutMode,
    StopOutUnit,
    SwapMode,
    Tier,
    TradeMode,
)
from engine.records import VOLUME_SCALE
from engine.rounding import parse_decimal

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LAST_MS = 253_370_764_799_999  # the last of 31 December 9998: every zone and every row can hold it
_EIGHT_DIGITS = frozenset(
    ("BTC", "ETH", "LTC", "XRP", "BCH", "SOL", "BNB", "ADA", "DOT", "DOGE", "USDT", "USDC"),
)
_ZERO_DIGITS = frozenset(("JPY",))


class SettingError(ValueError):
    """A setting that the engine cannot take: `key` says which, the message what was found."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


def currency_digits(currency: str) -> int:
    """Return the number of decimals of money in this currency (rules section 1)."""
    if currency in _EIGHT_DIGITS:
        return 8
    return 0 if currency in _ZERO_DIGITS else 2


@dataclass(slots=True, frozen=True)
class Server:
    """What holds for the whole server: when its trading day ends, and by which wall clock (§10.1)."""

    time_zone: str = "UTC"
    day_end_ms: int = 0  # ms of the local day

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Server":
        """Return the settings that these values describe, defaults filled in.

        Raises:
            SettingError: a value is malformed or unknown.
        """
        read = _Reader(values)
        server = cls(
            time_zone=read.time_zone("time_zone", "UTC"),
            day_end_ms=_minute(read, "day_end", values.get("day_end", "00:00")),
        )
        read.seen.add("day_end")
        if server.day_end_ms >= DAY_MS:
            raise read.fail("day_end", "24:00 is 00:00 of the next day")
        read.finish()
        return server

    @property
    def values(self) -> dict[str, Any]:
        """Return the settings as the words of scenario files."""
        minutes = self.day_end_ms // 60_000
        return {"day_end": f"{minutes // 60:02d}:{minutes % 60:02d}", "time_zone": self.time_zone}

    @property
    def zone(self) -> tzinfo:
        """Return the zone of the server's wall clock."""
        return zone_of(self.time_zone)


@dataclass(slots=True)
class Symbol:
    """A traded instrument. Volumes in units of 10^-8 lot; contract_size in units of base currency a lot."""

    name: str
    index: int  # place in the list: the first pair found converts
    digits: int
    contract_size: Fraction
    base_currency: str
    profit_currency: str
    margin_currency: str
    calc_mode: CalcMode
    conversion: Conversion
    volume_min: int
    volume_max: int
    volume_step: int
    trade_mode: TradeMode
    stops_level: int
    freeze_level: int
    filter_points: int
    filter_ticks: int
    quotes_timeout_s: int
    margin_initial: Fraction | None
    margin_maintenance: Fraction | None
    margin_hedged: Fraction
    margin_rate_buy: Fraction
    margin_rate_sell: Fraction
    pending_margin_rate: Fraction
    tick_size: Fraction | None
    tick_value: Fraction | None
    swap_mode: SwapMode
    swap_long: Fraction
    swap_short: Fraction
    swap_multipliers: tuple[int, ...]
    security: str
    venue_executed: bool  # the key is `gateway`: a venue executes, nothing triggers here
    sessions: Week | None
    session_zone: str  # "": the server's
    holidays: frozenset[int]  # days since 1970-01-01
    allow_negative: bool
    halt: HaltLevel
    profit_num: int = 0  # profit in profit currency = points x units x profit_num / profit_den
    profit_den: int = 1
    values: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # what it was read from
    calendar: Calendar = field(
        default_factory=lambda: Calendar(UTC, None, frozenset()), compare=False, repr=False
    )

    @classmethod
    def from_values(cls, values: Mapping[str, Any], *, index: int) -> "Symbol":
        """Return the symbol that these values describe, defaults filled in.

        Raises:
            SettingError: a value is missing, malformed, out of range or unknown.
        """
        read = _Reader(values)
        name = read.text("name")
        calc_mode = CalcMode(read.word("calc_mode", CalcMode, "forex"))
        forex = calc_mode in FOREX_MODES
        base = read.text("base_currency", name[:3])
        profit = read.text("profit_currency", name[-3:])
        contract = read.fraction("contract_size", "100000", positive=True)
        symbol = cls(
            name=name,
            index=index,
            digits=read.whole("digits", 5, high=10),
            contract_size=contract,
            base_currency=base,
            profit_currency=profit,
            margin_currency=read.text("margin_currency", base if forex else profit),
            calc_mode=calc_mode,
            conversion=Conversion(read.word("conversion", Conversion, "deal" if forex else "market")),
            volume_min=read.units("volume_min", "0.01"),
            volume_max=read.units("volume_max", "1000"),
            volume_step=read.units("volume_step", "0.01"),
            trade_mode=TradeMode(read.word("trade_mode", TradeMode, "full")),
            stops_level=read.whole("stops_level", 0),
            freeze_level=read.whole("freeze_level", 0),
            filter_points=read.whole("filter_points", 0),
            filter_ticks=read.whole("filter_ticks", 3, low=1),
            quotes_timeout_s=read.whole("quotes_timeout", 0),
            margin_initial=read.optional("margin_initial"),
            margin_maintenance=read.optional("margin_maintenance"),
            margin_hedged=read.optional("margin_hedged", contract) or Fraction(0),
            margin_rate_buy=read.fraction("margin_rate_buy", "1"),
            margin_rate_sell=read.fraction("margin_rate_sell", "1"),
            pending_margin_rate=read.fraction("pending_margin_rate", "0"),
            tick_size=read.optional("tick_size"),
            tick_value=read.optional("tick_value"),
            swap_mode=read.swap_mode("swap_mode"),
            swap_long=read.fraction("swap_long", "0", signed=True),
            swap_short=read.fraction("swap_short", "0", signed=True),
            swap_multipliers=read.multipliers("swap_multipliers"),
            security=read.text("security", "default"),
            venue_executed=read.flag("gateway", False),
            sessions=read.sessions("sessions"),
            session_zone=read.session_zone("sessions"),
            holidays=read.holidays("holidays"),
            allow_negative=read.flag("allow_negative", False),
            halt=HaltLevel(read.word("halt", HaltLevel, "normal")),
        )
        read.finish()
        symbol._check()
        symbol.values = _kept(values)
        symbol.follow("UTC")
        return symbol

    def follow(self, server_zone: str) -> None:
        """Keep sessions by their own zone, else by the server's."""
        self.calendar = Calendar(zone_of(self.session_zone or server_zone), self.sessions, self.holidays)

    def _check(self) -> None:
        if self.volume_step <= 0 or self.volume_min <= 0 or self.volume_max < self.volume_min:
            raise SettingError("volume_min", "0 < volume_min <= volume_max and volume_step > 0 are needed")
        if self.calc_mode is CalcMode.FUTURES:
            if not self.tick_size or not self.tick_value:
                raise SettingError("tick_size", "a futures symbol needs tick_size and tick_value above 0")
            if self.margin_initial is None:
                raise SettingError("margin_initial", "a futures symbol needs its initial margin")
            per_price = self.tick_value / self.tick_size
        else:
            per_price = self.contract_size
        factor = per_price / (10**self.digits * VOLUME_SCALE)
        self.profit_num, self.profit_den = factor.numerator, factor.denominator

    def margin_rate(self, buy: bool) -> Fraction:
        """Return the symbol's factor on the margin of a side."""
        return self.margin_rate_buy if buy else self.margin_rate_sell

    def in_session(self, time_ms: int) -> bool:
        """Return whether this instant is inside a trading session: the start is inside, the end is not."""
        return self.calendar.is_open(time_ms)


@dataclass(slots=True, frozen=True)
class Commission:
    """A commission: `amount` in account currency a lot or a deal, or percent of notional."""

    kind: CommissionKind
    amount: Fraction


@dataclass(slots=True, frozen=True)
class Terms:
    """What a group grants on one security."""

    execution: Execution = Execution.AUTO
    spread_diff: int = 0  # points
    commission: Commission | None = None
    agent_commission: Commission | None = None


@dataclass(slots=True)
class Group:
    """The conditions that a set of accounts shares."""

    name: str
    currency: str
    margin_mode: MarginMode
    leverage: int  # of accounts that have none of their own
    leverage_max: int | None  # of any account; None: no limit
    margin_call: Fraction
    stop_out: Fraction
    stop_out_unit: StopOutUnit
    stop_out_mode: StopOutMode
    skip_fully_hedged: bool
    close_fifo: bool
    hedge_prohibited: bool
    hedge_larger_leg: bool
    free_margin_mode: FreeMarginMode
    positive_slippage: bool
    negative_balance_protection: bool
    swap_free: bool
    timeout_s: int
    ttl_s: int
    max_orders: int
    requote_ttl_ms: int
    deviation: int  # points that the market may have moved against the broker when a requote is accepted
    price_bound_points: int | None  # how far from the market a price by hand may be; None: 1 % of the price
    halt: HaltLevel
    default_terms: Terms
    securities: dict[str, Terms] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # what it was read from

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Group":
        """Return the group that these values describe, defaults filled in.

        Raises:
            SettingError: a value is missing, malformed, out of range or unknown.
        """
        read = _Reader(values)
        terms = read.terms(Terms())
        group = cls(
            name=read.text("name"),
            currency=read.text("currency", "USD"),
            margin_mode=MarginMode(read.word("margin_mode", MarginMode, "hedging")),
            leverage=read.whole("leverage", 100, low=1),
            leverage_max=read.optional_whole("leverage_max", low=1),
            margin_call=read.fraction("margin_call", "100"),
            stop_out=read.fraction("stop_out", "50", signed=True),
            stop_out_unit=StopOutUnit(read.word("stop_out_unit", StopOutUnit, "percent")),
            stop_out_mode=StopOutMode(read.word("stop_out_mode", StopOutMode, "mt4")),
            skip_fully_hedged=read.flag("skip_fully_hedged", True),
            close_fifo=read.flag("close_fifo", False),
            hedge_prohibited=read.flag("hedge_prohibited", False),
            hedge_larger_leg=read.flag("hedge_larger_leg", False),
            free_margin_mode=FreeMarginMode(read.word("free_margin_mode", FreeMarginMode, "use_all")),
            positive_slippage=read.flag("positive_slippage", False),
            negative_balance_protection=read.flag("negative_balance_protection", False),
            swap_free=read.flag("swap_free", False),
            timeout_s=read.whole("timeout", 180),
            ttl_s=read.whole("ttl", 10),
            max_orders=read.whole("max_orders", 0),
            requote_ttl_ms=read.milliseconds("requote_ttl", "5"),
            deviation=read.whole("deviation", 0),
            price_bound_points=read.optional_whole("price_bound_points"),
            halt=HaltLevel(read.word("halt", HaltLevel, "normal")),
            default_terms=terms,
            securities=read.securities("securities", terms),
        )
        read.finish()
        if group.leverage_max is not None and group.leverage > group.leverage_max:
            raise SettingError("leverage", f"{group.leverage} is above leverage_max, {group.leverage_max}")
        group.values = _kept(values)
        return group

    def terms(self, security: str) -> Terms:
        """Return what the group grants on this security."""
        return self.securities.get(security, self.default_terms)


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they were given, without the name and the kill switch, which has a command of its own."""
    return {key: value for key, value in values.items() if key not in ("name", "halt")}


def read_account(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an account that these values name, checked; money and numbers are not settings.

    Raises:
        SettingError: a value is malformed, out of range or unknown.
    """
    read = _Reader(values)
    known: dict[str, Any] = {}
    for key in ("group", "currency"):
        if key in values:
            known[key] = read.text(key)
    for key in ("leverage", "agent"):
        if key in values:
            known[key] = 0 if values[key] is None else read.whole(key, 0, high=10**12)
            read.seen.add(key)
    for key in ("enabled", "read_only", "close_only"):
        if key in values:
            known[key] = read.flag(key, False)
    if "tier" in values:
        known["tier"] = read.word("tier", Tier, "PRO")
    if "halt" in values:
        known["halt"] = read.word("halt", HaltLevel, "normal")
    read.finish()
    return known


class _Reader:
    """Reads a mapping key by key and knows at the end which keys nobody asked for."""

    def __init__(self, values: Mapping[str, Any], where: str = "") -> None:
        self.values = values
        self.where = where
        self.seen: set[str] = set()

    def _get(self, key: str, default: Any) -> Any:
        self.seen.add(key)
        return self.values.get(key, default)

    def fail(self, key: str, why: str) -> SettingError:
        return SettingError(f"{self.where}{key}", why)

    def finish(self) -> None:
        unknown = sorted(set(self.values) - self.seen)
        if unknown:
            raise self.fail(unknown[0], "no such setting")

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or not value:
            raise self.fail(key, f"a text is needed, not {value!r}")
        return value

    def word(self, key: str, words: Any, default: str) -> str:
        value = self._get(key, default)
        if value not in list(words):
            raise self.fail(key, f"{value!r} is none of {', '.join(words)}")
        return str(value)

    def whole(self, key: str, default: int, *, low: int = 0, high: int = 10**9) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.fail(key, f"a whole number from {low} to {high} is needed, not {value!r}")
        return value

    def optional_whole(self, key: str, *, low: int = 0) -> int | None:
        return None if self._get(key, None) is None else self.whole(key, low, low=low)

    def milliseconds(self, key: str, default: str) -> int:
        value = self.fraction(key, default) * 1000
        if value.denominator != 1 or value > 86_400_000:
            raise self.fail(key, "seconds of at most three decimals, up to a day, are needed")
        return value.numerator

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self.fail(key, f"true or false is needed, not {value!r}")
        return value

    def fraction(self, key: str, default: str, *, signed: bool = False, positive: bool = False) -> Fraction:
        value = self._number(key, self._get(key, default))
        if (value < 0 and not signed) or (positive and value <= 0):
            raise self.fail(key, f"{value} is too low")
        return value

    def optional(self, key: str, default: Fraction | None = None) -> Fraction | None:
        value = self._get(key, None)
        if value is None:
            return default
        number = self._number(key, value)
        if number < 0:
            raise self.fail(key, f"{value} is below 0")
        return number

    def units(self, key: str, default: str) -> int:
        value = self.fraction(key, default) * VOLUME_SCALE
        if value.denominator != 1:
            raise self.fail(key, "more than 8 decimals of a lot")
        return value.numerator

    def _number(self, key: str, value: Any) -> Fraction:
        number = None if isinstance(value, bool) else parse_decimal(value)
        if number is None:
            raise self.fail(key, f"decimal text is needed, not {value!r}")
        return number

    def swap_mode(self, key: str) -> SwapMode:
        if self._get(key, "none") == "money":  # the older word
            return SwapMode.MONEY_DEPOSIT
        return SwapMode(self.word(key, SwapMode, "none"))

    def multipliers(self, key: str) -> tuple[int, ...]:
        value = self._get(key, [1, 1, 3, 1, 1, 0, 0])
        whole = isinstance(value, (list, tuple)) and all(type(v) is int and 0 <= v <= 31 for v in value)
        if not whole or len(value) != 7:
            raise self.fail(key, "seven whole numbers are needed, Monday first")
        return tuple(value)

    def time_zone(self, key: str, default: str) -> str:
        name = self.text(key, default)
        try:
            zone_of(name)
        except ValueError as error:
            raise self.fail(key, str(error)) from None
        return name

    def session_zone(self, key: str) -> str:
        value = self._get(key, None)
        if not isinstance(value, Mapping) or value.get("time_zone") is None:
            return ""
        return _Reader(value, f"{self.where}{key}.").time_zone("time_zone", "")

    def sessions(self, key: str) -> Week | None:
        value = self._get(key, None)
        if value is None:
            return None
        if not isinstance(value, Mapping) or set(value) - {*WEEKDAYS, "time_zone"}:
            raise self.fail(key, "a mapping of mon..sun to lists of [from, to] is needed")
        week = []
        for day in WEEKDAYS:
            spans = []
            listed = value.get(day, [])
            if not isinstance(listed, (list, tuple)):
                raise self.fail(key, f"{day} needs a list of [from, to]")
            for span in listed:
                start, end = (_minute(self, key, part) for part in _pair(self, key, span))
                if start >= end:
                    raise self.fail(key, f"session {span} ends before it starts")
                spans.append((start, end))
            week.append(tuple(sorted(spans)))
        return tuple(week)

    def holidays(self, key: str) -> frozenset[int]:
        from_text = []
        listed = self._get(key, None) or []
        if not isinstance(listed, (list, tuple)):
            raise self.fail(key, 'a list of days such as ["2026-12-25"] is needed')
        for text in listed:
            from_text.append(_day_number(self, key, text))
        return frozenset(from_text)

    def commission(self, key: str, default: Commission | None) -> Commission | None:
        if key not in self.values:
            self.seen.add(key)
            return default
        value = self._get(key, None)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.fail(key, "null or {kind, amount} is needed")
        inner = _Reader(value, f"{self.where}{key}.")
        kind = CommissionKind(inner.word("kind", CommissionKind, ""))
        amount = inner.fraction("amount", "", positive=False)
        inner.finish()
        return Commission(kind, amount)

    def terms(self, base: Terms) -> Terms:
        return Terms(
            execution=Execution(self.word("execution", Execution, base.execution)),
            spread_diff=self.whole("spread_diff", base.spread_diff),
            commission=self.commission("commission", base.commission),
            agent_commission=self.commission("agent_commission", base.agent_commission),
        )

    def securities(self, key: str, base: Terms) -> dict[str, Terms]:
        value = self._get(key, None) or {}
        if not isinstance(value, Mapping):
            raise self.fail(key, "a mapping of security to settings is needed")
        terms = {}
        for security, inner in value.items():
            if not isinstance(inner, Mapping):
                raise self.fail(key, f"{security}: a mapping is needed")
            reader = _Reader(inner, f"{key}.{security}.")
            terms[str(security)] = reader.terms(base)
            reader.finish()
        return terms


def _pair(reader: _Reader, key: str, span: Any) -> tuple[str, str]:
    if not isinstance(span, (list, tuple)) or len(span) != 2:
        raise reader.fail(key, f"[from, to] is needed, not {span!r}")
    return span[0], span[1]


def _minute(reader: _Reader, key: str, text: Any) -> int:
    hours, _, minutes = str(text).partition(":")
    if not (re.fullmatch(r"[0-9]{1,2}", hours) and re.fullmatch(r"[0-9]{2}", minutes)):
        raise reader.fail(key, f"HH:MM is needed, not {text!r}")
    total = int(hours) * 60 + int(minutes)
    if total > 24 * 60 or int(minutes) > 59:
        raise reader.fail(key, f"{text} is not a time of day")
    return total * 60_000


def _day_number(reader: _Reader, key: str, text: Any) -> int:
    try:
        return date.fromisoformat(str(text)).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        raise reader.fail(key, f"YYYY-MM-DD is needed, not {text!r}") from None
