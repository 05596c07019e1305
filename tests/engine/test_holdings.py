"""What is summed up by symbol equals what adding up afresh gives, whatever came and went."""

from fractions import Fraction
from random import Random

import pytest

from engine import commands as c
from engine.engine import Engine
from engine.equity_range import equity_range
from engine.holdings import FINE, RatioSum
from engine.margin import symbol_margin
from engine.order_types import OrderType
from engine.profit import floating_profit
from engine.records import Account
from engine.settings import Group, Symbol, currency_digits
from engine.state import State
from engine.valuation import account_state, exact_legs, wrong_sums

#: Name: settings, first price in points. EUR accounts convert USD and JPY by inverse prices, each of its own denominator.
MARKET = {
    "EURUSD": ({"digits": 5}, 110_000),
    "USDJPY": ({"digits": 3}, 150_000),
    "GBPJPY": ({"digits": 3, "conversion": "market", "margin_rate_buy": "1.5", "margin_hedged": "33333"}, 190_000),
    "XAUUSD": ({"digits": 2, "calc_mode": "cfd_leverage", "contract_size": "100", "base_currency": "XAU",
                "profit_currency": "USD", "conversion": "market"}, 200_000),
    "GBPUSD": ({"digits": 5}, 127_000),
}  # fmt: skip
NAMES = list(MARKET)


class Trader:
    """A market of several currencies, and a client of one of them who trades at random."""

    def __init__(self, seed: int, currency: str, mode: str) -> None:
        self.rng, self.currency, self.points = Random(seed), currency, {k: v[1] for k, v in MARKET.items()}
        state = State()
        for index, (name, (values, _)) in enumerate(MARKET.items()):
            state.symbols[name] = Symbol.from_values({"name": name, **values}, index=index)
        terms = {"name": "g", "currency": currency, "leverage": 33, "margin_mode": mode, "spread_diff": 3}
        state.groups["g"] = Group.from_values(terms)
        state.accounts[1] = Account(login=1, group="g", currency=currency, balance=10**13)
        self.engine, self.state, self.ticket = Engine(state), state, 0
        for name in NAMES:
            self.tick(name)

    def tick(self, name: str) -> None:
        """Let a price move."""
        self.points[name] += self.rng.randint(-300, 300)
        digits = MARKET[name][0]["digits"]
        bid, ask = (
            f"{p // 10**digits}.{p % 10**digits:0{digits}d}"
            for p in (self.points[name], self.points[name] + 7)
        )
        self.engine.on_tick(name, bid, ask, self.state.now_ms + 1)

    def trade(self) -> None:
        """Open something, or close a part or all of something."""
        rng, held = self.rng, self.state.positions
        command: c.Command
        if held and rng.random() < 0.4:
            position = rng.choice(list(held.values()))
            part = f"{rng.randint(1, max(1, position.volume // 10**6)) / 100:.2f}"
            command = c.ClosePosition(login=1, position=position.ticket, volume=rng.choice([None, part]))
        else:
            self.ticket += 10
            volume = f"{rng.randint(1, 500) / 100:.2f}"
            kind = rng.choice([OrderType.BUY, OrderType.SELL])
            command = c.PlaceOrder(
                login=1, symbol=rng.choice(NAMES), type=kind, volume=volume, ticket=self.ticket
            )
        self.engine.on_command(command, self.state.now_ms)


@pytest.mark.parametrize("mode", ["hedging", "netting"])
@pytest.mark.parametrize("currency", ["USD", "EUR", "JPY"])
def test_sums_when_positions_come_and_go_then_equal_what_each_position_gives(
    currency: str, mode: str
) -> None:
    trader = Trader(1, currency, mode)
    for _ in range(250):
        trader.tick(trader.rng.choice(NAMES))
        trader.trade()
        figures, state = account_state(trader.state, 1), trader.state
        margin = sum(
            symbol_margin(
                state.symbols[name], state.groups["g"], exact_legs(state, 1, name), currency_digits(currency)
            )
            for name in state.book(1).held()
        )

        assert figures.floating == sum(floating_profit(state, p) for p in state.positions.values())
        assert figures.carried == sum(p.swap + p.fees for p in state.positions.values())
        assert figures.margin == margin
    assert list(wrong_sums(trader.state)) == []
    assert state.positions


@pytest.mark.parametrize("mode", ["hedging", "netting"])
@pytest.mark.parametrize("currency", ["USD", "EUR", "JPY"])
def test_equity_range_when_quotes_are_anywhere_in_the_box_then_holds_the_exact_equity(
    currency: str, mode: str
) -> None:
    trader = Trader(2, currency, mode)
    for _ in range(60):
        trader.trade()
        trader.tick(trader.rng.choice(NAMES))
    state, rng = trader.state, trader.rng
    assert len(state.positions) > 3
    count = len(state.positions)

    for _ in range(100):
        least, most = equity_range(state, 1)
        assert least <= account_state(state, 1).equity <= most
        assert most - least <= 2 * count + 2  # a rounding and a bound's own a position
        reach = rng.choice([0, 1, 50, 5000])
        spans = {
            n: (q.bid - reach, q.bid + reach, q.ask - reach, q.ask + reach) for n, q in state.quotes.items()
        }
        low, high = equity_range(state, 1, spans)
        stood = {name: (quote.bid, quote.ask) for name, quote in state.quotes.items()}
        for quote in state.quotes.values():
            bid, ask = quote.bid + rng.randint(-reach, reach), quote.ask + rng.randint(-reach, reach)
            quote.bid, quote.ask = min(bid, ask), max(bid, ask)
        assert low <= account_state(state, 1).equity <= high
        for name, (bid, ask) in stood.items():
            state.quotes[name].bid, state.quotes[name].ask = bid, ask
        trader.tick(rng.choice(NAMES))


def test_ratio_sum_when_denominators_grow_too_long_then_bounds_the_sum_closely() -> None:
    ratios = [Fraction(7, prime) for prime in (10**9 + 7, 10**9 + 9, 10**9 + 21, 10**9 + 33, 10**9 + 87)]
    kept = RatioSum()
    for ratio in ratios:
        kept.add((ratio.numerator, ratio.denominator), 1)
    exact = sum(ratios)

    low, high = kept.ends

    assert low < exact < high
    assert high - low <= Fraction(len(ratios), 1 << FINE)
    for ratio in ratios:
        kept.add((ratio.numerator, ratio.denominator), -1)
    assert (kept.low, kept.others, kept.num, kept.count) == (0, 0, 0, 0)


def test_check_when_a_position_changes_behind_the_sums_then_says_so() -> None:
    trader = Trader(3, "USD", "hedging")
    trader.trade()
    (position,) = trader.state.positions.values()
    account_state(trader.state, 1)

    position.volume += 1_000_000

    assert {login for login, _ in wrong_sums(trader.state)} == {1}
