"""The audit's own reading of margins and quotes (rules 2.3, 2.5, 7.3, 7.6), to the cent, beside the engine's."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from dealing.columns import fraction_text
from engine import commands as c
from engine.engine import Engine
from engine.enums import By
from engine.events import CommandDone
from engine.order_types import OrderType
from engine.records import Account, Position
from engine.settings import Group, Symbol
from engine.state import State
from manager.audit.margins import Market, account_margin, position_profit

LOGIN = 1001
OIL = {
    "name": "OIL", "digits": 2, "contract_size": "1000", "base_currency": "OIL", "profit_currency": "USD",
    "margin_currency": "USD", "calc_mode": "cfd_leverage", "allow_negative": True, "conversion": "market",
}  # fmt: skip
EURUSD = {"name": "EURUSD"}
USDJPY = {"name": "USDJPY", "digits": 3}


class Desk:
    """An engine with one account, and its rows as the audit reads them."""

    def __init__(self, *symbols: dict[str, Any], group: dict[str, Any], currency: str = "USD") -> None:
        state = State()
        for index, values in enumerate(symbols):
            state.symbols[values["name"]] = Symbol.from_values(values, index=index)
        values = {"name": "g", "currency": currency, "leverage": 100, **group}
        state.groups["g"] = Group.from_values(values)
        state.accounts[LOGIN] = Account(login=LOGIN, group="g", currency=currency, balance=10**9)
        self.state, self.engine = state, Engine(state)
        self.quotes: dict[str, tuple[Fraction, Fraction, int]] = {}
        self.now_ms = 0
        self.spread = int(group.get("spread_diff", 0))

    def tick(self, symbol: str, bid: str, ask: str) -> None:
        self.now_ms += 1000
        self.engine.on_tick(symbol, bid, ask, self.now_ms)
        self.quotes[symbol] = Fraction(bid), Fraction(ask), self.now_ms

    def place(self, symbol: str, kind: OrderType, volume: str, leverage: int | None = None) -> None:
        self.now_ms += 1000
        command = c.PlaceOrder(
            login=LOGIN,
            symbol=symbol,
            type=kind,
            volume=volume,
            leverage=leverage,
            ticket=self.now_ms,
            by=By.CLIENT,
        )
        done = self.engine.on_command(command, self.now_ms)[-1]
        assert isinstance(done, CommandDone)
        assert not done.code, done

    @property
    def account(self) -> dict[str, Any]:
        group = self.state.groups["g"]
        return {
            "currency": group.currency, "group_id": "g", "spread_diff": self.spread,
            "hedge_larger_leg": group.hedge_larger_leg,
        }  # fmt: skip

    @property
    def market(self) -> Market:
        keys = (
            "digits", "contract_size", "base_currency", "profit_currency", "margin_initial", "margin_maintenance",
            "margin_hedged", "margin_rate_buy", "margin_rate_sell", "tick_size", "tick_value", "allow_negative",
        )  # fmt: skip
        rows = {
            name: {
                **{key: getattr(symbol, key) for key in keys}, "name": name, "security_id": symbol.security,
                "calc_mode": symbol.calc_mode.value, "conversion": symbol.conversion.value,
            }
            for name, symbol in self.state.symbols.items()
        }  # fmt: skip
        return Market(rows, dict(self.quotes), {})

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row_of(position) for position in self.state.positions.values()]

    def margins(self) -> tuple[str, str]:
        """Return the account's margin as the audit finds it and as the engine has it."""
        return str(account_margin(self.market, self.account, self.rows)), self.engine.account_view(LOGIN)[
            "margin"
        ]


def row_of(p: Position) -> dict[str, Any]:
    return {
        "symbol": p.symbol, "side": p.side.value, "volume": Decimal(p.volume).scaleb(-8), "digits": p.digits,
        "open_price_exact": fraction_text(p.open_price), "leverage_exact": fraction_text(p.leverage),
        "margin_rate_exact": fraction_text(p.margin_rate), "margin_factor": fraction_text(p.margin_factor),
        "fees": Decimal(0), "swap": Decimal(0),
    }  # fmt: skip


def test_margin_when_a_netting_position_was_increased_then_each_lot_counts_at_its_own_terms() -> None:
    desk = Desk(OIL, group={"margin_mode": "netting"})
    desk.tick("OIL", "-10.01", "-10.00")
    desk.place("OIL", OrderType.BUY, "1", leverage=10)
    assert desk.margins() == ("1000.00", "1000.00")  # 1000 x |-10| / 10

    desk.tick("OIL", "29.99", "30.00")
    desk.place("OIL", OrderType.BUY, "1", leverage=5)

    # And 1000 x 30 / 5. Averages by themselves would say 2 x 1000 x 10 / 6.67 = 3000.
    assert desk.margins() == ("7000.00", "7000.00")
    desk.place("OIL", OrderType.SELL, "1")
    assert desk.margins() == ("3500.00", "3500.00")


def test_margin_when_leverages_of_a_forex_position_differ_then_the_harmonic_mean_holds() -> None:
    desk = Desk(EURUSD, USDJPY, group={"margin_mode": "netting"}, currency="JPY")
    desk.tick("USDJPY", "150.000", "150.010")
    desk.tick("EURUSD", "1.10000", "1.10010")
    desk.place("EURUSD", OrderType.BUY, "0.30", leverage=100)
    desk.tick("USDJPY", "160.000", "160.010")
    desk.place("EURUSD", OrderType.BUY, "0.10", leverage=30)

    # 30000 x 1.1001 x 150.01 / 100 = 49507.8003 and 10000 x 1.1001 x 160.01 / 30 = 58675.667, rounded as one.
    assert desk.margins() == ("108183", "108183")


def test_margin_when_a_price_is_below_zero_then_its_size_counts_on_both_sides() -> None:
    desk = Desk(OIL, group={"hedge_larger_leg": True})
    desk.tick("OIL", "-20.00", "-19.00")
    desk.place("OIL", OrderType.BUY, "1", leverage=10)
    desk.place("OIL", OrderType.SELL, "1", leverage=10)

    assert desk.margins() == ("2000.00", "2000.00")


def test_quote_when_half_the_spread_is_more_than_the_bid_then_it_stays_at_one_point() -> None:
    desk = Desk({**OIL, "name": "PENNY", "allow_negative": False}, OIL, group={"spread_diff": 9})
    for symbol in ("PENNY", "OIL"):
        desk.tick(symbol, "0.02", "0.03")

    assert desk.market.quote("PENNY", desk.account) == (Fraction(1, 100), Fraction(8, 100))
    assert desk.market.quote("OIL", desk.account) == (Fraction(-2, 100), Fraction(8, 100))
    assert [str(view) for view in desk.market.quote("PENNY", {**desk.account, "spread_diff": 0}) or ()] == [
        "1/50",
        "3/100",
    ]


@pytest.mark.parametrize("kind", [OrderType.BUY, OrderType.SELL])
def test_profit_when_the_way_leads_over_a_third_currency_then_it_is_found(kind: OrderType) -> None:
    symbols = [
        {"name": "AAACHF", "digits": 2, "contract_size": "100", "calc_mode": "cfd", "margin_currency": "CHF"},
        {"name": "EURCHF"},
        {"name": "EURSEK"},
    ]
    desk = Desk(*symbols, group={}, currency="SEK")
    desk.tick("EURCHF", "0.95000", "0.95010")
    desk.tick("EURSEK", "11.40000", "11.40100")
    desk.tick("AAACHF", "50.00", "50.02")
    desk.place("AAACHF", kind, "1")
    desk.tick("AAACHF", "51.00", "51.02")

    (row,) = desk.rows
    shown = desk.engine.position_view(next(iter(desk.state.positions)))["profit"]
    # 98 francs gained or 102 lost: over the euro, both legs at the bid for a gain and at the ask for a loss.
    expected = {OrderType.BUY: "1175.88", OrderType.SELL: "-1224.11"}[kind]
    assert (str(position_profit(desk.market, desk.account, row)), shown) == (expected, expected)
