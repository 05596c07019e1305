"""Rows of the market: securities, symbols, last quotes, extremes and candles.

Symbols are edited by managers and read by the desk; their columns are the keys of scenario files, so that
`Symbol.values()` is what `engine.settings.Symbol.from_values` takes. Quotes, extremes and candles are written
by the desk alone. It does not hold ticks: those live in the stream.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from dealing.columns import NumericField, one_of, plain
from engine import enums
from engine.settings import Server as EngineServer
from engine.settings import SettingError
from engine.settings import Symbol as EngineSymbol
from markets import choices

#: Columns that hold decimals, as they stand in `values()`.
SYMBOL_DECIMALS = (
    "contract_size", "volume_min", "volume_max", "volume_step", "margin_initial", "margin_maintenance",
    "margin_hedged", "margin_rate_buy", "margin_rate_sell", "pending_margin_rate", "tick_size", "tick_value",
    "swap_long", "swap_short",
)  # fmt: skip
#: Columns that hold words, whole numbers and flags.
SYMBOL_PLAIN = (
    "name", "digits", "base_currency", "profit_currency", "margin_currency", "calc_mode", "conversion",
    "trade_mode", "stops_level", "freeze_level", "filter_points", "filter_ticks", "quotes_timeout",
    "swap_mode", "swap_multipliers", "gateway", "sessions", "holidays", "allow_negative", "halt",
)  # fmt: skip
#: What may not change while positions or pending orders of the symbol exist: it would falsify them.
SYMBOL_FIXED = (
    "digits", "contract_size", "base_currency", "profit_currency", "margin_currency", "calc_mode",
    "tick_size", "tick_value",
)  # fmt: skip


def usual_multipliers() -> list[int]:
    """Return the swap multipliers of a week with the triple day on Wednesday, Monday first."""
    return [1, 1, 3, 1, 1, 0, 0]


class Server(models.Model):
    """What holds for the whole server; one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    day_end = models.CharField(
        max_length=5, default="00:00", help_text="When a trading day ends, local time."
    )
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="By whose clock, such as America/New_York."
    )

    class Meta:
        verbose_name = "server"
        verbose_name_plural = "server"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="server_one_row")]

    def __str__(self) -> str:
        return f"the day ends at {self.day_end} {self.time_zone}"

    def values(self) -> dict[str, Any]:
        """Return the settings as the words of scenario files."""
        return {"day_end": self.day_end, "time_zone": self.time_zone}

    def to_engine(self) -> EngineServer:
        """Return the engine's settings.

        Raises:
            SettingError: the engine cannot take one.
        """
        return EngineServer.from_values(self.values())

    def clean(self) -> None:
        """Let the engine judge the settings, before they are saved."""
        try:
            self.to_engine()
        except SettingError as error:
            raise ValidationError({error.key: error.why}) from None


class Security(models.Model):
    """A group of symbols that share a group's terms: forex, metals, crypto."""

    name = models.CharField(max_length=32, primary_key=True)
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "securities"

    def __str__(self) -> str:
        return self.name


class Symbol(models.Model):
    """A traded instrument and all its settings."""

    name = models.CharField(max_length=32, primary_key=True)
    description = models.CharField(max_length=200, blank=True)
    position = models.PositiveIntegerField(
        default=0, db_index=True, help_text="Place in the list: the first pair found converts."
    )
    security = models.ForeignKey(Security, on_delete=models.PROTECT, related_name="+")
    digits = models.PositiveSmallIntegerField(default=5)
    contract_size = NumericField(default=100000, help_text="Units of the base currency a lot.")
    base_currency = models.CharField(max_length=12)
    profit_currency = models.CharField(max_length=12)
    margin_currency = models.CharField(max_length=12)
    calc_mode = models.CharField(max_length=20, choices=choices.CalcMode, default="forex")
    conversion = models.CharField(max_length=10, choices=choices.Conversion, default="deal")
    volume_min = NumericField(default="0.01", help_text="Lots.")
    volume_max = NumericField(default="1000", help_text="Lots.")
    volume_step = NumericField(default="0.01", help_text="Lots.")
    trade_mode = models.CharField(max_length=12, choices=choices.TradeMode, default="full")
    stops_level = models.PositiveIntegerField(default=0, help_text="Points; 0 is off.")
    freeze_level = models.PositiveIntegerField(default=0, help_text="Points; 0 is off.")
    filter_points = models.PositiveIntegerField(default=0, help_text="Points; 0 is off.")
    filter_ticks = models.PositiveIntegerField(default=3, help_text="Deviating ticks that confirm a move.")
    quotes_timeout = models.PositiveIntegerField(default=0, help_text="Seconds; 0 is off.")
    margin_initial = NumericField(null=True, blank=True, help_text="Per lot; empty is by formula.")
    margin_maintenance = NumericField(null=True, blank=True, help_text="Per lot once open; futures.")
    margin_hedged = NumericField(null=True, blank=True, help_text="Empty: the contract size.")
    margin_rate_buy = NumericField(default=1)
    margin_rate_sell = NumericField(default=1)
    pending_margin_rate = NumericField(default=0, help_text="0: pending orders reserve nothing.")
    tick_size = NumericField(null=True, blank=True, help_text="Futures.")
    tick_value = NumericField(null=True, blank=True, help_text="Futures.")
    swap_mode = models.CharField(max_length=16, choices=choices.SwapMode, default="none")
    swap_long = NumericField(default=0)
    swap_short = NumericField(default=0)
    swap_multipliers = models.JSONField(default=usual_multipliers, help_text="Seven numbers, Monday first.")
    gateway = models.BooleanField(default=False, help_text="A venue executes; the desk does not trigger.")
    sessions = models.JSONField(
        null=True, blank=True, help_text='Empty: always open. {"mon": [["00:00", "22:00"]], ...}, UTC.'
    )
    holidays = models.JSONField(default=list, blank=True, help_text='Closed days: ["2026-12-25", ...].')
    allow_negative = models.BooleanField(default=False)
    halt = models.CharField(max_length=20, choices=choices.HaltLevel, default="normal")

    class Meta:
        ordering = ("position", "name")
        constraints = [
            models.CheckConstraint(condition=models.Q(digits__lte=10), name="symbol_digits"),
            models.CheckConstraint(condition=models.Q(contract_size__gt=0), name="symbol_contract_size"),
            models.CheckConstraint(
                condition=models.Q(
                    volume_min__gt=0, volume_step__gt=0, volume_max__gte=models.F("volume_min")
                ),
                name="symbol_volumes",
            ),
            models.CheckConstraint(condition=models.Q(filter_ticks__gte=1), name="symbol_filter_ticks"),
            models.CheckConstraint(
                condition=models.Q(
                    margin_rate_buy__gte=0, margin_rate_sell__gte=0, pending_margin_rate__gte=0
                ),
                name="symbol_margin_rates",
            ),
            one_of("calc_mode", enums.CalcMode, name="symbol_calc_mode"),
            one_of("conversion", enums.Conversion, name="symbol_conversion"),
            one_of("trade_mode", enums.TradeMode, name="symbol_trade_mode"),
            one_of("swap_mode", enums.SwapMode, name="symbol_swap_mode"),
            one_of("halt", enums.HaltLevel, name="symbol_halt"),
        ]

    def __str__(self) -> str:
        return self.name

    def values(self) -> dict[str, Any]:
        """Return the settings as the words and decimal text of scenario files."""
        values: dict[str, Any] = {key: getattr(self, key) for key in SYMBOL_PLAIN}
        values["security"] = self.security_id
        for key in SYMBOL_DECIMALS:
            value = getattr(self, key)
            if value is not None:
                values[key] = value if isinstance(value, (str, int)) else plain(value)
        return values

    def to_engine(self, *, index: int) -> EngineSymbol:
        """Return the engine's symbol.

        Raises:
            SettingError: the engine cannot take a setting.
        """
        return EngineSymbol.from_values(self.values(), index=index)

    def clean(self) -> None:
        """Let the engine judge the settings, before they are saved."""
        try:
            self.to_engine(index=self.position or 0)
        except SettingError as error:
            known = error.key if error.key in (*SYMBOL_PLAIN, *SYMBOL_DECIMALS, "security") else None
            raise ValidationError({known: error.why} if known else str(error)) from None


class Quote(models.Model):
    """The last accepted tick of a symbol, written by the desk of shard 0."""

    symbol = models.CharField(max_length=32, primary_key=True)
    bid = NumericField()
    ask = NumericField()
    time = models.DateTimeField()
    seq = models.BigIntegerField(default=0)
    deviating = models.IntegerField(default=0)
    refusals = models.IntegerField(
        default=0, help_text="a bit for each of the last 20 ticks: 1 where refused"
    )
    digits = models.PositiveSmallIntegerField(default=5)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(ask__gte=models.F("bid")), name="quote_not_crossed")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.bid}/{self.ask}"


class Extremes(models.Model):
    """Running extremes of a symbol in a shard, from which trailing marks are recovered."""

    pk = models.CompositePrimaryKey("shard", "symbol")
    shard = models.SmallIntegerField()
    symbol = models.CharField(max_length=32)
    data = models.JSONField()

    class Meta:
        verbose_name_plural = "extremes"

    def __str__(self) -> str:
        return f"{self.symbol} of shard {self.shard}"


class Candle(models.Model):
    """Open, high, low and close of the bid in one interval."""

    pk = models.CompositePrimaryKey("symbol", "interval", "time")
    symbol = models.CharField(max_length=32)
    interval = models.CharField(max_length=3, choices=choices.Interval)
    time = models.DateTimeField()
    open = NumericField()
    high = NumericField()
    low = NumericField()
    close = NumericField()
    ticks = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    high__gte=models.F("low"),
                    open__gte=models.F("low"),
                    open__lte=models.F("high"),
                    close__gte=models.F("low"),
                    close__lte=models.F("high"),
                ),
                name="candle_shape",
            ),
            models.CheckConstraint(
                condition=models.Q(interval__in=choices.Interval.values), name="candle_interval"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval} {self.time:%Y-%m-%d %H:%M}"
